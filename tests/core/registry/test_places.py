"""Places in the traffic, out of deployment logs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_mlops.core.registry.deployment import NOTHING, Deployment, Desired, effective
from airflow_mlops.core.registry.places import Place, places, ruled

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


def day(number: float) -> datetime:
    """A day of the log."""
    return START + timedelta(days=number)


NOW = day(300)


def entry(action: str, champion: int | None, at: int, **fields: Any) -> Deployment:
    return Deployment(action=action, champion=champion, who="ann", why=f"{action} it", at=day(at), **fields)


def told(*entries: Deployment) -> list[tuple[int, str, float, int, int | None, tuple[int, ...]]]:
    return [_told(one) for one in places(enumerate(entries, start=1), NOW)]


def _told(one: Place) -> tuple[int, str, float, int, int | None, tuple[int, ...]]:
    until = None if one.until is None else (one.until - day(0)).days
    return one.version, one.role, one.weight, (one.since - day(0)).days, until, one.entries


def test_a_release_through_all_stages() -> None:
    found = told(
        entry("promote", 1, 0),
        entry("shadow", 1, 1, challenger=2, lease_until=day(5)),
        entry("canary", 1, 2, challenger=2, weight=0.2, lease_until=day(5)),
        entry("canary", 1, 3, challenger=2, weight=0.5, lease_until=day(5)),
        entry("promote", 2, 4),
    )
    assert found == [
        (1, "champion", 0.0, 0, 4, (1, 2, 3, 4)),
        (2, "shadow", 0.0, 1, 2, (2,)),
        (2, "canary", 0.2, 2, 3, (3,)),
        (2, "canary", 0.5, 3, 4, (4,)),
        (2, "champion", 0.0, 4, None, (5,)),
    ]


def test_a_renewed_lease_is_one_place_and_one_that_runs_out_ends_it() -> None:
    entries = (
        entry("promote", 1, 0),
        entry("shadow", 1, 1, challenger=2, lease_until=day(3)),
        entry("shadow", 1, 2, challenger=2, lease_until=day(6)),
    )
    assert told(*entries)[1] == (2, "shadow", 0.0, 1, 6, (2, 3))
    last = places(enumerate(entries, start=1), NOW)[1]
    assert last.ended == "its lease was over"
    assert places(enumerate(entries, start=1), day(4))[1].until is None, "before its end it lasts"


def test_a_lease_that_was_over_before_the_next_entry() -> None:
    found = told(
        entry("promote", 1, 0),
        entry("shadow", 1, 1, challenger=2, lease_until=day(3)),
        entry("shadow", 1, 8, challenger=2, lease_until=day(9)),
    )
    assert found[1:] == [(2, "shadow", 0.0, 1, 3, (2,)), (2, "shadow", 0.0, 8, 9, (3,))]


def test_nobody_serves_while_the_rule_answers() -> None:
    entries = [entry("promote", 1, 0), entry("fallback", 1, 3), entry("rollback", 1, 5)]
    assert told(*entries) == [(1, "champion", 0.0, 0, 3, (1,)), (1, "champion", 0.0, 5, None, (3,))]
    assert places(enumerate(entries, start=1), NOW)[0].ended == "fallback by ann: fallback it"
    assert told() == []
    assert ruled(enumerate(entries, start=1))[0].until == day(5)


def test_a_clock_that_is_behind_ends_no_place_before_it_began() -> None:
    entries = [entry("promote", 1, 5), entry("fallback", 1, 3), entry("rollback", 1, 2)]
    assert (1, "champion", 0.0, 5, 5, (1,)) in told(*entries)
    assert [(one.since, one.until) for one in ruled(enumerate(entries, start=1))] == [(day(3), day(3))]


def test_a_hold_and_a_resume_keep_the_place() -> None:
    found = told(
        entry("promote", 1, 0),
        entry("canary", 1, 1, challenger=2, weight=0.1, lease_until=day(3), run="release"),
        entry("canary", 1, 2, challenger=2, weight=0.1, lease_until=day(9), run="release", held=True),
        entry("canary", 1, 8, challenger=2, weight=0.1, lease_until=day(10), run="release"),
        entry("rollback", 1, 9),
    )
    assert found[1:] == [(2, "canary", 0.1, 1, 9, (2, 3, 4))]


def test_a_rollback_gives_the_place_back_and_an_entry_that_can_not_be_read_is_passed_over() -> None:
    entries = [
        (1, entry("promote", 1, 0)),
        (3, entry("promote", 2, 2)),
        (4, entry("rollback", 1, 4)),
    ]
    assert [_told(one) for one in places(entries, NOW)] == [
        (1, "champion", 0.0, 0, 2, (1,)),
        (2, "champion", 0.0, 2, 4, (3,)),
        (1, "champion", 0.0, 4, None, (4,)),
    ]


#: Whole days for entries and ends of leases, halves for the moments that are asked about.
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(("shadow", "canary", "promote", "rollback", "fallback")),
        st.integers(1, 3),
        st.integers(1, 3),
        st.sampled_from((0.1, 0.5)),
        st.integers(1, 3),
        st.one_of(st.none(), st.integers(1, 6)),
    ),
    max_size=8,
)


@given(steps=_STEPS, after=st.integers(0, 6))
def test_at_every_moment_the_places_are_what_the_newest_entry_asks_for(steps: list[Any], after: int) -> None:
    entries: list[tuple[int, Deployment]] = []
    at = 0
    for number, (action, champion, step, weight, gap, lease) in enumerate(steps, start=1):
        at += gap
        fields: dict[str, Any] = {}
        if action in ("shadow", "canary"):
            fields = {"challenger": champion + step, "weight": weight if action == "canary" else 0.0}
            fields["lease_until"] = None if lease is None else day(at + lease)
        entries.append((number, entry(action, champion, at, **fields)))
    now = day(at + after + 0.75)
    found, by_rule = places(entries, now), ruled(entries)
    for half in range(2 * (at + after) + 1):
        moment = day(half / 2 + 0.25)
        past = [one for one in entries if one[1].at <= moment]
        asked = effective(*past[-1], moment) if past else NOTHING
        serving = {
            (one.role, one.version, one.weight) for one in found if _covers(one.since, one.until, moment)
        }
        assert serving == _serving(asked)
        assert any(_covers(one.since, one.until, moment) for one in by_rule) == bool(
            past and asked.mode == "fallback"
        )


def _covers(since: datetime, until: datetime | None, moment: datetime) -> bool:
    return since <= moment and (until is None or moment < until)


def _serving(asked: Desired) -> set[tuple[str, int, float]]:
    found: set[tuple[str, int, float]] = set()
    if asked.champion is not None:
        found.add(("champion", asked.champion, 0.0))
    if asked.challenger is not None:
        found.add((asked.mode, asked.challenger, asked.weight))
    return found
