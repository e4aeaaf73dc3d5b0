"""What people should know about what serves: releases, ways back, the fallback rule, an unhealthy champion."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_mlops.core.monitoring.alerts import severity as alert_severity
from airflow_mlops.core.monitoring.alerts.alert import Alert, Found, Kind
from airflow_mlops.core.registry.deployments import Deployment
from airflow_mlops.core.rollout.healing import Healing
from airflow_mlops.core.wording import span


def alerts_of_release(
    model: str,
    result: Mapping[str, Any] | None,
    *,
    run: str,
    at: datetime,
    link: str | None = None,
    unproved: str | None = None,
) -> Found:
    """Of a release that has ended: that it was blocked, by which task and gate, and what serves.

    A promotion resolves the blocked release before it; the end of a release that it is late.

    :param result: what ``conclude`` returned; None where the release ended before it could conclude.
    :param unproved: why ``conclude`` itself failed, so that nobody knows what serves; None when it did not.
    """
    over: frozenset[Kind] = frozenset({"late release"})
    told = result or {}
    promoted = told.get("outcome") == "promoted"
    if promoted and not unproved:
        return Found(judged=over | {"blocked release"})
    alert = Alert(
        model=model,
        kind="blocked release",
        severity=alert_severity.of_blocked_release(proved=not unproved),
        title=_release_title(model, told, promoted),
        how_bad=_why(told, unproved),
        since=at,
        details=_release_details(told, unproved),
        link=link,
        next_step=_after_release(model, told, unproved),
        cause=run,
        at=at,
    )
    return Found((alert,), over)


def _release_title(model: str, told: Mapping[str, Any], promoted: bool) -> str:
    version = told.get("version")
    if promoted:
        return f"{model}: version {version} was promoted, but nothing proves that it serves"
    if version is None:
        return f"{model}: a release ended before it had registered a version"
    return f"{model}: version {version} was not promoted"


def _why(told: Mapping[str, Any], unproved: str | None) -> str:
    if unproved:
        return f"The endpoint could not be proved: {unproved}"
    value, limit = told.get("value"), told.get("limit")
    if told.get("gate") and value is not None:
        allowed = "" if limit is None else f", the limit is {limit:.4g}"
        return f"Gate {told['gate']} found {value:.4g}{allowed}."
    return str(told.get("reason") or "The release did not begin, or did not finish.")


def _release_details(told: Mapping[str, Any], unproved: str | None) -> tuple[str, ...]:
    lines = []
    if told.get("task"):
        lines.append(f"Refused by task {told['task']} ({told.get('kind')}): {told.get('reason')}")
    if told.get("quarantined_rows"):
        lines.append(f"{told['quarantined_rows']:,} rows are in quarantine")
    if told and not unproved:
        champion = told.get("champion")
        lines.append(f"Version {champion} keeps serving" if champion else "No version serves")
    return tuple(lines)


def _after_release(model: str, told: Mapping[str, Any], unproved: str | None) -> str:
    if unproved:
        return f"Next: look at the endpoint, then trigger {model}.monitor: its task heal proves what serves."
    where = f"the log of task {told['task']}" if told.get("task") else "the run's failed task"
    return f"Next: read {where}, mend the cause, and trigger {model}.release again."


def alerts_of_rollback(
    model: str,
    result: Mapping[str, Any] | None,
    *,
    who: str,
    reason: str,
    run: str,
    at: datetime,
    link: str | None = None,
    failure: str | None = None,
) -> Found:
    """Of a way back: that it was gone, or failed. One that leads to a version ends the use of the fallback rule.

    :param result: what ``rollback`` returned; None when it failed.
    :param failure: why it failed, where that is known.
    """
    done = result is not None and failure is None
    if done and result is not None and result.get("mode") == "fallback":
        return Found()  # the deployment log says so: see alerts_of_fallback
    champion = (result or {}).get("champion")
    alert = Alert(
        model=model,
        kind="rollback",
        severity=alert_severity.of_rollback(done=done),
        title=f"{model}: rolled back to version {champion}" if done else f"{model}: the rollback failed",
        how_bad=f"Asked for by {who}: {reason or 'no reason given'}"
        if done
        else str(failure or "The task failed; its log says why."),
        since=at,
        link=link,
        next_step=f"Next: find out what was wrong before the next run of {model}.release."
        if done
        else f"Next: once the endpoint is up, trigger {model}.rollback again.",
        cause=run,
        lasts=False,
        at=at,
    )
    return Found((alert,))


def alerts_of_fallback(
    model: str, newest: tuple[int, Deployment] | None, *, at: datetime, link: str | None = None
) -> Found:
    """Whether the fallback rule answers instead of a model, by the newest entry of the deployment log.

    :param newest: the entry with its number; None when nothing was ever deployed.
    """
    judged: frozenset[Kind] = frozenset({"fallback"})
    if newest is None or newest[1].action != "fallback":
        return Found(judged=judged)
    number, entry = newest
    back = f" with to={entry.champion}" if entry.champion else ""
    alert = Alert(
        model=model,
        kind="fallback",
        severity=alert_severity.ALWAYS["fallback"],
        title=f"{model}: the fallback rule answers instead of a model",
        how_bad="Every request gets the rule's answer.",
        since=entry.at,
        details=(f"Decided by {entry.who}: {entry.why}",),
        link=link,
        next_step=f"Next: mend the model or its endpoint, then trigger {model}.rollback{back}.",
        cause=f"entry {number}",
        at=at,
    )
    return Found((alert,), judged)


def alerts_of_health(found: Healing, link: str | None = None) -> Found:
    """That a champion was unhealthy, and what was done about it; over once a healthy one answers.

    Where the fallback rule took over, its own alert says so and why: people are told of one thing once.
    """
    judged: frozenset[Kind] = frozenset({"unhealthy"})
    if found.sick is None or found.mode == "fallback":
        return Found(judged=judged) if found.healthy else Found()
    alert = Alert(
        model=found.model,
        kind="unhealthy",
        severity=alert_severity.ALWAYS["unhealthy"],
        title=f"{found.model}: version {found.sick} is unhealthy"
        + (
            f", version {found.champion} answers instead" if found.switched else ", and nothing can take over"
        ),
        how_bad=found.reason,
        since=found.at,
        details=tuple(f"Tried version {one.version}: {one.reason}" for one in found.tried),
        link=link,
        next_step=f"Next: find out what is wrong with version {found.sick}; {found.model}.release makes its successor."
        if found.switched
        else f"Next: trigger {found.model}.rollback, or give the spec a serving.fallback.",
        cause=f"version {found.sick}",
        at=found.at,
    )
    return Found((alert,), judged)


def alerts_of_unproved_endpoint(model: str, reason: str, *, at: datetime, link: str | None = None) -> Found:
    """That the endpoint does not follow the deployment log, so that nobody knows what serves."""
    alert = Alert(
        model=model,
        kind="unhealthy",
        severity=alert_severity.ALWAYS["unhealthy"],
        title=f"{model}: the endpoint does not follow the deployment log",
        how_bad=reason,
        since=at,
        link=link,
        next_step=f"Next: look at the endpoint's own log, then trigger {model}.monitor again.",
        cause="endpoint",
        at=at,
    )
    return Found((alert,), frozenset({"unhealthy"}))


def alert_of_late_release(
    model: str, *, run: str, began: datetime, limit: timedelta, at: datetime, link: str | None = None
) -> Found:
    """A release that takes longer than it may: something waits that nobody looks at.

    :param run: key of the release's run.
    :param began: when it was queued.
    :param limit: how long it may take.
    """
    alert = Alert(
        model=model,
        kind="late release",
        severity=alert_severity.ALWAYS["late release"],
        title=f"{model}: a release has not ended in {span(limit)}",
        how_bad="The champion keeps serving; its successor, and every release behind this one, waits.",
        since=began,
        details=(f"Run {run}",),
        link=link,
        next_step=f"Next: open the run and see which task waits: for approval, for requests, or for a worker. "
        f"{model}.rollout with action=abort ends the rollout, the champion untouched.",
        cause=run,
        at=at,
    )
    return Found((alert,))
