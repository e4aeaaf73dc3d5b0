"""How all models of a store stand, kept in this process and brought up to date when somebody looks."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Lock

from airflow_mlops.core.overview.known import KnownModel
from airflow_mlops.core.overview.records import ModelOverview
from airflow_mlops.core.serving.hours import children
from airflow_mlops.core.store import Store

#: Models looked at at once on a store that is far away; a folder is quicker one by one.
_AT_ONCE = 16
#: Stores that are kept in mind.
_STORES = 8


class Board:
    """What is known about the models of one store."""

    def __init__(self) -> None:
        self._models: dict[str, KnownModel] = {}
        self._lock = Lock()

    def overview(self, store: Store, model: str, now: datetime) -> ModelOverview:
        """How one model stands."""
        with self._lock:
            known = self._models.get(model)
        if known is not None and known.is_there(store):
            return known.overview(store, now)
        known = KnownModel(model)
        overview = known.overview(store, now)
        with self._lock:
            # Names that nobody has heard of are not kept: anybody may ask for any number of them.
            if overview.versions or overview.last_release:
                self._models[model] = known
            else:
                self._models.pop(model, None)
        return overview

    def overviews(self, store: Store, models: Iterable[str], now: datetime) -> tuple[ModelOverview, ...]:
        """How several models stand, in their order."""
        if store.uri.startswith("file:"):
            return tuple(self.overview(store, model, now) for model in models)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return tuple(pool.map(lambda model: self.overview(store, model, now), models))


_boards: dict[str, Board] = {}
_lock = Lock()


def model_names(store: Store) -> tuple[str, ...]:
    """Names of the models of a store, in their order."""
    return tuple(sorted(children(store, "models/")))


def overview_of(store: Store, model: str, *, now: datetime) -> ModelOverview:
    """How a model stands at ``now``; a model that the store does not know has no versions and serves nothing.

    :raises StoreError: if the store can't be reached. A record that is lost or damaged is named in ``broken``.
    """
    return _board(store).overview(store, model, now)


def overviews(
    store: Store, models: Iterable[str] | None = None, *, now: datetime
) -> tuple[ModelOverview, ...]:
    """How models stand at ``now``, in the order of ``models``; all, by name, without it.

    :raises StoreError: if the store can't be reached. A record that is lost or damaged is named in ``broken``.
    """
    return _board(store).overviews(store, model_names(store) if models is None else models, now)


def _board(store: Store) -> Board:
    """The one of this store; the oldest is forgotten when there are too many."""
    with _lock:
        board = _boards.get(store.uri)
        if board is None:
            if len(_boards) >= _STORES:
                del _boards[next(iter(_boards))]
            board = _boards[store.uri] = Board()
        return board
