"""One record from what the logs of a model say, at one moment."""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.monitoring.alerts.log import AlertEntry
from airflow_mlops.core.overview.health import signs_of
from airflow_mlops.core.overview.pieces import Looks, Traffic, Versions
from airflow_mlops.core.overview.records import LastRelease, ModelOverview, RolloutNow
from airflow_mlops.core.registry.approval.steps import ApprovalStep
from airflow_mlops.core.registry.deployment import NOTHING, Desired, effective


def build(
    model: str,
    *,
    versions: Versions,
    traffic: Traffic,
    release: LastRelease | None,
    looks: Looks,
    question: ApprovalStep | None,
    unhealthy: AlertEntry | None,
    broken: tuple[str, ...],
    now: datetime,
) -> ModelOverview:
    """The overview of a model."""
    serves = effective(traffic.number, traffic.entry, now) if traffic.entry else NOTHING
    rollout = _rollout(serves, traffic)
    signs = signs_of(serves, traffic, looks, unhealthy, now)
    return ModelOverview(
        model=model,
        description=_said(versions, "description"),
        owner=_said(versions, "owner"),
        team=_said(versions, "team"),
        contact=_said(versions, "contact"),
        mode=serves.mode,
        versions=versions.count,
        champion=serves.champion,
        champion_since=traffic.since,
        rollout=rollout,
        last_release=release,
        mood=signs[0].mood,
        signs=signs,
        waits_for=_waits_for(question, release, rollout, traffic),
        broken=broken,
    )


def _said(versions: Versions, field: str) -> str:
    """A text of the newest version's spec."""
    value = versions.newest.spec.get(field) if versions.newest else None
    return value if isinstance(value, str) else ""


def _rollout(serves: Desired, traffic: Traffic) -> RolloutNow | None:
    entry, place = traffic.entry, traffic.place
    if entry is None or place is None or serves.challenger is None or serves.mode not in ("shadow", "canary"):
        return None
    return RolloutNow(
        stage="shadow" if serves.mode == "shadow" else "canary",
        champion=serves.champion,
        challenger=serves.challenger,
        weight=serves.weight,
        held=entry.held,
        run=entry.run,
        entry=place.number,
        since=place.started,
        until=entry.lease_until,
    )


def _waits_for(
    question: ApprovalStep | None, release: LastRelease | None, rollout: RolloutNow | None, traffic: Traffic
) -> str:
    over = release is not None and question is not None and release.run == question.run and release.outcome
    if question is not None and not over:
        again = " by a second person" if question.person > 1 or question.step == "counted" else ""
        why = f": {'; '.join(question.reasons)}" if question.reasons else ""
        return f"approval of version {question.version}{again}{why}"
    if rollout is not None and rollout.held and traffic.entry is not None:
        return f"resume or abort of version {rollout.challenger}, held by {traffic.entry.who}: {traffic.entry.why}"
    return ""
