"""A cursor lists what is new, finds what comes late, and takes eight bytes a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from airflow_mlops.core.serving import cursor as cursors
from airflow_mlops.core.serving.cursor import Cursor
from airflow_mlops.core.serving.hours import file_name, hour_of, read_lines
from airflow_mlops.core.store import Item
from tests.core.registry.world import MemoryStore

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)
PREFIX = "captures/orders/v1/"


class Listed(MemoryStore):
    """Counts what a listing shows."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = 0
        self.listings = 0

    def list(self, prefix: str, start_after: str = "") -> Iterator[Item]:
        self.listings += 1
        for item in super().list(prefix, start_after):
            self.shown += 1
            yield item


def ours(at: datetime) -> str:
    return f"{PREFIX}{hour_of(at)}/{file_name(at, 'abcd')}"


def sagemakers(at: datetime) -> str:
    return f"{PREFIX}{hour_of(at)}/{at:%M-%S}-123-9f0c.jsonl"


def others(at: datetime) -> str:
    return f"{PREFIX}{hour_of(at)}/part-{at:%H%M%S}.jsonl"


def look(store: Listed, cursor: Cursor) -> list[bytes]:
    def broken(key: str, line: int) -> None:
        raise AssertionError(key)

    return list(read_lines(store, PREFIX, NOON, bytes, broken, cursor))


@pytest.mark.parametrize("name", [ours, sagemakers, others])
def test_each_file_is_read_once_across_hours(name) -> None:  # type: ignore[no-untyped-def]
    store, cursor = Listed(), Cursor()
    seen = []
    for minute in range(0, 150, 7):
        store.create(name(NOON + timedelta(minutes=minute)), f"{minute}".encode())
        seen += look(store, cursor)
        assert look(store, cursor) == []
    assert seen == [f"{minute}".encode() for minute in range(0, 150, 7)]


@pytest.mark.parametrize("name", [ours, sagemakers])
def test_a_look_lists_the_newest_minutes_only(name) -> None:  # type: ignore[no-untyped-def]
    store, cursor = Listed(), Cursor()
    for number in range(720):
        store.create(name(NOON + 5 * number * SECOND), b"x")
    assert len(look(store, cursor)) == 720
    store.shown = store.listings = 0
    assert look(store, cursor) == []
    assert (store.listings, store.shown) == (1, 37)


def test_a_file_that_comes_late_is_read_at_once_or_at_a_wider_look() -> None:
    store, cursor = Listed(), Cursor()
    store.create(ours(NOON + timedelta(hours=3)), b"new")
    assert look(store, cursor) == [b"new"]
    store.create(ours(NOON + timedelta(hours=3) - 2 * timedelta(minutes=1)), b"late")
    assert look(store, cursor) == [b"late"]
    store.create(ours(NOON + timedelta(hours=2, minutes=20)), b"later")
    store.create(ours(NOON), b"much later")
    found = [look(store, cursor) for _ in range(cursors._FULL_LOOK)]
    whole = [(number, one) for number, one in enumerate(found, start=2) if one]
    assert whole == [(cursors._HOUR_LOOK, [b"later"]), (cursors._FULL_LOOK, [b"much later"])]


def test_a_file_takes_eight_bytes() -> None:
    cursor = Cursor()
    for number in range(10_000):
        assert cursor.is_new(PREFIX, ours(NOON + number * SECOND))
    assert not cursor.is_new(PREFIX, ours(NOON))
    assert sum(map(sys.getsizeof, cursor._read.values())) < 10_000 * 8 * 1.2


def test_a_cursor_outlives_its_process_day_by_day() -> None:
    cursor = Cursor()
    keys = [name(NOON + timedelta(hours=hour)) for hour in (0, 1, 20) for name in (ours, sagemakers)]
    assert all(cursor.is_new(PREFIX, key) for key in keys)
    assert cursor.is_new("failures/orders/", "orders/v1/20260302T0815/0")
    assert cursor.is_new(PREFIX, f"{PREFIX}elsewhere")
    marks = cursor.marks()
    assert {day: len(data) for day, data in marks.items()} == {"2026-03-01": 32, "2026-03-02": 24, "": 8}
    later = Cursor(thorough=True)
    later.remember(marks)
    assert not any(later.is_new(PREFIX, key) for key in [*keys, f"{PREFIX}elsewhere"])
    assert not later.is_new("failures/orders/", "orders/v1/20260302T0815/0")
    assert later.is_new(PREFIX, ours(NOON + SECOND))


def test_a_thorough_cursor_finds_what_comes_late_at_once_and_counts_broken_lines() -> None:
    store, cursor = Listed(), Cursor(thorough=True)
    for hours in (3, 2, 0):
        store.create(ours(NOON + timedelta(hours=hours)), f"{hours}".encode())
        assert look(store, cursor) == [f"{hours}".encode()]

    def refuse(line: bytes) -> bytes:
        raise ValueError(line)

    store.create(ours(NOON + SECOND), b"1\n2")
    assert list(read_lines(store, PREFIX, NOON, refuse, lambda key, line: None, cursor)) == []
    assert cursor.broken == 2
