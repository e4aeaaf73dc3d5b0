"""What counts as a failed request of the champion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest

from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.health import ChampionHealth, champion_health
from airflow_mlops.spec import Health

NOW = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
_NUMBERS = count()


def record(status: int = 200, at: datetime = NOW - MINUTE, **fields: Any) -> CaptureRecord:
    name = f"e{next(_NUMBERS)}"
    base: dict[str, Any] = {
        "event_id": name,
        "inference_id": name,
        "variant": "v2",
        "role": "champion",
        "at": at,
        "latency_ms": 1.0,
        "status": status,
        "key": "0" * 16,
        "rows": ({"x": 1},),
        "predictions": (0.5,) if status == 200 else None,
        "deployment": 1,
    }
    return CaptureRecord(**{**base, **fields})


class Captured:
    """An endpoint of which only captures are known."""

    def __init__(self, *records: CaptureRecord) -> None:
        self.records = records

    def captures(self, since: datetime) -> Iterator[CaptureRecord]:
        return iter(self.records)


class Counted(Captured):
    """One that counts by itself."""

    numbers = (0, 0)

    def counts(self, version: int, since: datetime, until: datetime) -> tuple[int, int]:
        return self.numbers


def look(endpoint: Any, **health: Any) -> ChampionHealth:
    given = Health(**{"min_requests": 4, **health})
    return champion_health(endpoint, given, champion=2, since=NOW - 10 * MINUTE, until=NOW)


@pytest.mark.parametrize("failures, healthy", [(0, True), (4, True), (5, False), (10, False)])
def test_the_limit(failures: int, healthy: bool) -> None:
    found = look(Captured(*[record(500)] * failures, *[record()] * (10 - failures)))
    assert (found.requests, found.failed, found.healthy) == (10, failures, healthy)
    assert found.error_rate == failures / 10


def test_too_few_decide_nothing() -> None:
    assert look(Captured(*[record(500)] * 3)).healthy is None
    assert look(Captured()).healthy is None


def test_only_the_champions_own_requests_of_the_time_count() -> None:
    others = [
        record(500, variant="v3", role="challenger"),
        record(500, variant="v3", role="shadow"),
        record(500, variant="v1"),
        record(500, variant="v2", role="challenger"),
        record(500, at=NOW),
        record(500, at=NOW - 11 * MINUTE),
        record(200, variant="fallback", role="fallback", chosen="failover"),
    ]
    found = look(Captured(*others, *[record()] * 4))
    assert (found.requests, found.failed, found.healthy) == (4, 0, True)


def test_an_endpoint_that_counts_what_it_does_not_capture() -> None:
    counted = Counted(*[record()] * 10)
    counted.numbers = (100, 60)
    found = look(counted)
    assert (found.requests, found.failed, found.healthy) == (100, 60, False)


def test_what_the_rule_answered_instead_is_scaled_to_all_requests() -> None:
    """A tenth is captured: of 100 requests 20 got an error, and the rule answered for half of the others."""
    saved = [record(500) for _ in range(4)]
    rule = [
        record(variant="fallback", role="fallback", chosen="failover", inference_id=one.inference_id)
        for one in saved
    ]
    of_another = record(variant="fallback", role="fallback", chosen="failover")
    counted = Counted(*[record()] * 4, *saved, *rule, of_another)
    counted.numbers = (100, 20)
    found = look(counted)
    assert (found.requests, found.failed) == (100, 60)
