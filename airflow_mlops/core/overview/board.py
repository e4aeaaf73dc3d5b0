"""What this process knows of the models of a store, brought up to date when somebody looks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Lock
from typing import Final

from airflow_mlops.core.overview.known import KnownModel
from airflow_mlops.core.overview.recent import Recent, far_away
from airflow_mlops.core.overview.records import ModelOverview
from airflow_mlops.core.serving.hours import children
from airflow_mlops.core.store import Store

#: Models looked at at once on a store that is far away; a folder is quicker one by one.
_AT_ONCE: Final = 16
#: Stores that are kept in mind.
_STORES: Final = 8
#: Models of a store whose entries and digests are kept, and how many of these: those that were asked for last.
_WHOLE, _ENTRIES = 64, 30_000


class Board:
    """What is known about the models of one store."""

    def __init__(self) -> None:
        self._models: dict[str, KnownModel] = {}
        self._whole: OrderedDict[str, KnownModel] = OrderedDict()
        self._names: tuple[str, ...] = ()
        self._recent = Recent()
        self._lock = Lock()

    def names(self, store: Store) -> tuple[str, ...]:
        """Names of the models of the store, in their order."""
        if not self._recent.holds(store):
            self._names = tuple(sorted(children(store, "models/")))
            self._recent.begin()
        return self._names

    def known(self, store: Store, model: str) -> KnownModel | None:
        """What is known of a model whose logs somebody reads; None where the store has no record of it."""
        known = self._known(store, model)
        with self._lock:
            new = self._models.get(model) is not known
        if new and next(iter(store.list(f"models/{model}/")), None) is None:
            return None
        with self._lock:
            self._models[model] = self._whole[model] = known
            self._whole.move_to_end(model)
        self._make_room()
        return known

    def overview(self, store: Store, model: str, now: datetime) -> ModelOverview:
        """How one model stands."""
        known = self._known(store, model)
        overview = known.overview(store, now)
        with self._lock:
            # Names that nobody has heard of are not kept: anybody may ask for any number of them.
            if overview.versions or overview.last_release:
                self._models[model] = known
        return overview

    def overviews(self, store: Store, models: Iterable[str], now: datetime) -> tuple[ModelOverview, ...]:
        """How several models stand, in their order."""
        if not far_away(store):
            return tuple(self.overview(store, model, now) for model in models)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return tuple(pool.map(lambda model: self.overview(store, model, now), models))

    def _known(self, store: Store, model: str) -> KnownModel:
        """What is known of a model; nothing yet where the store was emptied."""
        with self._lock:
            known = self._models.get(model)
        if known is not None and known.is_there(store):
            return known
        with self._lock:
            if known is not None and self._models.get(model) is known:
                del self._models[model]
                self._whole.pop(model, None)
            other = self._models.get(model)
        return KnownModel(model) if other is None else other

    def _make_room(self) -> None:
        """Forget the entries of the models that were asked for longest ago, where there are too many."""
        gone: list[KnownModel] = []
        with self._lock:
            sizes = {name: one.size for name, one in self._whole.items()}
            while len(sizes) > 1 and (len(sizes) > _WHOLE or sum(sizes.values()) > _ENTRIES):
                name, one = self._whole.popitem(last=False)
                del sizes[name]
                gone.append(one)
        for one in gone:
            one.drop()


_boards: dict[str, Board] = {}
_lock = Lock()


def model_names(store: Store) -> tuple[str, ...]:
    """Names of the models of a store, in their order."""
    return board_of(store).names(store)


def overview_of(store: Store, model: str, *, now: datetime) -> ModelOverview:
    """How a model stands at ``now``; a model that the store does not know has no versions and serves nothing.

    :raises StoreError: if the store can't be reached. A record that is lost or damaged is named in ``broken``.
    """
    return board_of(store).overview(store, model, now)


def overviews(
    store: Store, models: Iterable[str] | None = None, *, now: datetime
) -> tuple[ModelOverview, ...]:
    """How models stand at ``now``, in the order of ``models``; all, by name, without it.

    :raises StoreError: if the store can't be reached. A record that is lost or damaged is named in ``broken``.
    """
    return board_of(store).overviews(store, model_names(store) if models is None else models, now)


def board_of(store: Store) -> Board:
    """The one of this store; the oldest is forgotten when there are too many."""
    with _lock:
        board = _boards.get(store.uri)
        if board is None:
            if len(_boards) >= _STORES:
                del _boards[next(iter(_boards))]
            board = _boards[store.uri] = Board()
        return board
