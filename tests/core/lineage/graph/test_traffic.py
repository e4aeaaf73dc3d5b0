"""Spans in the traffic, out of deployment logs."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.lineage.graph.index import DeploymentEntry
from airflow_mlops.core.lineage.graph.traffic import Span, spans
from tests.core.lineage.graph.world import NOW, day


def entry(action: str, champion: int | None, at: int, **fields: Any) -> DeploymentEntry:
    return DeploymentEntry(
        action=action, champion=champion, who="ann", why=f"{action} it", at=day(at), **fields
    )


def told(*entries: DeploymentEntry) -> list[tuple[int, str, float, int, int | None, tuple[int, ...]]]:
    return [_told(one) for one in spans(enumerate(entries, start=1), NOW)]


def _told(one: Span) -> tuple[int, str, float, int, int | None, tuple[int, ...]]:
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


def test_a_renewed_lease_is_one_span_and_one_that_runs_out_ends_it() -> None:
    entries = (
        entry("promote", 1, 0),
        entry("shadow", 1, 1, challenger=2, lease_until=day(3)),
        entry("shadow", 1, 2, challenger=2, lease_until=day(6)),
    )
    assert told(*entries)[1] == (2, "shadow", 0.0, 1, 6, (2, 3))
    last = spans(enumerate(entries, start=1), NOW)[1]
    assert last.ended == "its lease was over"
    assert spans(enumerate(entries, start=1), day(4))[1].until is None, "before its end it lasts"


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
    assert spans(enumerate(entries, start=1), NOW)[0].ended == "fallback by ann: fallback it"
    assert told() == []
