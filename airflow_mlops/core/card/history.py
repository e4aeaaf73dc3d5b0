"""The logs of a model, each read once and when it is needed, for the dossiers of all its versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from functools import cached_property
from typing import TypeVar

from airflow_mlops.core.card.reading import Reader
from airflow_mlops.core.data.erasures import Erasure, erasure_log
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.monitoring.alerts.log import AlertEntry, alert_log
from airflow_mlops.core.monitoring.look import Look, monitoring_log
from airflow_mlops.core.monitoring.retraining.requests import RetrainRequest, request_log
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.approvals import ApprovalRecord, approval_log
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.policies import PolicyChange, policy_log
from airflow_mlops.core.registry.releases import ReleaseEvent, release_log
from airflow_mlops.core.registry.version import ModelVersion, version_log
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.reproduction.record import Reproduction, reproduction_log
from airflow_mlops.core.retention.run import Pruning, pruning_log
from airflow_mlops.core.rollout.stage_verdicts import StageVerdict, verdict_prefix
from airflow_mlops.core.scoring.record import Scored, predictions_log
from airflow_mlops.core.serving.served import Served, served_log
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import second

R = TypeVar("R", bound=Record)


class History:
    """What the logs say of a model up to a moment.

    :param as_of: records of a later time do not count; None for all.
    :param whole: whether all versions will be asked about: then what lies apart by version is read at once, too.
    """

    def __init__(
        self, store: Store, model: str, as_of: datetime | None = None, *, whole: bool = False
    ) -> None:
        self.store, self.model, self.whole = store, model, whole
        self.reader = Reader(store, as_of)

    @cached_property
    def versions(self) -> dict[int, ModelVersion]:
        """The records of all versions that were registered, by number."""
        log = version_log(self.store, self.model)
        return dict(self.reader.log(log, "log of versions", lambda entry: entry.created_at))

    def version(self, number: int) -> ModelVersion:
        """The record of a version.

        :raises RegistryError: if there is none, or it was not registered then.
        :raises StoreError: if it can't be read.
        """
        if self.whole and number in self.versions:
            return self.versions[number]
        record = Registry(self.store, self.model).get(number)
        if self.reader.known(record.created_at):
            return record
        raise RegistryError(
            f"{self.model}:{number} was not registered yet",
            given=f"as of {second(self.reader.as_of)}",
            expected=f"{second(record.created_at)} or later",
        )

    def verdicts(self, number: int) -> tuple[StageVerdict, ...]:
        """The verdicts on the stages of a version."""
        if not self.whole:
            return self._verdicts_below(verdict_prefix(self.model, number))
        return tuple(one for one in self._all_verdicts if one.verdict.version == number)

    @cached_property
    def newest(self) -> datetime:
        """The time of the newest record of the model's logs; the oldest time there is without any."""
        logs: Sequence[Iterable[Record]] = (
            self.deployments, self.releases, self.approvals, self.policies, self.looks, self.alerts, self.requests,
            self.reproductions, self.erasures, self.proofs,
        )  # fmt: skip
        times = [in_utc(getattr(entry, "at")) for log in logs for entry in log]  # noqa: B009 - all of these have one
        return max(times, default=datetime.min.replace(tzinfo=timezone.utc))

    @cached_property
    def numbered_deployments(self) -> tuple[tuple[int, Deployment], ...]:
        """The decisions about the traffic, with their numbers."""
        log = DeploymentLog(self.store, self.model).log
        return self.reader.log(log, "deployment log", lambda entry: entry.at)

    @cached_property
    def deployments(self) -> tuple[Deployment, ...]:
        """The decisions about the traffic."""
        return tuple(entry for _, entry in self.numbered_deployments)

    @cached_property
    def releases(self) -> tuple[ReleaseEvent, ...]:
        """Beginnings and ends of releases."""
        return self._read(release_log(self.store, self.model), "log of releases")

    @cached_property
    def approvals(self) -> tuple[ApprovalRecord, ...]:
        """What people said."""
        return self._read(approval_log(self.store, self.model), "log of approvals")

    @cached_property
    def policies(self) -> tuple[PolicyChange, ...]:
        """Changes of the spec."""
        return self._read(policy_log(self.store, self.model), "log of policy")

    @cached_property
    def looks(self) -> tuple[Look, ...]:
        """Looks of the monitor."""
        return self._read(monitoring_log(self.store, self.model), "log of monitoring")

    @cached_property
    def alerts(self) -> tuple[AlertEntry, ...]:
        """What people were told."""
        return self._read(alert_log(self.store, self.model), "log of alerts")

    @cached_property
    def requests(self) -> tuple[RetrainRequest, ...]:
        """Requests for retraining."""
        return self._read(request_log(self.store, self.model), "log of retraining requests")

    @cached_property
    def reproductions(self) -> tuple[Reproduction, ...]:
        """Versions that were built again."""
        return self._read(reproduction_log(self.store, self.model), "log of reproductions")

    @cached_property
    def erasures(self) -> tuple[Erasure, ...]:
        """Persons whose rows were erased."""
        return self._read(erasure_log(self.store, self.model), "log of erasures")

    @cached_property
    def scorings(self) -> tuple[Scored, ...]:
        """Batch predictions, in the order of their runs."""
        log, what = predictions_log(self.store, self.model), "log of predictions"
        return tuple(one for _, one in self.reader.log(log, what, lambda entry: entry.scored_at))

    @cached_property
    def proofs(self) -> tuple[Served, ...]:
        """What the endpoint was proved to serve."""
        return self._read(served_log(self.store, self.model), "log of proofs")

    @cached_property
    def prunings(self) -> tuple[Pruning, ...]:
        """What retention removed, of all models."""
        return self._read(pruning_log(self.store), "log of retention")

    @cached_property
    def _all_verdicts(self) -> tuple[StageVerdict, ...]:
        return self._verdicts_below(f"models/{self.model}/verdicts/")

    def _verdicts_below(self, prefix: str) -> tuple[StageVerdict, ...]:
        found = self.reader.below(prefix, StageVerdict, "verdict on a stage")
        told = (one for one in found if self.reader.known(one.at))
        return tuple(sorted(told, key=lambda one: in_utc(one.at)))

    def _read(self, log: Log[R], what: str) -> tuple[R, ...]:
        def at(entry: R) -> datetime:
            moment: datetime = getattr(entry, "at")  # noqa: B009 - all these records have one
            return moment

        return tuple(entry for _, entry in self.reader.log(log, what, at))
