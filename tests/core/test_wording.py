"""Numbers, times and texts as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_mlops.core import wording

AT = datetime(2026, 11, 22, 1, 5, 9, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "octets, said",
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (64_742, "64.7 kB"),
        (5_500_000, "5.5 MB"),
        (70_500_000_000, "70.5 GB"),
        (1_234_500_000_000_000, "1,234.5 TB"),
    ],
)
def test_sizes_have_the_unit_that_fits(octets: int, said: str) -> None:
    assert wording.size(octets) == said


@pytest.mark.parametrize(
    "length, said",
    [
        (timedelta(days=3, hours=4, minutes=59), "3 d 4 h"),
        (timedelta(hours=1, minutes=59), "1 h 59 min"),
        (timedelta(days=2), "2 d"),
        (timedelta(seconds=59.6), "1 min"),
        (timedelta(0), "0 s"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_a_span_has_its_largest_two_units(length: timedelta, said: str) -> None:
    assert wording.span(length) == said


def test_counts_are_of_one_or_many() -> None:
    assert wording.counted(1, "file") == "1 file"
    assert wording.counted(1234, "file") == "1,234 files"
    assert wording.counted(2, "person", "people") == "2 people"
    assert wording.counted(0, "problem", zero="no") == "no problems"
    assert (wording.count(1234), wording.count(None)) == ("1,234", "—")


@pytest.mark.parametrize(
    "at", [AT, AT.replace(tzinfo=None), AT.astimezone(timezone(timedelta(hours=9)))], ids=str
)
def test_times_are_said_in_utc(at: datetime) -> None:
    assert wording.moment(at) == "2026-11-22 01:05 UTC"
    assert wording.minute(at) == "2026-11-22 01:05"
    assert wording.second(at) == "2026-11-22 01:05:09"
    assert wording.day(at) == "2026-11-22"
    assert wording.days(at, at + timedelta(days=1)) == "2026-11-22 to 2026-11-23"
    assert wording.period(at, at + timedelta(hours=1)) == "2026-11-22 01:05 to 2026-11-22 02:05"
    assert wording.ago(at, AT + timedelta(hours=5, minutes=7)) == "5 h 7 min ago"


def test_the_first_few_are_named() -> None:
    assert wording.some(["a", "b"], 2) == "a, b"
    assert wording.some(["a", "b", "c"], 2, "; ") == "a; b and 1 more"
    assert wording.some([], 2) == ""


def test_what_has_no_time_and_what_was_now() -> None:
    assert wording.moment(None) == "—"
    assert wording.ago(None, AT) == "never"
    assert wording.ago(AT, AT) == "just now"
    assert wording.ago(AT + timedelta(hours=1), AT) == "just now", "a clock that is ahead"


def test_text_is_one_line_that_no_terminal_and_no_page_takes_for_a_command() -> None:
    assert wording.plain("a\n\tb\x1b[31m \x9b2J \u202ec\x85d") == "a b�[31m �2J �c d"
    assert wording.line("x" * 30, 10) == "x" * 9 + "…"
    assert wording.line("x" * 10, 10) == "x" * 10
