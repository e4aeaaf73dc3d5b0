"""The logs of a model, each read once and when it is needed, for the dossiers of all its versions."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TypeVar

from airflow_mlops.core.card.reading import Reader
from airflow_mlops.core.erasure.record import Erasure, erasure_log
from airflow_mlops.core.monitoring.alerts.log import AlertEntry, alert_log
from airflow_mlops.core.monitoring.look import Look, monitoring_log
from airflow_mlops.core.monitoring.retraining.requests import RetrainRequest, request_log
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.approvals import ApprovalRecord, approval_log
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.policies import PolicyChange, policy_log
from airflow_mlops.core.registry.releases import ReleaseEvent, release_log
from airflow_mlops.core.reproduction.record import Reproduction, reproduction_log
from airflow_mlops.core.retention.run import Pruning, pruning_log
from airflow_mlops.core.scoring.record import Scored, predictions_log
from airflow_mlops.core.serving.served import Served, served_log
from airflow_mlops.core.store import Log, Store

R = TypeVar("R", bound=Record)


class History:
    """What the logs say of a model up to a moment.

    :param as_of: records of a later time do not count; None for all.
    """

    def __init__(self, store: Store, model: str, as_of: datetime | None = None) -> None:
        self.store, self.model = store, model
        self.reader = Reader(store, as_of)

    @cached_property
    def deployments(self) -> tuple[Deployment, ...]:
        """The decisions about the traffic."""
        return self._read(DeploymentLog(self.store, self.model).log, "deployment log")

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

    def _read(self, log: Log[R], what: str) -> tuple[R, ...]:
        def at(entry: R) -> datetime:
            moment: datetime = getattr(entry, "at")  # noqa: B009 - all these records have one
            return moment

        return tuple(entry for _, entry in self.reader.log(log, what, at))
