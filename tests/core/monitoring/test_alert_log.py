"""Once for one cause, again when it lasts or gets worse, and when it is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_mlops.core.monitoring.alerts.alert import Alert, Found
from airflow_mlops.core.monitoring.alerts.log import AlertEntry, alert_log, due, open_alerts, record
from airflow_mlops.core.store import open_store
from tests.core.monitoring.looked import START

HOUR = timedelta(hours=1)


def alert(**fields: Any) -> Alert:
    base: dict[str, Any] = {
        "model": "orders",
        "kind": "drift",
        "severity": "warning",
        "title": "orders drifted",
        "how_bad": "much",
        "since": START,
        "next_step": "look",
        "cause": "version 3",
        "about": ("amount",),
        "at": START,
    }
    return Alert(**{**base, **fields})


class People:
    """Looks one after another, whose messages arrive."""

    def __init__(self) -> None:
        self.entries: list[AlertEntry] = []

    def look(
        self, hour: float, *alerts: Alert, judged: Any = ("drift",), delivered: bool = True
    ) -> list[str]:
        now = START + hour * HOUR
        run = f"orders.monitor/{hour}"
        found = Found(alerts, frozenset(judged))
        told = due(self.entries, found, run=run, now=now, repeat=24 * HOUR)
        self.entries += [AlertEntry(alert=one, run=run, delivered=delivered, at=now) for one in told]
        again = due(self.entries, found, run=run, now=now + HOUR, repeat=24 * HOUR)
        assert (again == ()) == (delivered or not told)
        return [f"{one.kind} {one.state}" for one in told]


def test_an_alert_that_lasts_is_sent_once_then_repeated_then_resolved() -> None:
    people = People()
    told = [people.look(hour, alert()) for hour in (0, 6, 12, 23.9, 30, 48)]
    assert told == [["drift new"], [], [], ["drift lasting"], [], ["drift lasting"]]
    assert people.look(54) == ["drift resolved"]
    assert people.look(60) == []
    assert people.look(66, alert()) == ["drift new"]


def test_what_is_resolved_says_how_long_it_lasted() -> None:
    people = People()
    people.look(0, alert(since=None))
    people.look(24, alert(since=START - 3 * HOUR))
    people.look(30)
    over = people.entries[-1].alert
    assert (over.state, over.severity) == ("resolved", "info")
    assert over.how_bad == "It lasted from 2026-10-31 21:00 UTC to 2026-11-02 06:00 UTC."
    assert over.headline == "INFO (resolved): orders drifted"


def test_a_repeated_alert_says_since_when() -> None:
    people = People()
    people.look(0, alert(since=None))
    people.look(24, alert(since=None, at=START + 24 * HOUR))
    assert people.entries[-1].alert.since == START


def test_what_was_not_judged_is_not_over() -> None:
    people = People()
    people.look(0, alert())
    assert people.look(6, judged=("decay",)) == []
    assert people.look(12, alert()) == []


def test_what_gets_worse_is_told_at_once() -> None:
    people = People()
    people.look(0, alert())
    assert people.look(1, alert(about=("country", "amount"))) == ["drift worse"]
    assert people.look(2, alert(about=("amount",))) == []
    assert people.look(3, alert(about=("country",))) == []
    assert people.look(4, alert(severity="critical")) == ["drift worse"]
    assert people.look(5, alert(severity="warning")) == []


def test_another_cause_replaces_the_one_before() -> None:
    people = People()
    people.look(0, alert())
    assert people.look(1, alert(cause="version 4")) == ["drift new"]
    assert people.look(2) == ["drift resolved"]
    assert people.entries[-1].alert.cause == "version 4"
    assert people.look(3) == []


def test_kinds_do_not_touch_each_other() -> None:
    people = People()
    decay = alert(kind="decay", severity="critical")
    assert people.look(0, alert(), decay, judged=("drift", "decay")) == ["decay new", "drift new"]
    assert people.look(1, alert(), judged=("drift", "decay")) == ["decay resolved"]


def test_what_happened_once_is_told_once_and_never_over() -> None:
    people = People()
    asked = alert(kind="retraining", lasts=False, cause="look 1")
    assert people.look(0, asked, judged=("retraining",)) == ["retraining new"]
    assert people.look(48, asked, judged=("retraining",)) == []
    assert people.look(49, judged=("retraining",)) == []
    again = asked.model_copy(update={"cause": "look 2"})
    assert people.look(50, again, judged=("retraining",)) == ["retraining new"]


def test_what_nobody_could_be_told_is_due_again() -> None:
    people = People()
    assert people.look(0, alert(), delivered=False) == ["drift new"]
    assert people.look(1, alert()) == ["drift new"]
    assert people.look(2, delivered=False) == ["drift resolved"]
    assert people.look(3) == ["drift resolved"]
    assert people.look(4) == []


def test_what_happened_once_is_not_lost_when_nobody_could_be_told() -> None:
    people = People()
    asked = alert(kind="retraining", severity="info", lasts=False, cause="look 1")
    late = alert(kind="late release", cause="r1")
    people.look(0, asked, late, judged=("retraining",), delivered=False)
    told = people.look(6, alert(), judged=("retraining", "drift"))
    assert told == ["late release new", "drift new", "retraining new"]
    assert people.look(7, alert(), judged=("retraining", "drift")) == []
    assert people.look(8, judged=("late release",)) == ["late release resolved"]


def test_what_was_over_before_anybody_was_told_is_not_told() -> None:
    people = People()
    people.look(0, alert(), delivered=False)
    assert people.look(1) == []


def test_a_retry_sends_only_what_it_had_not_written_down(tmp_path: Path) -> None:
    log = alert_log(open_store(str(tmp_path)), "orders")
    both = Found((alert(), alert(kind="decay")), frozenset({"drift", "decay"}))

    def told(run: str, now: datetime) -> list[Alert]:
        entries = [entry for _, entry in log.entries()]
        return list(due(entries, both, run=run, now=now, repeat=24 * HOUR))

    first, second = told("r1", START)
    record(log, first, run="r1", delivered=True, now=START)
    assert told("r1", START + HOUR) == [second]
    record(log, first, run="r1", delivered=True, now=START + HOUR)
    record(log, second, run="r1", delivered=False, now=START + HOUR)
    assert log.last_number() == 2
    assert [one.kind for one in told("r2", START + 2 * HOUR)] == [second.kind]


def test_open_alerts_are_those_that_last_the_worst_first() -> None:
    people = People()
    people.look(0, alert(), alert(kind="decay", severity="critical"), judged=("drift", "decay"))
    assert [one.alert.kind for one in open_alerts(people.entries)] == ["decay", "drift"]
    people.look(6, alert(kind="decay", severity="critical"), judged=("drift", "decay"))
    assert [one.alert.kind for one in open_alerts(people.entries)] == ["decay"]


def test_what_happened_once_and_what_was_not_delivered_are_no_open_alerts() -> None:
    people = People()
    people.look(0, alert(kind="rollback", lasts=False), judged=())
    people.look(1, alert(kind="unhealthy"), judged=(), delivered=False)
    assert open_alerts(people.entries) == ()
