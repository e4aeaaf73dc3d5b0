"""How a stage of a rollout went on: the judge's word at each look, for who watches it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.wording import span

#: Nobody plans further ahead.
_FORESEEABLE = timedelta(days=365)


class GateNow(Record):
    """A gate at one look.

    :param value: the metric, or by how much it is worse than the champion's; None where it is not known in the unit
        of the limit.
    :param low, high: its confidence sequence at that time; None where there is none yet.
    :param limit: what it is held against.
    """

    name: str
    outcome: Literal["pass", "fail", "inconclusive"]
    value: float | None
    low: float | None
    high: float | None
    limit: float
    said: str


class StageNow(Record):
    """One look at a stage.

    :param samples: requests, or pairs of answers, that were judged.
    :param needed: how many more would probably decide; None where nobody can tell.
    """

    at: datetime
    stage: str
    version: int
    decision: str
    reason: str
    samples: int
    needed: int | None
    gates: tuple[GateNow, ...]


def progress_log(store: Store, model: str, entry: int) -> Log[StageNow]:
    """The looks at the stage that entry ``entry`` of the deployment log began, in their order."""
    return Log(store, f"models/{model}/progress/{entry:010d}", StageNow)


def expected(points: Sequence[StageNow], now: datetime) -> datetime | None:
    """When the stage will probably be decided, by how fast samples came lately; never before ``now``.

    :param points: its looks, oldest first.
    :returns: None where it is decided, or nobody can tell.
    """
    if not points or points[-1].decision != "CONTINUE" or points[-1].needed is None:
        return None
    newest = points[-1]
    # Since it had half of its samples: traffic may have changed since the stage began.
    lately = [one for one in points[:-1] if 2 * one.samples >= newest.samples] or list(points[:-1])[-1:]
    if not lately:
        return None
    samples, seconds = newest.samples - lately[0].samples, (newest.at - lately[0].at).total_seconds()
    if samples <= 0 or seconds <= 0:
        return None
    wait = (newest.needed or 0) * seconds / samples
    if wait > _FORESEEABLE.total_seconds():
        return None
    return max(now, newest.at + timedelta(seconds=wait))


def decision_expected(looks: Sequence[StageNow], now: datetime, *, held: bool) -> str:
    """When a decision is to be expected, in words.

    :param looks: at the stage, oldest first.
    """
    if not looks:
        return "unknown before the judge's first look"
    if held:
        return "not while the rollout is held"
    newest = looks[-1]
    if newest.decision != "CONTINUE":
        return f"it is there: {newest.decision}"
    if newest.needed is None:
        return "unknown: the evidence so far points neither way"
    more = f"after about {newest.needed:,} more samples"
    at = expected(looks, now)
    return f"{more}, in about {span(at - now)}" if at else f"{more}; when they come is unknown"
