from __future__ import annotations

import threading
from collections.abc import Iterator

from airflow_mlops.core.doctor import Check, Finding, examine
from airflow_mlops.core.doctor.finding import ok
from airflow_mlops.core.errors import PlatformError


def well() -> Iterator[Finding]:
    yield ok("a", "all is well")


def crashes() -> Iterator[Finding]:
    yield ok("b", "so far")
    raise ValueError("password=hunter2")


def mistaken() -> Iterator[Finding]:
    raise PlatformError("no such place", given="x", expected="y", remedy="mend it")
    yield


def test_a_crash_is_a_line_without_its_text_and_the_others_go_on() -> None:
    found = list(examine([Check("b", crashes), Check("a", well)]))
    assert [(one.check, one.state) for one in found] == [("b", "ok"), ("b", "problem"), ("a", "ok")]
    assert "ValueError at test_running.py:" in found[1].said
    assert "hunter2" not in found[1].said


def test_an_error_of_ours_keeps_what_it_teaches() -> None:
    (found,) = examine([Check("c", mistaken)])
    assert found.state == "problem"
    assert found.said == "no such place (x); expected y; mend it"


def test_what_hangs_is_a_line_and_keeps_nothing_waiting() -> None:
    release = threading.Event()

    def hangs() -> list[Finding]:
        release.wait()
        return []

    found = list(examine([Check("slow", hangs, limit=0.1), Check("a", well)]))
    release.set()
    assert [(one.check, one.state) for one in found] == [("slow", "problem"), ("a", "ok")]
    assert "no answer within 0.1 s" in found[0].said


def test_checks_run_at_the_same_time() -> None:
    together = threading.Barrier(2)

    def meets() -> list[Finding]:
        together.wait(60)
        return [ok("x", "met")]

    assert [one.found for one in examine([Check("x", meets, 60), Check("y", meets, 60)])] == ["met", "met"]


def test_a_line_stays_one_line() -> None:
    assert ok("a", "two\nlines\x1b[31m").said == "two lines [31m"
