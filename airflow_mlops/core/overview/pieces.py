"""What the newest entries of each log say, whatever time it is: the parts that an overview is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.monitoring.alerts.log import AlertEntry
from airflow_mlops.core.monitoring.look import Look
from airflow_mlops.core.monitoring.performance.report import InputFreshness
from airflow_mlops.core.overview.known_log import KnownLog
from airflow_mlops.core.overview.records import LastRelease
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.approval.steps import ApprovalStep
from airflow_mlops.core.registry.approvals import ApprovalRecord
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.releases import ReleaseEvent
from airflow_mlops.core.rollout.placement import Placement, placement
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import recall

#: Older alerts than these are not looked for one that lasts.
_ALERTS = 50
#: So many entries may lie between the beginning of a release and its end.
_BETWEEN = 50


class VersionSummary(Record):
    """Of a model version, what an overview tells: the rest of its record is not read."""

    spec: dict[str, Any]
    dataset: DatasetRef
    created_at: datetime


class InputsSummary(Record):
    """Of a performance report, how fresh the inputs were."""

    inputs: tuple[InputFreshness, ...] = ()


@dataclass(frozen=True)
class Versions:
    """How many there are, and the newest one's record."""

    count: int = 0
    newest: VersionSummary | None = None


@dataclass(frozen=True)
class Traffic:
    """The newest entry of the deployment log.

    :param place: where its challenger is and since when, None without one.
    :param since: when its champion became the champion; None without one, and while the fallback rule answers.
    """

    number: int = 0
    entry: Deployment | None = None
    place: Placement | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Looks:
    """The newest look of the monitor.

    :param rhythm: time between the last two looks; of a single one, how long its window was.
    :param inputs: how fresh the inputs were then; None where no report says it.
    """

    look: Look | None = None
    rhythm: timedelta = timedelta(0)
    inputs: tuple[InputFreshness, ...] | None = None


def versions(store: Store, log: KnownLog[VersionSummary], broken: list[str]) -> Versions:
    """What the log of versions says."""
    _, newest = next(log.backwards(store, broken), (0, None))
    return Versions(log.number, newest)


def traffic(store: Store, log: KnownLog[Deployment], broken: list[str]) -> Traffic:
    """What the deployment log says."""
    number, entry = next(log.backwards(store, broken), (0, None))
    if entry is None:
        return Traffic()
    place = placement(log.backwards(store, []), entry.at) if entry.challenger is not None else None
    return Traffic(number, entry, place, _champion_since(store, log, entry, broken))


def _champion_since(
    store: Store, log: KnownLog[Deployment], newest: Deployment, broken: list[str]
) -> datetime | None:
    """When the first of the newest entries with this champion was made."""
    if newest.champion is None or newest.action == "fallback":
        return None
    since = newest.at
    for _, entry in log.backwards(store, broken):
        if entry.champion != newest.champion or entry.action == "fallback":
            break
        since = entry.at
    return since


def last_release(store: Store, log: KnownLog[ReleaseEvent], broken: list[str]) -> LastRelease | None:
    """The release that began or ended last."""
    entries = log.backwards(store, broken)
    _, newest = next(entries, (0, None))
    if newest is None:
        return None
    if newest.event == "began":
        return LastRelease(
            run=newest.run, outcome=None, version=newest.version, reason=newest.reason, began=newest.at, ended=None
        )  # fmt: skip
    began = newest.at
    for (_, entry), _ in zip(entries, range(_BETWEEN), strict=False):
        if entry.begins and entry.run == newest.run:
            began = entry.at
            break
    return LastRelease(
        run=newest.run,
        outcome=newest.event,
        version=newest.version,
        reason=newest.reason,
        began=began,
        ended=newest.at,
    )


def looks(store: Store, log: KnownLog[Look], broken: list[str]) -> Looks:
    """What the monitor found last."""
    found = [look for (_, look), _ in zip(log.backwards(store, broken), range(2), strict=False)]
    if not found:
        return Looks()
    newest = found[0]
    rhythm = newest.at - found[1].at if len(found) > 1 else newest.until - newest.since
    return Looks(newest, rhythm, _inputs(store, newest.performance, broken))


def _inputs(store: Store, ref: str | None, broken: list[str]) -> tuple[InputFreshness, ...] | None:
    if ref is None:
        return None
    try:
        return recall(store, ref, InputsSummary).inputs
    except StoreError as error:
        broken.append(f"performance report: {error}")
        return None


def open_question(
    store: Store, steps: KnownLog[ApprovalStep], answers: KnownLog[ApprovalRecord], broken: list[str]
) -> ApprovalStep | None:
    """The newest step of asking people about a version, while nobody has decided."""
    _, step = next(steps.backwards(store, broken), (0, None))
    if step is None:
        return None
    for _, answer in answers.backwards(store, broken):
        if (answer.run, answer.version) == (step.run, step.version):
            return None
        if answer.at < step.at:
            break
    return step


def unhealthy(store: Store, log: KnownLog[AlertEntry], broken: list[str]) -> AlertEntry | None:
    """The newest message that the champion is unhealthy, None where it is over."""
    for (_, entry), _ in zip(log.backwards(store, broken), range(_ALERTS), strict=False):
        if entry.alert.kind == "unhealthy":
            return None if entry.alert.state == "resolved" else entry
    return None
