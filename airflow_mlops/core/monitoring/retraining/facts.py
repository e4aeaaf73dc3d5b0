"""What the retrain policy decides by, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.monitoring.look import Look, monitoring_log
from airflow_mlops.core.monitoring.retraining.loop import first_answer
from airflow_mlops.core.monitoring.retraining.new_data import NewRows, new_rows
from airflow_mlops.core.monitoring.retraining.requests import RetrainRequest, request_log
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.registry.deployment import Deployment, is_live
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.releases import ReleaseEvent, longest_release, release_log
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.wording import minute

if TYPE_CHECKING:
    from airflow_mlops.core.data.source import DataRoot
    from airflow_mlops.core.monitoring.performance.report import PerformanceReport
    from airflow_mlops.core.monitoring.report import DriftReport
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec import ModelSpec


@dataclass(frozen=True)
class Facts:
    """All that a decision about retraining depends on.

    :param looks: earlier looks at the same champion whose periods do not overlap with this one's or each other's,
        the newest first.
    :param requests: all earlier requests of other runs, oldest first.
    :param releases: beginnings and ends of releases, oldest first.
    :param promoted: when the champion was promoted, last; a rollback to it is no promotion.
    :param trained: when the champion was registered.
    :param new: labelled rows that the champion has not seen; None where nobody knows.
    :param replaced: what answers now, in words, if that is not the champion of the report; empty if it is.
    :param rollout: what is in progress at the endpoint, in words; empty for nothing.
    :param backfill: whether the run looks at a period of the past.
    :param now: the time of the decision.
    """

    drift: DriftReport
    performance: PerformanceReport | None
    now: datetime
    looks: tuple[Look, ...] = ()
    requests: tuple[RetrainRequest, ...] = ()
    releases: tuple[ReleaseEvent, ...] = ()
    promoted: datetime | None = None
    trained: datetime | None = None
    new: NewRows | None = None
    replaced: str = ""
    rollout: str = ""
    backfill: bool = False


def facts_of(
    store: Store,
    spec: ModelSpec,
    drift: DriftReport,
    performance: PerformanceReport | None,
    *,
    run: str,
    now: datetime,
    root: DataRoot | None = None,
    backfill: bool = False,
    progress: Progress = ignore,
) -> Facts:
    """Collect the facts from the store; of the source only a listing and the ends of Parquet files are read.

    :param drift: of the period that is decided about; it names the champion.
    :param run: key of the run that decides; what it wrote at an earlier try does not count.
    :param now: the time of the decision.
    :param root: the data root, to look for new rows; without one nobody knows how many there are.
    """
    model, champion = spec.name, drift.champion
    deployments = [entry for _, entry in DeploymentLog(store, model).log.entries()]
    releases = tuple(event for _, event in release_log(store, model).entries())
    requests = (request for _, request in request_log(store, model).entries())
    looks = (look for _, look in monitoring_log(store, model).entries())
    version = Registry(store, model).get(champion) if champion is not None else None
    new = None
    if version is not None and not backfill:
        new = new_rows(store, spec, version.dataset, root, first_answer(deployments), progress)
    return Facts(
        drift=drift,
        performance=performance,
        now=now,
        looks=_apart([one for one in looks if one.champion == champion and one.run != run], drift.since),
        requests=tuple(one for one in requests if one.run != run),
        releases=releases,
        promoted=_promoted(deployments, champion),
        trained=version.created_at if version is not None else None,
        new=new,
        replaced=_replaced(deployments, champion),
        rollout=_in_progress(spec, deployments, releases, now),
        backfill=backfill,
    )


def _promoted(deployments: Sequence[Deployment], champion: int | None) -> datetime | None:
    """When the champion was promoted, last: what another one did meanwhile says nothing about it."""
    mine = (one.at for one in deployments if one.action == "promote" and one.champion == champion)
    return max(mine, default=None)


def _apart(looks: Sequence[Look], since: datetime) -> tuple[Look, ...]:
    """Looks before ``since`` whose periods do not overlap, the newest first: the same requests count once.

    Of two looks at the same period, the later one counts.
    """
    chosen: list[Look] = []
    for look in sorted(looks, key=lambda one: (one.until, one.at), reverse=True):
        if look.until <= since:
            chosen.append(look)
            since = look.since
    return tuple(chosen)


def _replaced(deployments: Sequence[Deployment], champion: int | None) -> str:
    """What answers now, in words, if it is not ``champion``."""
    if not deployments or champion is None:
        return ""
    newest = deployments[-1]
    if newest.action == "fallback":
        return "the fallback rule answers"
    return f"version {newest.champion} is champion" if newest.champion != champion else ""


def _in_progress(
    spec: ModelSpec, deployments: Sequence[Deployment], releases: Iterable[ReleaseEvent], now: datetime
) -> str:
    """What is in progress, in words."""
    if deployments and deployments[-1].challenger is not None and is_live(deployments[-1], now):
        newest = deployments[-1]
        return f"version {newest.challenger} is in {newest.action} since {minute(newest.at)}"
    running: dict[str, datetime] = {}
    for event in releases:
        if event.begins:
            running[event.run] = event.at
        else:
            running.pop(event.run, None)
    for run, began in running.items():
        if now - began < longest_release(spec):
            return f"{run} is running since {minute(began)}"
    return ""
