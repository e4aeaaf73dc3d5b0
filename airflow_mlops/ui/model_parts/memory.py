"""What this process has read of a model: logs only grow and records never change, so nothing is read twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Final, TypeVar

from airflow_mlops.core.card.reading import Gap, Reader
from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.monitoring.alerts.log import AlertEntry, alert_log
from airflow_mlops.core.monitoring.look import Look, monitoring_log
from airflow_mlops.core.monitoring.retraining.requests import RetrainRequest, request_log
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.releases import ReleaseEvent, release_log
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.rollout.progress import StageNow, progress_log
from airflow_mlops.core.store import Log, Store

R = TypeVar("R", bound=Record)
T = TypeVar("T")
#: Models whose records a process keeps, those that were asked for last; and digests of blobs of one model.
_MODELS, _DIGESTS = 64, 400
#: Blobs and records that are read at once: hides the way to S3.
_READERS: Final = 8
_kept: OrderedDict[tuple[str, str], ModelMemory] = OrderedDict()
_lock = Lock()


class ModelMemory:
    """The entries of a model's logs that were read so far, and what was made of its larger records.

    Several requests may read at once: at worst something is read twice, and the same is kept.
    """

    def __init__(self) -> None:
        self.logs: dict[str, tuple[tuple[int, Any], ...]] = {}
        self.digests: OrderedDict[tuple[object, str | int], Any] = OrderedDict()

    def clear(self) -> None:
        """Forget everything about the model."""
        self.logs.clear()
        self.digests.clear()

    def keep(self, key: tuple[object, str | int], digest: object) -> None:
        """Keep a digest; the one that was kept first goes when there are too many."""
        self.digests[key] = digest
        while len(self.digests) > _DIGESTS:
            self.digests.popitem(last=False)


def forget() -> None:
    """Forget everything: for tests, whose stores share an address."""
    with _lock:
        _kept.clear()


class ModelRecords:
    """The records of one model for one request, through what the process remembers of them.

    :ivar gaps: what could not be read, in words; the rest is told all the same.
    """

    def __init__(self, store: Store, model: str) -> None:
        self.store, self.model = store, model
        self.reader = Reader(store, None)
        self._memory = _memory(store.uri, model)
        self._current: dict[str, tuple[tuple[int, Any], ...]] = {}

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What could not be read so far, each once."""
        return tuple(dict.fromkeys(self.reader.gaps))

    def deployments(self) -> tuple[tuple[int, Deployment], ...]:
        """The decisions about the traffic with their numbers, oldest first."""
        log = DeploymentLog(self.store, self.model).log
        known = self._memory.logs.get(log.key(1))
        if known and not self.store.exists(log.key(known[-1][0])):
            self._memory.clear()  # the store was emptied under us
        return self._log(log, "deployment log")

    def releases(self) -> tuple[ReleaseEvent, ...]:
        """Beginnings and ends of releases."""
        return _entries(self._log(release_log(self.store, self.model), "log of releases"))

    def looks(self) -> tuple[Look, ...]:
        """Looks of the monitor."""
        return _entries(self._log(monitoring_log(self.store, self.model), "log of monitoring"))

    def alerts(self) -> tuple[AlertEntry, ...]:
        """What people were told."""
        return _entries(self._log(alert_log(self.store, self.model), "log of alerts"))

    def requests(self) -> tuple[RetrainRequest, ...]:
        """Requests for retraining."""
        return _entries(self._log(request_log(self.store, self.model), "log of retraining requests"))

    def progress(self, entry: int) -> tuple[StageNow, ...]:
        """The looks at the stage that an entry of the deployment log began."""
        return _entries(self._log(progress_log(self.store, self.model, entry), f"progress of entry {entry}"))

    def last_version(self) -> int:
        """The newest version's number, 0 without any."""
        return self._versions.last_number()

    def version(self, number: int) -> ModelVersion | None:
        """The record of a version; None where it can't be read."""
        log = self._versions
        return self.reader.kept(log.key(number), ModelVersion, f"version {number}")

    def versions(self, numbers: Iterable[int], digest: Callable[[ModelVersion], T]) -> dict[int, T]:
        """What ``digest`` makes of some versions, those that can be read; of each once in this process."""
        return self._digested(numbers, digest, self.version)

    def blobs(self, refs: Iterable[str], cls: type[R], what: str, digest: Callable[[R], T]) -> dict[str, T]:
        """What ``digest`` makes of some records that are kept under their hash, those that can be read."""
        return self._digested(refs, digest, lambda ref: self.reader.blob(ref, cls, what))

    @property
    def _versions(self) -> Log[ModelVersion]:
        return Log(self.store, f"models/{self.model}/versions", ModelVersion)

    def _digested(
        self, keys: Iterable[Any], digest: Callable[[R], T], read: Callable[[Any], R | None]
    ) -> dict[Any, T]:
        wanted = list(dict.fromkeys(keys))
        found = {key: self._memory.digests.get((digest, key)) for key in wanted}
        missing = [key for key, one in found.items() if one is None]
        for key, record in zip(missing, _read_all(missing, read), strict=True):
            if record is not None:
                found[key] = digest(record)
                self._memory.keep((digest, key), found[key])
        return {key: one for key, one in found.items() if one is not None}

    def _log(self, log: Log[R], what: str) -> tuple[tuple[int, R], ...]:
        """All entries of a log; of one that is damaged those that can be read."""
        key = log.key(1)
        if key not in self._current:
            known = self._memory.logs.get(key, ())
            try:
                fresh = tuple(log.entries(known[-1][0] if known else 0))
                self._current[key] = self._memory.logs[key] = (*known, *fresh)
            except StoreError:
                self._current[key] = self.reader.log(log, what, lambda entry: getattr(entry, "at"))  # noqa: B009
        return self._current[key]


def _memory(uri: str, model: str) -> ModelMemory:
    with _lock:
        found = _kept.setdefault((uri, model), ModelMemory())
        _kept.move_to_end((uri, model))
        while len(_kept) > _MODELS:
            _kept.popitem(last=False)
        return found


def _entries(found: tuple[tuple[int, R], ...]) -> tuple[R, ...]:
    return tuple(entry for _, entry in found)


def _read_all(keys: list[Any], read: Callable[[Any], R | None]) -> list[R | None]:
    if len(keys) < 2:
        return [read(key) for key in keys]
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(read, keys))
