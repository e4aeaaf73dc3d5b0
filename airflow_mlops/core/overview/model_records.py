"""The records of one model for one look at it, through what this process has read before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from airflow_mlops.core.card.history import History
from airflow_mlops.core.card.reading import Gap, Reader
from airflow_mlops.core.overview.board import board_of
from airflow_mlops.core.overview.known import KnownModel
from airflow_mlops.core.overview.recent import far_away
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.version import ModelVersion, version_log
from airflow_mlops.core.rollout.progress import StageNow, progress_log
from airflow_mlops.core.store import Log, Store

R = TypeVar("R", bound=Record)
T = TypeVar("T")
#: Records that are read at once, and logs that are looked at at once: hides the way to S3.
_READERS: Final = 8
#: What a dossier asks of a history.
_OF_DOSSIER: Final = (
    "deployments", "releases", "approvals", "policies", "looks", "alerts", "requests", "reproductions", "erasures",
    "scorings", "proofs",
)  # fmt: skip


class KnowingReader(Reader):
    """Reads logs of a model through what is known of them: only what is new is read."""

    def __init__(self, store: Store, known: KnownModel) -> None:
        super().__init__(store, None)
        self._known = known

    def entries(self, log: Log[R], what: str) -> tuple[tuple[int, R], ...]:
        """See :meth:`Reader.entries`."""
        return self._known.entries(self, log, what)


def is_recorded(store: Store, model: str) -> bool:
    """Whether the store has any record of the model."""
    return board_of(store).known(store, model) is not None


class ModelRecords(History):
    """The records of one model for one request: its history, and more that its pages need."""

    def __init__(self, store: Store, model: str) -> None:
        super().__init__(store, model)
        # A name that no record stands for is nothing to remember: anybody may ask for any number of them.
        known = board_of(store).known(store, model)
        self._known = KnownModel(model) if known is None else known
        self.reader = KnowingReader(store, self._known)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What could not be read so far, each once, in words; the rest is told all the same."""
        return tuple(dict.fromkeys(self.reader.gaps))

    def prepare(self, *logs: str) -> None:
        """Look at some logs at once, where each look takes a way through a network.

        :param logs: names of attributes; all that a dossier is made of without any.
        """
        if far_away(self.store):
            _at_once(lambda name: getattr(self, name), logs or _OF_DOSSIER)

    def progress(self, entry: int) -> tuple[StageNow, ...]:
        """The looks at the stage that an entry of the deployment log began."""
        log = progress_log(self.store, self.model, entry)
        found = self.reader.log(log, f"progress of entry {entry}", lambda look: look.at)
        return tuple(look for _, look in found)

    def last_version(self) -> int:
        """The newest version's number, 0 without any."""
        return self._known.last_version(self.store)

    def record(self, number: int) -> ModelVersion | None:
        """The record of a version; None where it can't be read."""
        key = version_log(self.store, self.model).key(number)
        return self.reader.kept(key, ModelVersion, f"version {number}")

    def digests(self, numbers: Iterable[int], digest: Callable[[ModelVersion], T]) -> dict[int, T]:
        """What ``digest`` makes of some versions, those that can be read; of each once in this process."""
        return self._digested(numbers, digest, self.record)

    def blobs(self, refs: Iterable[str], cls: type[R], what: str, digest: Callable[[R], T]) -> dict[str, T]:
        """What ``digest`` makes of some records that are kept under their hash, those that can be read."""
        return self._digested(refs, digest, lambda ref: self.reader.blob(ref, cls, what))

    def _digested(
        self, keys: Iterable[Any], digest: Callable[[R], T], read: Callable[[Any], R | None]
    ) -> dict[Any, T]:
        wanted = list(dict.fromkeys(keys))
        found = {key: self._known.digest((digest, key)) for key in wanted}
        missing = [key for key, one in found.items() if one is None]
        for key, record in zip(missing, _at_once(read, missing), strict=True):
            if record is not None:
                found[key] = digest(record)
                self._known.keep((digest, key), found[key])
        return {key: one for key, one in found.items() if one is not None}


def _at_once(work: Callable[[Any], T], keys: Sequence[Any]) -> list[T]:
    if len(keys) < 2:
        return [work(key) for key in keys]
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(work, keys))
