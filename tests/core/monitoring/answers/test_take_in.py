"""Taking in: once each, whatever comes twice, late, out of order, or belongs to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

import pytest

from airflow_mlops.core.errors import DataError, LogConflict
from airflow_mlops.core.monitoring.answers import AnswersTable, TakenIn, days, settled_at
from airflow_mlops.core.monitoring.answers import take_in as taking
from airflow_mlops.core.monitoring.answers.records import answers_log
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.hours import Cursor
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store import Store
from tests.core.aws.killing import KilledError
from tests.core.monitoring.answers.world import (
    DAY,
    HOUR,
    MODEL,
    NAIVE,
    NOON,
    NOW,
    answer,
    capture,
    everything,
    label,
    naive,
    take_in,
    tell,
)
from tests.core.registry.world import MemoryStore

ENDPOINT = "http://127.0.0.1:1"


def counts(taken: TakenIn) -> dict[str, int]:
    """What happened at all."""
    return {name: count for name, count in taken.model_dump(exclude={"until"}).items() if count}


def test_only_what_is_new_is_taken_in_and_each_answer_once(store: Store) -> None:
    capture(store, *map(answer, range(4)))
    capture(store, answer(3), answer(4))
    assert counts(take_in(store)) == {"answers": 5, "rows": 5, "duplicates": 1}
    capture(store, answer(0), answer(5, rows=({"x": 1.0}, {"x": 2.0})))
    assert counts(take_in(store)) == {"answers": 1, "rows": 2, "duplicates": 1}
    assert counts(take_in(store)) == {}
    assert [row["_event_id"] for row in everything(store)] == ["e0", "e1", "e2", "e3", "e4", "e5", "e5"]
    assert answers_log(store, MODEL).last_number() == 2


def test_labels_come_late_in_parts_out_of_order_and_are_corrected(store: Store) -> None:
    capture(store, *map(answer, range(4)))
    assert counts(take_in(store)) == {"answers": 4, "rows": 4}
    tell(store, label(0, 0.0, after=3 * HOUR), label(1, 1.0))
    assert counts(take_in(store)) == {"labels": 2}
    tell(store, label(0, 1.0, after=2 * HOUR), label(1, 0.0, after=2 * HOUR), label(2))
    assert counts(take_in(store)) == {"labels": 3, "corrected": 2}
    tell(store, label(1, 1.0), label(3))
    assert counts(take_in(store)) == {"labels": 1, "repeated": 1}
    assert [row["_label"] for row in everything(store)] == [0.0, 0.0, 1.0, 1.0]
    early = everything(store, as_of=NOON + 1.5 * HOUR)
    assert [row["_label"] for row in early] == [None, 1.0, 1.0, 1.0]
    assert [row["_label"] for row in everything(store, as_of=NOON)] == [None] * 4


def test_labels_of_unknown_ids_wait_for_their_answer_and_are_given_up_in_the_end(store: Store) -> None:
    tell(store, label(1), label(7), label(1, row=3))
    assert counts(take_in(store)) == {"labels": 3, "unknown": 3}
    tell(store, label(7), label(8))
    assert counts(take_in(store)) == {"labels": 1, "repeated": 1, "unknown": 4}
    capture(store, answer(1))
    # a label of a row that the request does not have belongs to a known id
    assert counts(take_in(store)) == {"answers": 1, "rows": 1, "unknown": 2}
    assert [row["_label"] for row in everything(store)] == [1.0]
    assert counts(take_in(store, until=NOW + timedelta(days=29))) == {"unknown": 2}
    assert counts(take_in(store, until=NOW + timedelta(days=31))) == {"given_up": 2}
    assert counts(take_in(store, until=NOW + timedelta(days=31))) == {}


def test_an_id_that_is_asked_again_on_another_day_has_the_same_label(store: Store) -> None:
    capture(store, answer(1))
    tell(store, label(1))
    take_in(store)
    capture(store, answer(2, inference_id="i1", at=NOON + timedelta(days=2)))
    take_in(store)
    assert [row["_label"] for row in everything(store)] == [1.0, 1.0]


def test_clocks_that_are_wrong_are_counted_and_the_rest_goes_on(store: Store) -> None:
    capture(store, answer(1), answer(2), answer(3), answer(4, at=NOW + timedelta(days=2)))
    tell(store, label(1, after=-HOUR), label(2, after=timedelta(days=400)), label(3))
    assert counts(take_in(store)) == {"answers": 4, "rows": 4, "ahead": 1, "labels": 3, "skewed": 2}
    table = AnswersTable(store, MODEL)
    assert [row["_label"] for row in table.read(DAY, NOW).to_pylist()] == [1.0, 1.0, 1.0]
    assert [row["_event_id"] for row in everything(store)][-1] == "e4"


def test_lines_that_cannot_be_read_are_counted(store: Store) -> None:
    capture(store, answer(1), late=b"{broken\n[]\n")
    store.create(f"ground_truth/{MODEL}/2026/03/03/12/a.jsonl", b"nothing\n")
    assert counts(take_in(store)) == {"answers": 1, "rows": 1, "broken": 3}
    assert counts(take_in(store)) == {}


def test_files_that_were_held_up_are_found_within_a_week_and_later_on_demand(store: Store) -> None:
    capture(store, answer(0, at=NOON + timedelta(days=20)))
    take_in(store, until=NOON + timedelta(days=20))
    capture(store, answer(1, at=NOON + timedelta(days=14)))
    assert take_in(store).answers == 1
    capture(store, answer(2), answer(3))
    assert take_in(store).answers == 0
    assert counts(take_in(store, since=DAY)) == {"answers": 2, "rows": 2}
    assert counts(take_in(store, since=DAY)) == {}
    assert [row["_event_id"] for row in everything(store)] == ["e2", "e3", "e1", "e0"]


def test_what_a_cursor_forgets_is_not_doubled(store: Store) -> None:
    capture(store, answer(1))
    tell(store, label(1))
    take_in(store)
    capture(store, answer(2, at=NOON + timedelta(days=60)))
    take_in(store, until=NOON + timedelta(days=60))
    assert counts(take_in(store, until=NOON + timedelta(days=60))) == {}
    again = counts(take_in(store, until=NOON + timedelta(days=60), since=DAY))
    assert again == {"duplicates": 1, "repeated": 1}
    assert len(everything(store)) == 2


def test_many_small_files_become_few_and_the_table_stays_as_it_was(store: Store) -> None:
    mixed = [3, True, "a", None]
    with patch.object(days, "MOST_SMALL", 100):
        for number in range(12):
            raw: dict[str, Any] = {"x": float(number), "mixed": mixed[number % 4], f"only {number}": 1}
            capture(store, answer(number, rows=(raw, raw)))
            tell(store, label(number, number / 4), label(number, number / 8, after=2 * HOUR))
            take_in(store)
    table = AnswersTable(store, MODEL)
    before = {as_of: table.read(DAY, NOW, as_of=as_of) for as_of in (None, NOON + 1.5 * HOUR)}
    several = table.files(DAY, NOW)
    assert (len(several.rows), len(several.labels)) == (12, 12)
    capture(store, answer(0, at=NOON + 11 * HOUR, event_id="new", inference_id="new", rows=({"x": 1.0},)))
    tell(store, label(0, 0.5, row=5))
    assert counts(take_in(store)) == {"answers": 1, "rows": 1, "labels": 1}
    few = table.files(DAY, NOW)
    assert (len(few.rows), len(few.labels)) == (1, 1)
    for as_of, expected in before.items():
        assert table.read(DAY, NOON + 10 * HOUR, as_of=as_of) == expected
    capture(store, answer(3))
    tell(store, label(3, 3 / 4), label(4, 4 / 4))
    assert counts(take_in(store)) == {"duplicates": 1, "repeated": 2}


class Mortal(MemoryStore):
    """Is cut off at its n-th call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.fatal, self.after = 0, 0, False

    def _live(self) -> Iterator[None]:
        self.calls += 1
        if self.calls == self.fatal and not self.after:
            raise KilledError
        yield
        if self.calls == self.fatal:
            raise KilledError

    def read(self, key: str) -> bytes:
        for _ in self._live():
            found = super().read(key)
        return found

    def create(self, key: str, data: bytes) -> None:
        for _ in self._live():
            super().create(key, data)

    def exists(self, key: str) -> bool:
        for _ in self._live():
            found = super().exists(key)
        return found


@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_and_tried_again_nothing_is_doubled_or_lost(after: bool) -> None:
    records = [answer(number, at=NOON + number * 6 * HOUR) for number in range(5)]
    truths = [label(number, after=30 * HOUR) for number in (0, 2, 4, 9)]
    dead = 0
    for fatal in range(1, 200):
        store = Mortal()
        capture(store, *records[:3])
        tell(store, *truths[:1])
        take_in(store)
        capture(store, records[0], *records[3:])
        tell(store, *truths[1:])
        store.calls, store.fatal, store.after = 0, fatal, after
        try:
            take_in(store)
        except KilledError:
            dead += 1
        store.fatal = 0
        take_in(store)
        assert everything(store, columns=NAIVE) == naive(records, truths)
        assert take_in(store).unknown == 1
        if dead < fatal:
            break
    assert dead > 15


def test_of_two_at_the_same_time_one_wins_and_the_other_goes_on_from_there(store: Store) -> None:
    class Interrupted(LocalEndpoint):
        """While it reads, another one takes in all that is there; then more comes, and it happens again."""

        rounds = 0

        def captures(self, since: datetime, cursor: Cursor | None = None) -> Iterator[CaptureRecord]:
            self.rounds += 1
            if self.rounds < 3:
                capture(store, answer(10 + self.rounds))
            yield from super().captures(since, cursor)
            if self.rounds < 3:
                take_in(store)

    capture(store, *map(answer, range(3)))
    tell(store, label(1))
    lines: list[str] = []
    endpoint = Interrupted(ENDPOINT, MODEL, store)
    taken = AnswersTable(store, MODEL).take_in(endpoint, until=NOW, now=NOW, progress=lines.append)
    assert counts(taken) == {}
    assert sum("another take-in was faster" in line for line in lines) == 2
    assert [row["_event_id"] for row in everything(store)] == ["e0", "e1", "e2", "e11", "e12"]
    assert [row["_label"] for row in everything(store)] == [None, 1.0, None, None, None]


def test_one_that_loses_all_the_time_says_so(store: Store) -> None:
    class Beaten(LocalEndpoint):
        def captures(self, since: datetime, cursor: Cursor | None = None) -> Iterator[CaptureRecord]:
            yield from super().captures(since, cursor)
            capture(store, answer(len(everything(store))))
            take_in(store)
            yield answer(1000)

    with patch.object(taking, "_TRIES", 3), pytest.raises(LogConflict, match="let one task take them in"):
        AnswersTable(store, MODEL).take_in(Beaten(ENDPOINT, MODEL, store), until=NOW)


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(DataError, match="no zone"):
        take_in(store, until=datetime(2026, 3, 3))  # noqa: DTZ001
    assert list(store.list("")) == []


def test_what_was_taken_in_is_said() -> None:
    taken = TakenIn(until=NOW, answers=1234, rows=2000, labels=5, corrected=2, unknown=1)
    assert taken.said == (
        "1,234 answers with 2,000 rows and 5 labels taken in; 2 labels correct another; 1 labels wait for their answer"
    )


def test_when_a_period_is_settled(store: Store) -> None:
    class Slow(LocalEndpoint):
        def certain_until(self, now: datetime) -> datetime:
            return now - timedelta(minutes=5)

    assert (
        settled_at(NOON)
        == settled_at(NOON, LocalEndpoint(ENDPOINT, MODEL, store))
        == NOON + timedelta(seconds=15)
    )
    assert settled_at(NOON, Slow(ENDPOINT, MODEL, store)) == NOON + timedelta(minutes=5, seconds=15)
    assert NOON.tzinfo == timezone.utc
