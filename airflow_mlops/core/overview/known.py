"""What is known about one model, brought up to date log by log: by its overview, and by the pages of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Any, Final, TypeVar

from airflow_mlops.core.card.reading import Reader
from airflow_mlops.core.monitoring.alerts.log import AlertEntry
from airflow_mlops.core.monitoring.look import Look
from airflow_mlops.core.overview import pieces
from airflow_mlops.core.overview.building import build
from airflow_mlops.core.overview.known_log import KnownLog
from airflow_mlops.core.overview.pieces import VersionSummary
from airflow_mlops.core.overview.recent import Recent
from airflow_mlops.core.overview.records import ModelOverview
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.approval.steps import ApprovalStep
from airflow_mlops.core.registry.approvals import ApprovalRecord
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.releases import ReleaseEvent
from airflow_mlops.core.store import Log, Store

P = TypeVar("P")
R = TypeVar("R", bound=Record)
#: Digests of records that are kept of one model.
_DIGESTS: Final = 400


class KnownModel:
    """One model's logs, each read again only as far as it has grown, and what was made of its larger records.

    Several threads may ask at once: who comes second waits for the first one's answer.
    """

    def __init__(self, model: str) -> None:
        place = f"models/{model}"
        self.model = model
        self._logs: dict[str, KnownLog[Any]] = {}
        self._versions = self._known(f"{place}/versions", VersionSummary, "log of versions")
        self._deployments = self._known(f"{place}/deployments", Deployment, "deployment log")
        self._releases = self._known(f"{place}/releases", ReleaseEvent, "log of releases")
        self._looks = self._known(f"{place}/monitoring", Look, "log of monitoring")
        self._steps = self._known(f"{place}/approval_steps", ApprovalStep, "log of questions")
        self._answers = self._known(f"{place}/approvals", ApprovalRecord, "log of approvals")
        self._alerts = self._known(f"{place}/alerts", AlertEntry, "log of alerts")
        self._found: dict[str, Any] = {}
        self._made_at: dict[str, tuple[int, ...]] = {}
        self._broken: dict[str, tuple[str, ...]] = {}
        self._digests: OrderedDict[tuple[object, str | int], Any] = OrderedDict()
        self._recent, self._was_there = Recent(), Recent()
        self._lock, self._keeping = Lock(), Lock()

    @property
    def size(self) -> int:
        """How many entries and digests are kept in memory."""
        with self._keeping:
            return sum(one.size for one in self._logs.values()) + len(self._digests)

    def overview(self, store: Store, now: datetime) -> ModelOverview:
        """How it stands.

        :raises StoreError: if the store can't be reached.
        """
        with self._lock:
            if not self._recent.holds(store):
                self._look(store)
                self._recent.begin()
            broken = tuple(line for lines in self._broken.values() for line in lines)
            return build(self.model, **self._found, broken=broken, now=now)

    def is_there(self, store: Store) -> bool:
        """Whether what was read is still in the store: it is not where the store was emptied and filled anew."""
        with self._lock:
            if not self._was_there.holds(store):
                if not (self._versions.is_there(store) and self._deployments.is_there(store)):
                    return False
                self._was_there.begin()
            return True

    def last_version(self, store: Store) -> int:
        """The newest version's number, 0 without any."""
        return self._versions.look(store)

    def entries(self, reader: Reader, log: Log[R], what: str) -> tuple[tuple[int, R], ...]:
        """All entries of one of its logs that can be read; what can't is a gap of the reader.

        :raises StoreError: if the store can't be reached.
        """
        prefix = log.key(0).rpartition("/")[0]
        with self._keeping:
            if prefix not in self._logs:
                self._forget_stages(prefix)
            known = self._known(prefix, Record, what)
        return known.entries(reader, log)

    def digest(self, key: tuple[object, str | int]) -> Any:
        """What :meth:`keep` was given; None where nothing is kept."""
        with self._keeping:
            return self._digests.get(key)

    def keep(self, key: tuple[object, str | int], digest: object) -> None:
        """Keep what was made of a record; the one that was kept first goes when there are too many."""
        with self._keeping:
            self._digests[key] = digest
            while len(self._digests) > _DIGESTS:
                self._digests.popitem(last=False)

    def drop(self) -> None:
        """Forget entries and digests; the overview stays."""
        with self._keeping:
            self._digests.clear()
            logs = list(self._logs.values())
        for log in logs:
            log.drop()

    def _known(self, prefix: str, record: type[Record], what: str) -> KnownLog[Any]:
        return self._logs.setdefault(prefix, KnownLog(prefix, record, what))

    def _forget_stages(self, prefix: str) -> None:
        """Of the looks at stages of rollouts, each in a log of its own, those of one stage are kept."""
        stages = f"models/{self.model}/progress/"
        if prefix.startswith(stages):
            self._logs = {name: log for name, log in self._logs.items() if not name.startswith(stages)}

    def _look(self, store: Store) -> None:
        """Bring all parts of the overview up to date."""
        self._piece(store, "versions", pieces.versions, self._versions)
        self._piece(store, "traffic", pieces.traffic, self._deployments)
        self._piece(store, "release", pieces.last_release, self._releases)
        self._piece(store, "looks", pieces.looks, self._looks)
        self._piece(store, "question", pieces.open_question, self._steps, self._answers)
        self._piece(store, "unhealthy", pieces.unhealthy, self._alerts)

    def _piece(self, store: Store, name: str, make: Callable[..., object], *logs: KnownLog[Any]) -> None:
        """A part, made anew when its log is another one, and when some of it could not be read before."""
        ends = tuple(log.look(store) for log in logs)
        if ends != self._made_at.get(name) or self._broken.get(name):
            broken: list[str] = []
            self._found[name] = make(store, *logs, broken)
            self._broken[name] = tuple(dict.fromkeys(broken))
            self._made_at[name] = ends
