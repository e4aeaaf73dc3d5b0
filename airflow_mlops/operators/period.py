"""Which period a run looks at: the same one at each try, and for a backfill the same one as on its day."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import SpecError

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Runs of a schedule, on its day or afterwards.
SCHEDULED = ("scheduled", "backfill")


def end_of_period(context: Context, given: Any = None) -> datetime:
    """The end of the period that a run is about.

    :param given: what a person asked for, ISO 8601 with a zone; None for the run's own time: the logical date of a
        schedule or a backfill, else the time of the trigger.
    :raises SpecError: if ``given`` is no such time.
    """
    if given in (None, "", "None"):
        dag_run = context["dag_run"]
        end: datetime = dag_run.logical_date or dag_run.run_after
        return end
    try:
        parsed = (
            given
            if isinstance(given, datetime)
            else datetime.fromisoformat(str(given).replace("Z", "+00:00"))
        )
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise SpecError(
            "until is no time with a zone", given=repr(given)[:80], expected="e.g. 2013-12-01T00:00:00Z"
        )
    return parsed


def labels_until(context: Context, until: datetime) -> datetime:
    """Labels that came later do not count: of a schedule or a backfill the end of the period, so that both find the
    same; of a look that a person asks for, the time of the trigger.
    """
    if run_type(context) in SCHEDULED:
        return until
    asked: datetime = context["dag_run"].run_after
    return max(until, asked)


def run_type(context: Context) -> str:
    """``manual``, ``scheduled``, ``backfill``, ..."""
    kind = context["dag_run"].run_type
    return str(getattr(kind, "value", kind))
