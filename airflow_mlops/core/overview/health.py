"""The signs of a model's health, each from what its logs say, at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from airflow_mlops.core.monitoring.alerts.log import AlertEntry
from airflow_mlops.core.monitoring.look import Look
from airflow_mlops.core.monitoring.performance.report import InputFreshness
from airflow_mlops.core.overview.pieces import Looks, Traffic
from airflow_mlops.core.overview.records import Mood, Sign
from airflow_mlops.core.registry.deployment import Desired
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import counted, minute, some

#: From the worst to the best.
MOODS: tuple[Mood, ...] = ("bad", "warning", "unknown", "good")
#: A look counts as the newest for so many times the time between two looks, and at least for a day.
_LATE = 3
_LEAST = timedelta(days=1)
_NAMED = 3


def signs_of(
    serves: Desired, traffic: Traffic, looks: Looks, unhealthy: AlertEntry | None, now: datetime
) -> tuple[Sign, ...]:
    """All signs, the worst first."""
    found = [
        _fallback(serves, traffic),
        _endpoint(serves, looks, unhealthy, now),
        *_of_looks(serves, looks, now),
    ]
    return tuple(sorted(found, key=lambda one: MOODS.index(one.mood)))


def _fallback(serves: Desired, traffic: Traffic) -> Sign:
    entry = traffic.entry
    if entry is None:
        return Sign(name="fallback", mood="unknown", said="nothing was ever deployed")
    if serves.champion is None:
        instead = f" instead of version {entry.champion}" if entry.champion is not None else ""
        said = f"the fallback rule answers{instead}: {entry.why}"
        return Sign(name="fallback", mood="bad", said=said, at=entry.at)
    return Sign(name="fallback", mood="good", said=f"version {serves.champion} answers", at=entry.at)


def _endpoint(serves: Desired, looks: Looks, unhealthy: AlertEntry | None, now: datetime) -> Sign:
    """By what people were told: the task that looks at the health runs with each look of the monitor."""
    if unhealthy is not None:
        alert = unhealthy.alert
        said = f"{alert.title}: {alert.how_bad}"
        return Sign(name="endpoint", mood="bad", said=said, at=alert.since or unhealthy.at)
    if not serves.number:
        return Sign(name="endpoint", mood="unknown", said="nothing was ever deployed")
    look = looks.look
    if look is None or _is_late(look, looks.rhythm, now):
        said = "no look yet" if look is None else f"no look since {minute(look.at)}"
        return Sign(name="endpoint", mood="unknown", said=said, at=look.at if look else None)
    return Sign(name="endpoint", mood="good", said="healthy at the last look", at=look.at)


def _of_looks(serves: Desired, looks: Looks, now: datetime) -> Iterator[Sign]:
    look = looks.look
    why_not = "no look yet" if look is None else _no_word(serves, look, looks.rhythm, now)
    if look is None or why_not:
        for name in ("drift", "performance", "freshness"):
            yield Sign(name=name, mood="unknown", said=why_not, at=look.at if look else None)
        return
    yield _drift(look)
    yield _performance(look)
    yield _freshness(look, looks.inputs or ())


def _no_word(serves: Desired, look: Look, rhythm: timedelta, now: datetime) -> str:
    """Why the newest look says nothing about the model as it is now; empty where it does."""
    if look.champion is not None and serves.champion is not None and look.champion != serves.champion:
        return f"no look since version {serves.champion} is the champion; the last was at version {look.champion}"
    if _is_late(look, rhythm, now):
        return f"no look since {minute(look.at)}; it said {look.outcome} then"
    return ""


def _is_late(look: Look, rhythm: timedelta, now: datetime) -> bool:
    return now - in_utc(look.at) > max(_LEAST, _LATE * rhythm)


def _drift(look: Look) -> Sign:
    if look.outcome == "stable":
        return Sign(name="drift", mood="good", said="no drift", at=look.at)
    if look.outcome == "inconclusive":
        return Sign(name="drift", mood="unknown", said="too little traffic to say", at=look.at)
    many = f"{counted(len(look.columns), 'column')} drifted: {some(look.columns, _NAMED)}"
    return Sign(name="drift", mood="warning", said=many if look.columns else "drift", at=look.at)


def _performance(look: Look) -> Sign:
    if look.failed_gates:
        said = f"failed gates: {some(look.failed_gates, _NAMED)}"
        return Sign(name="performance", mood="bad", said=said, at=look.at)
    if look.judged_on is None:
        return Sign(name="performance", mood="unknown", said="not measured yet", at=look.at)
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in sorted(look.metrics.items())[:_NAMED])
    said = f"{metrics or 'no gate failed'} ({look.judged_on})"
    return Sign(name="performance", mood="good", said=said, at=look.at)


def _freshness(look: Look, inputs: Sequence[InputFreshness]) -> Sign:
    stale = [one.name for one in inputs if one.stale]
    if stale:
        return Sign(name="freshness", mood="warning", said=f"stale data: {some(stale, _NAMED)}", at=look.at)
    newest = [in_utc(one.newest) for one in inputs if one.newest is not None]
    if not newest:
        return Sign(name="freshness", mood="unknown", said="nobody knows how old the data are", at=look.at)
    return Sign(name="freshness", mood="good", said=f"newest data of {minute(min(newest))}", at=look.at)
