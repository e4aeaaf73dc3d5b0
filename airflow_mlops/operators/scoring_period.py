"""Which rows a run scores: the period of its schedule, the one that a person asks for, or the whole source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from airflow_mlops.core.errors import SpecError
from airflow_mlops.operators.data import point_in_time
from airflow_mlops.operators.period import SCHEDULED, end_of_period, run_type
from airflow_mlops.spec import Scoring

if TYPE_CHECKING:
    from airflow.sdk import Context

#: A preset of Airflow that croniter does not know.
_QUARTERLY: Final = {"@quarterly": "0 0 1 */3 *"}


@dataclass(frozen=True)
class ScoringPeriod:
    """Event times of the rows (since <= t < until; None is open), and the time by whose champion they are scored."""

    since: datetime | None
    until: datetime | None
    at: datetime

    def to_dict(self) -> dict[str, str | None]:
        """As plain values, for an XCom."""
        return {
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "at": self.at.isoformat(),
        }


def scoring_period(
    context: Context, scoring: Scoring, *, since: Any = None, until: Any = None, zone: str = "UTC"
) -> ScoringPeriod:
    """The period of a run: the same at each try, and for a backfill, or asked for by hand, the same as on its day.

    A run of the schedule, or a backfill of it, has the time since the tick before. Another run without ``since`` and
    ``until`` has the whole source. The champion is the one at the end of the period (``scoring.ahead`` before it), or
    that of the run where the end lies in the future.

    :param since, until: what a person asked for, ISO 8601.
    :param zone: time zone of the schedule.
    :raises SpecError: if one is no time, or the schedule is no cron expression.
    """
    start, end = point_in_time("since", since), point_in_time("until", until)
    run_at = end_of_period(context).astimezone(timezone.utc)
    scheduled = scoring.schedule is not None and run_type(context) in SCHEDULED
    if not (start or end or scheduled):
        return ScoringPeriod(None, None, run_at)
    ahead = scoring.ahead or timedelta()
    end = end or run_at + ahead
    tick = end - ahead
    if start is None and scoring.schedule is not None:
        start = tick_before(scoring.schedule, tick, zone) + ahead
    return ScoringPeriod(start, end, min(tick, run_at))


def tick_before(cron: str, moment: datetime, zone: str = "UTC") -> datetime:
    """The last time before ``moment`` that a cron expression names.

    :param zone: the time zone that the expression is in.
    :raises SpecError: if it is no cron expression.
    """
    from croniter import CroniterError, croniter

    try:
        local = moment.astimezone(ZoneInfo(zone))
        found: datetime = croniter(_QUARTERLY.get(cron, cron), local).get_prev(datetime)
    except (CroniterError, ValueError) as error:
        raise SpecError(
            "scoring.schedule is no cron expression", given=f"{cron!r}: {error}"[:200], expected="e.g. @daily"
        ) from None
    return found.astimezone(timezone.utc)


def scored_at(context: Context, dataset: Any) -> datetime:
    """The time by whose champion a dataset version is scored: what its snapshot says, else that of the run."""
    told = dataset.get("at") if isinstance(dataset, Mapping) else None
    at = point_in_time("at", told) or end_of_period(context)
    return at.astimezone(timezone.utc)
