"""The tasks that tell people: robust against what became of the tasks before them, idempotent by run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from airflow.sdk import BaseNotifier

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.monitoring.alerts.log import alert_log
from airflow_mlops.core.monitoring.look import Look, monitoring_log
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout.healing import Healing
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import keep
from airflow_mlops.operators.alerting import (
    AlertOperator,
    LookAlertOperator,
    ReleaseAlertOperator,
    RollbackAlertOperator,
)
from airflow_mlops.operators.base import REFUSAL
from tests.core.monitoring.looked import ASKED, NOTHING, column, drift, failed_gate, look, performance, period
from tests.core.registry import world
from tests.operators.world import Run

REFUSED = {
    "model": "orders",
    "outcome": "refused",
    "version": 2,
    "champion": 1,
    "task": "evaluate",
    "kind": "GateFailed",
    "gate": "auc",
    "value": 0.5,
    "limit": 0.6,
    "reason": "auc is below 0.6",
    "quarantined_rows": 0,
}


class Phone(BaseNotifier):
    """Keeps what it was to say; refuses while it is off."""

    template_fields = ("text",)
    said: ClassVar[list[str]] = []
    off: ClassVar[bool] = False

    def __init__(self, text: str = "{{ mlops_alert.title }}", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text

    def notify(self, context: Any) -> None:
        if Phone.off:
            raise ConnectionError("nobody answers")
        self.said.append(self.text)


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    Phone.said.clear()
    Phone.off = False
    yield
    Phone.off = False


def looked(store: Store, run: Run, *, day: int = 0, drifted: bool = True, **fields: Any) -> Look:
    """A look of this run, in the log with its reports."""
    shape = look(day, run=run.key)
    report = drift(column("amount", drifted=drifted, importance=0.6), since=shape.since, until=shape.until)
    fields.setdefault("drift", keep(store, report))
    entry = shape.model_copy(update={"outcome": report.outcome, "at": utc_now(), **fields})
    monitoring_log(store, world.MODEL).append_once(entry, lambda one: one.run == run.key)
    return entry


def tell(run: Run, kind: type[AlertOperator] = LookAlertOperator, **arguments: Any) -> Any:
    return run.execute(kind(task_id="alert", spec=world.spec(), notifiers=[Phone()], **arguments))


def test_what_the_look_found_is_told_once_for_all_looks(store: Store, run: Run) -> None:
    looked(store, run, decision=ASKED)
    assert tell(run) == {"sent": ["drift", "retraining"], "resolved": [], "unsent": [], "quiet": []}
    assert Phone.said == [
        "WARNING: orders: 1 of 1 columns drifted: amount",
        "INFO: orders: retraining is asked for",
    ]
    assert tell(run)["quiet"] == ["drift", "retraining"]
    second = Run("r2")
    looked(store, second, day=1)
    assert tell(second)["quiet"] == ["drift"]
    third = Run("r3")
    looked(store, third, day=2, drifted=False)
    assert tell(third)["resolved"] == ["drift"]
    assert Phone.said[2:] == ["INFO (resolved): orders: 1 of 1 columns drifted: amount"]
    entries = [entry for _, entry in alert_log(store, world.MODEL).entries()]
    assert [(one.alert.kind, one.alert.state, one.run) for one in entries] == [
        ("drift", "new", run.key),
        ("retraining", "new", run.key),
        ("drift", "resolved", third.key),
    ]


def test_a_backfill_tells_nobody_what_was_last_month(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked(store, run)
    monkeypatch.setattr("airflow_mlops.operators.alerting.run_type", lambda context: "backfill")
    assert not any(tell(run).values())


def test_performance_is_told_with_drift(store: Store, run: Run) -> None:
    measured = performance(period(), gates=(failed_gate(),), judged_on="measured")
    looked(store, run, performance=keep(store, measured))
    assert tell(run)["sent"] == ["decay", "drift"]
    assert Phone.said[0].startswith("CRITICAL: orders: version 3 is worse than allowed")


def test_when_nobody_could_be_told_the_next_look_tells_again(store: Store, run: Run) -> None:
    Phone.off = True
    looked(store, run)
    assert tell(run)["unsent"] == ["drift"]
    ((_, entry),) = alert_log(store, world.MODEL).entries()
    assert not entry.delivered
    Phone.off = False
    second = Run("r2")
    looked(store, second, day=1)
    assert tell(second)["sent"] == ["drift"]
    assert len(Phone.said) == 1


def test_without_notifiers_alerts_stand_in_their_log(store: Store, run: Run) -> None:
    looked(store, run)
    told = run.execute(LookAlertOperator(task_id="alert", spec=world.spec()))
    assert told["sent"] == ["drift"]
    ((_, entry),) = alert_log(store, world.MODEL).entries()
    assert entry.delivered


def test_a_failed_look_still_tells_what_serves(store: Store, run: Run) -> None:
    world.register(store)
    log = DeploymentLog(store, world.MODEL)
    log.promote(1, who="ann", why="first", run="r0")
    log.fallback(who="ann", why="outage", run="r1")
    assert tell(run)["sent"] == ["fallback"]
    log.rollback(to=1, who="ann", why="over", run="r2")
    assert tell(Run("r2"))["resolved"] == ["fallback"]


@pytest.mark.parametrize("health", [None, "None", {}])
def test_health_that_nobody_knows(store: Store, run: Run, health: Any) -> None:
    assert tell(run, health=health)["sent"] == []


def healing(store: Store, **fields: Any) -> dict[str, str]:
    base: dict[str, Any] = {"champion": 1, "mode": "champion", "entry": 1, "healthy": True, "reason": "fine"}
    found = Healing(model=world.MODEL, run="r1", at=utc_now(), **{**base, **fields})
    return {"ref": keep(store, found)}


def test_an_unhealthy_champion_is_told(store: Store, run: Run) -> None:
    sick = healing(store, sick=2, switched=True, reason="version 2 failed 70 of 80 requests")
    assert tell(run, health=sick)["sent"] == ["unhealthy"]
    assert Phone.said == ["CRITICAL: orders: version 2 is unhealthy, version 1 answers instead"]
    assert tell(Run("r2"), health=healing(store, healthy=None))["resolved"] == []
    assert tell(Run("r3"), health=healing(store))["resolved"] == ["unhealthy"]


def test_an_endpoint_that_could_not_be_healed_is_told(store: Store, run: Run) -> None:
    run.xcoms["heal", REFUSAL] = {"task": "heal", "reason": "it serves version 1"}
    assert tell(run, health=None)["sent"] == ["unhealthy"]
    assert Phone.said == ["CRITICAL: orders: the endpoint does not follow the deployment log"]


def test_a_blocked_release_is_told_and_a_promotion_resolves_it(store: Store, run: Run) -> None:
    told = tell(run, ReleaseAlertOperator, release=REFUSED, tasks=["evaluate"])
    assert told["sent"] == ["blocked release"]
    assert tell(run, ReleaseAlertOperator, release=REFUSED)["quiet"] == ["blocked release"]
    again = Run("r2")
    assert tell(again, ReleaseAlertOperator, release=REFUSED)["sent"] == ["blocked release"]
    good = Run("r3")
    promoted = {**REFUSED, "outcome": "promoted"}
    assert tell(good, ReleaseAlertOperator, release=promoted)["resolved"] == ["blocked release"]
    assert tell(Run("r4"), ReleaseAlertOperator, release=promoted)["resolved"] == []


def test_a_release_that_could_not_begin_says_why(store: Store, run: Run) -> None:
    run.xcoms["begin", REFUSAL] = {
        "task": "begin",
        "kind": "PlatformError",
        "reason": "no endpoint",
        "gate": None,
    }
    tell(run, ReleaseAlertOperator, release=None, tasks=["begin", "train"])
    ((_, entry),) = alert_log(store, world.MODEL).entries()
    assert entry.alert.how_bad == "no endpoint"
    assert "begin" in entry.alert.next_step


def test_a_release_whose_end_is_not_proved(store: Store, run: Run) -> None:
    run.xcoms["conclude", REFUSAL] = {"task": "conclude", "reason": "it serves version 1"}
    tell(run, ReleaseAlertOperator, release={**REFUSED, "outcome": "promoted"})
    ((_, entry),) = alert_log(store, world.MODEL).entries()
    assert entry.alert.severity == "critical"
    assert "it serves version 1" in entry.alert.how_bad


def test_a_rollback_is_told(store: Store, run: Run) -> None:
    back = {"model": "orders", "champion": 1, "mode": "champion", "entry": 3}
    assert tell(run, RollbackAlertOperator, rollback=back, reason="complaints")["sent"] == ["rollback"]
    ((_, entry),) = alert_log(store, world.MODEL).entries()
    assert entry.alert.how_bad == "Asked for by ann: complaints"
    failed = Run("r2")
    failed.xcoms["rollback", REFUSAL] = {"task": "rollback", "reason": "the endpoint did not follow"}
    assert tell(failed, RollbackAlertOperator, rollback=None)["sent"] == ["rollback"]
    assert Phone.said[1] == "CRITICAL: orders: the rollback failed"


def test_a_way_to_the_fallback_rule_is_told_once_by_all(store: Store, run: Run) -> None:
    world.register(store)
    log = DeploymentLog(store, world.MODEL)
    log.promote(1, who="ann", why="first", run="r0")
    log.fallback(who="ann", why="outage", run="r1")
    back = {"model": "orders", "champion": None, "mode": "fallback", "entry": 2}
    assert tell(run, RollbackAlertOperator, rollback=back)["sent"] == ["fallback"]
    assert tell(Run("r2"))["quiet"] == ["fallback"]


def test_wrong_notifiers_are_refused_where_the_dag_is_written() -> None:
    with pytest.raises(SpecError, match="notifiers; given a Phone"):
        LookAlertOperator(task_id="alert", spec=world.spec(), notifiers=Phone())


def test_nothing_to_tell(store: Store, run: Run) -> None:
    looked(store, run, drifted=False, decision=NOTHING)
    assert not any(tell(run).values())
    assert not list(alert_log(store, world.MODEL).entries())
