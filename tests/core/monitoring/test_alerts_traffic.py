"""What people should know about what serves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_mlops.core.monitoring.alerts.alert import Alert, Found
from airflow_mlops.core.monitoring.alerts.of_traffic import (
    alert_of_late_release,
    alerts_of_fallback,
    alerts_of_health,
    alerts_of_release,
    alerts_of_rollback,
    alerts_of_unproved_endpoint,
)
from airflow_mlops.core.registry.deployments import Deployment
from airflow_mlops.core.rollout.healing import Healing
from airflow_mlops.core.serving.trial import Trial
from tests.core.monitoring.looked import START

RUN = "orders.release/r1"
REFUSED = {
    "model": "orders",
    "outcome": "refused",
    "version": 4,
    "champion": 3,
    "task": "rollout.judge_shadow",
    "kind": "Rejected",
    "gate": "log_loss",
    "value": 0.5123,
    "limit": 0.48,
    "reason": "the challenger is worse",
    "quarantined_rows": 12,
}


def release(result: Any, **fields: Any) -> Found:
    return alerts_of_release("orders", result, run=RUN, at=START, link="http://a/b", **fields)


def only(told: Found) -> Alert:
    (alert,) = told.alerts
    return alert


def test_a_blocked_release_names_task_gate_value_and_limit() -> None:
    alert = only(release(REFUSED))
    assert (alert.kind, alert.severity, alert.cause, alert.since) == (
        "blocked release",
        "warning",
        RUN,
        START,
    )
    assert alert.title == "orders: version 4 was not promoted"
    assert alert.how_bad == "Gate log_loss found 0.5123, the limit is 0.48."
    assert alert.details == (
        "Refused by task rollout.judge_shadow (Rejected): the challenger is worse",
        "12 rows are in quarantine",
        "Version 3 keeps serving",
    )
    assert "rollout.judge_shadow" in alert.next_step
    assert "trigger orders.release again" in alert.next_step


def test_a_release_without_a_result() -> None:
    alert = only(release(None))
    assert "before it had registered a version" in alert.title
    assert "did not begin, or did not finish" in alert.how_bad
    assert alert.details == ()


def test_a_refusal_without_a_gate_and_a_champion() -> None:
    told = {**REFUSED, "gate": None, "value": None, "champion": None, "quarantined_rows": 0}
    alert = only(release(told))
    assert alert.how_bad == "the challenger is worse"
    assert "No version serves" in alert.details


def test_a_promotion_resolves_what_was_blocked() -> None:
    told = release({**REFUSED, "outcome": "promoted"})
    assert told == Found((), frozenset({"late release", "blocked release"}))
    assert release(REFUSED).judged == frozenset({"late release"})


@pytest.mark.parametrize("outcome", ["promoted", "refused"])
def test_what_is_not_proved_is_critical(outcome: str) -> None:
    told = release({**REFUSED, "outcome": outcome}, unproved="DeploymentFailed: it serves version 2")
    alert = only(told)
    assert alert.severity == "critical"
    assert "it serves version 2" in alert.how_bad
    assert "keeps serving" not in alert.text
    assert "orders.monitor" in alert.next_step
    assert "blocked release" not in told.judged


def rollback(result: Any, **fields: Any) -> Found:
    return alerts_of_rollback(
        "orders", result, who="ann", reason="complaints", run="orders.rollback/r1", at=START, **fields
    )


def test_a_way_back_happens_once() -> None:
    alert = only(rollback({"champion": 2, "mode": "champion"}))
    assert (alert.kind, alert.severity, alert.lasts) == ("rollback", "warning", False)
    assert alert.title == "orders: rolled back to version 2"
    assert alert.how_bad == "Asked for by ann: complaints"


def test_a_way_back_that_failed_is_critical() -> None:
    alert = only(rollback(None, failure="the endpoint did not follow"))
    assert alert.severity == "critical"
    assert alert.how_bad == "the endpoint did not follow"
    assert "trigger orders.rollback again" in alert.next_step
    assert only(rollback(None)).severity == "critical"


def test_the_fallback_rule_is_told_by_the_deployment_log() -> None:
    assert rollback({"champion": None, "mode": "fallback"}).alerts == ()
    entry = Deployment(action="fallback", champion=3, who="ann", why="outage", at=START)
    told = alerts_of_fallback("orders", (7, entry), at=START + timedelta(hours=1))
    alert = only(told)
    assert (alert.kind, alert.severity, alert.since, alert.cause) == (
        "fallback",
        "critical",
        START,
        "entry 7",
    )
    assert alert.details == ("Decided by ann: outage",)
    assert "trigger orders.rollback with to=3" in alert.next_step
    back = entry.model_copy(update={"action": "rollback"})
    over = Found((), frozenset({"fallback"}))
    assert alerts_of_fallback("orders", (8, back), at=START) == over
    assert alerts_of_fallback("orders", None, at=START) == over


def health(**fields: Any) -> Found:
    base: dict[str, Any] = {
        "champion": 3,
        "mode": "champion",
        "entry": 5,
        "healthy": True,
        "reason": "all is well",
    }
    return alerts_of_health(Healing(model="orders", run="r1", at=START, **{**base, **fields}))


def test_an_unhealthy_champion() -> None:
    tried = Trial(version=2, asked=100, failed=0, healthy=True, reason="answers 100 of 100")
    why = "version 3 failed 60 of 80 requests"
    alert = only(health(healthy=None, champion=2, sick=3, switched=True, reason=why, tried=(tried,)))
    assert (alert.kind, alert.severity, alert.cause) == ("unhealthy", "critical", "version 3")
    assert alert.title == "orders: version 3 is unhealthy, version 2 answers instead"
    assert alert.how_bad == why
    assert alert.details == ("Tried version 2: answers 100 of 100",)
    assert health(healthy=False, champion=None, mode="fallback", sick=3, switched=True) == Found()
    stuck = only(health(healthy=False, sick=3))
    assert stuck.title.endswith("and nothing can take over")
    assert "trigger orders.rollback" in stuck.next_step
    assert health() == Found((), frozenset({"unhealthy"}))
    assert health(healthy=None) == Found()
    assert health(healthy=False, champion=None, mode="fallback") == Found()


def test_an_endpoint_that_does_not_follow() -> None:
    alert = only(alerts_of_unproved_endpoint("orders", "it serves version 1", at=START))
    assert (alert.kind, alert.severity, alert.how_bad) == ("unhealthy", "critical", "it serves version 1")
    assert "trigger orders.monitor" in alert.next_step


def test_a_late_release() -> None:
    told = alert_of_late_release(
        "orders", run=RUN, began=START, limit=timedelta(days=2), at=START + timedelta(days=2)
    )
    alert = only(told)
    assert alert.title == "orders: a release has not ended in 2 d"
    assert (alert.since, alert.cause, alert.lasts) == (START, RUN, True)
    assert "orders.rollout with action=abort" in alert.next_step
