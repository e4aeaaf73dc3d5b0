"""A place in the traffic: one stretch of the log, divided by nothing but hold and resume."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_mlops.core.registry.deployments import Deployment
from airflow_mlops.core.rollout.placement import Placement, out_of_place, placement

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def entry(hours: float, **over: Any) -> Deployment:
    """The challenger of ``release`` at 20 %, with a lease of ten hours."""
    fields: dict[str, Any] = {
        "action": "canary",
        "champion": 1,
        "challenger": 2,
        "weight": 0.2,
        "lease_until": at(hours + 10),
        "who": "ann",
        "why": "release",
        "run": "release",
        "at": at(hours),
    }
    return Deployment(**{**fields, **over})


def held(hours: float, **over: Any) -> Deployment:
    return entry(
        hours, **{"held": True, "who": "bob", "why": "a sale", "lease_until": at(hours + 100), **over}
    )


def place(*entries: Deployment, now: float) -> Placement:
    found = placement(reversed(list(enumerate(entries, 1))), at(now))
    assert found is not None
    return found


FIRST = entry(0, action="promote", challenger=None, weight=0.0, lease_until=None, run="first")


def test_an_empty_log_has_no_place() -> None:
    assert placement([], START) is None


def test_a_place_that_nobody_held() -> None:
    found = place(FIRST, entry(1), now=4)
    assert (found.number, found.started, found.held, found.paused) == (2, at(1), False, timedelta(0))
    assert found.entry == entry(1)


def test_a_hold_keeps_number_and_start_and_stops_the_clock() -> None:
    found = place(FIRST, entry(1), held(4), now=9)
    assert (found.number, found.started, found.held) == (2, at(1), True)
    assert (found.entry.who, found.entry.why) == ("bob", "a sale")
    assert found.paused == timedelta(hours=5)
    assert place(FIRST, entry(1), held(4), now=90).paused == timedelta(hours=86)


def test_a_resume_starts_the_clock_anew_and_keeps_the_evidence() -> None:
    found = place(FIRST, entry(1), held(4), entry(9), now=11)
    assert (found.number, found.started, found.held) == (2, at(1), False)
    assert found.paused == timedelta(hours=8), "two hours count: those since the resume"


def test_a_second_hold_counts_from_the_resume_before() -> None:
    entries = (FIRST, entry(1), held(4), entry(9), held(12))
    assert place(*entries, now=20).paused == timedelta(hours=16), "three hours count"
    assert place(*entries, entry(20), now=21).paused == timedelta(hours=19)
    assert place(*entries, entry(20), now=21).number == 2


@pytest.mark.parametrize(
    "before",
    [
        entry(1, run="another"),
        entry(1, challenger=3),
        entry(1, weight=0.5),
        entry(1, champion=4),
        entry(1, action="shadow", weight=0.0),
        entry(1, action="rollback", challenger=None),
    ],
)
def test_another_place_is_not_taken_along(before: Deployment) -> None:
    found = place(FIRST, before, entry(2), held(3), now=5)
    assert (found.number, found.started) == (3, at(2))


def test_a_challenger_that_came_back_after_its_lease_starts_again() -> None:
    found = place(FIRST, entry(1), entry(11), now=12)
    assert (found.number, found.started, found.paused) == (3, at(11), timedelta(0))
    ran_out = held(4, lease_until=at(11))
    assert place(FIRST, entry(1), ran_out, entry(11), now=12).number == 4


def test_only_the_stretch_is_read() -> None:
    def entries() -> Any:
        yield 9, held(4)
        yield 8, entry(1)
        yield 7, FIRST
        raise AssertionError("read too far")

    found = placement(entries(), at(5))
    assert found is not None
    assert found.number == 8


def test_clocks_that_differ_do_not_turn_the_pause_around() -> None:
    assert place(FIRST, entry(1), held(4), now=3).paused == timedelta(0)
    assert place(FIRST, entry(1), now=0).paused == timedelta(0)


# --- who is in place ---


def why_not(*entries: Deployment, now: float = 2, stage: Any = "canary", version: int = 2) -> str:
    return out_of_place(place(*entries, now=now), stage, version, "release", at(now))


def test_in_place() -> None:
    assert why_not(entry(1)) == ""
    assert why_not(entry(1), held(2), now=50) == ""
    assert why_not(entry(1), now=50) == "", "without a hold, the judge decides by what was captured"


def test_out_of_place() -> None:
    assert out_of_place(None, "canary", 2, "release", START) == (
        "version 2 is not the challenger: nothing is deployed"
    )
    assert why_not(entry(1), stage="shadow") == "version 2 is in canary, not in shadow"
    assert why_not(entry(1), version=3).startswith("version 3 is not the challenger any more: canary by ann")
    gone = entry(2, action="rollback", challenger=None, who="bob", why="aborted: a sale", run="control/1")
    assert why_not(entry(1), gone) == (
        "version 2 is not the challenger any more: rollback by bob: aborted: a sale"
    )


def test_a_hold_that_ran_out() -> None:
    assert why_not(entry(1), held(2), now=102) == (
        "version 2 was held by bob since 2024-01-01 02:00:00 UTC: a sale; "
        "nobody resumed it before 2024-01-05 06:00:00 UTC"
    )
