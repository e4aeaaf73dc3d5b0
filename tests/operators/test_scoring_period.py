"""Which rows a run scores, and by whose champion: a function of the run, not of the clock."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_mlops.core.errors import SpecError
from airflow_mlops.operators.scoring_period import ScoringPeriod, scored_at, scoring_period, tick_before
from airflow_mlops.spec import Scoring

DAILY = Scoring(source="new/*.parquet", schedule="@daily")
AHEAD = Scoring(source="new/*.parquet", schedule="@daily", ahead="1d")
BY_ASSET = Scoring(source="new/*.parquet")


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 6, day, hour, tzinfo=timezone.utc)


def context(kind: str, logical: datetime | None, after: datetime | None = None) -> Any:
    dag_run = SimpleNamespace(run_type=kind, logical_date=logical, run_after=after or logical)
    return {"dag_run": dag_run}


@pytest.mark.parametrize("kind", ["scheduled", "backfill"])
def test_a_run_of_the_schedule_has_the_time_since_the_tick_before(kind: str) -> None:
    run = context(kind, at(5), after=at(20))
    assert scoring_period(run, DAILY) == ScoringPeriod(at(4), at(5), at(5))
    assert scoring_period(run, AHEAD) == ScoringPeriod(at(5), at(6), at(5))


def test_the_same_period_asked_for_by_hand_has_the_same_champion() -> None:
    later = context("manual", at(20, 9))
    scheduled = scoring_period(context("scheduled", at(5)), DAILY)
    assert scoring_period(later, DAILY, since=at(4).isoformat(), until="2024-06-05T00:00:00Z") == scheduled
    assert scoring_period(later, DAILY, until="2024-06-05T00:00:00Z") == scheduled
    ahead = scoring_period(context("scheduled", at(5)), AHEAD)
    assert scoring_period(later, AHEAD, until="2024-06-06T00:00:00Z") == ahead


@pytest.mark.parametrize(
    "run, scoring",
    [
        (context("manual", at(5, 9)), DAILY),
        (context("manual", None, after=at(5, 9)), BY_ASSET),
        (context("asset_triggered", None, after=at(5, 9)), BY_ASSET),
    ],
)
def test_a_run_that_asks_for_no_period_has_the_whole_source(run: Any, scoring: Scoring) -> None:
    assert scoring_period(run, scoring) == ScoringPeriod(None, None, at(5, 9))


def test_a_period_may_be_open_or_end_in_the_future() -> None:
    run = context("manual", None, after=at(5, 9))
    assert scoring_period(run, BY_ASSET, since="2024-06-01") == ScoringPeriod(at(1), at(5, 9), at(5, 9))
    assert scoring_period(run, BY_ASSET, until="2024-06-03") == ScoringPeriod(None, at(3), at(3))
    assert scoring_period(run, BY_ASSET, until="2024-06-30") == ScoringPeriod(None, at(30), at(5, 9))


def test_what_is_no_time_is_told() -> None:
    with pytest.raises(SpecError, match="until is not a time; given 'soon'"):
        scoring_period(context("manual", at(5)), DAILY, until="soon")


@pytest.mark.parametrize(
    "cron, moment, expected",
    [
        ("@hourly", at(5, 9), at(5, 8)),
        ("0 6 * * *", at(5, 9), at(5, 6)),
        ("0 6 * * *", at(5, 6), at(4, 6)),
        ("@weekly", at(9), at(2)),
        ("@quarterly", at(5), datetime(2024, 4, 1, tzinfo=timezone.utc)),
    ],
)
def test_the_tick_before(cron: str, moment: datetime, expected: datetime) -> None:
    assert tick_before(cron, moment) == expected


def test_the_tick_before_is_one_of_the_schedules_own_zone() -> None:
    """Clocks in New York went forward on 10 March 2024."""
    tick = datetime(2024, 3, 11, 4, tzinfo=timezone.utc)
    before = tick_before("@daily", tick, "America/New_York")
    assert tick - before == timedelta(hours=23)


def test_a_schedule_that_is_none_is_told() -> None:
    with pytest.raises(SpecError, match=r"scoring.schedule is no cron expression; given 'daily'"):
        tick_before("daily", at(5))


def test_a_dataset_says_when_it_is_scored() -> None:
    run = context("manual", None, after=at(5))
    assert scored_at(run, {"dataset": "d", "id": "1", "at": at(3).isoformat()}) == at(3)
    assert scored_at(run, {"dataset": "d", "id": "1"}) == at(5)
