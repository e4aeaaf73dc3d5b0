"""The deadline of a release: how long it may take, what Airflow keeps of it, and what happens when it has passed."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.monitoring.alerts.alert import Found
from airflow_mlops.core.monitoring.alerts.log import alert_log, due
from airflow_mlops.core.registry.releases import longest_release
from airflow_mlops.core.store import open_store
from airflow_mlops.notifications.deadline import SLACK, late_release, release_deadline, tell_of_late_release
from airflow_mlops.notifications.webhook import WebhookNotifier
from tests.core.registry import world
from tests.notifications.notifiers import SlackNotifier

GATES = [{"metric": "error_rate", "margin": 0.01}]
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "rollout, longest",
    [
        ({"shadow": {"gates": GATES, "max_duration": "3h"}}, 3 * HOUR),
        ({"canary": {"gates": GATES, "steps": [0.1, 0.2, 0.5], "max_duration": "2h"}}, 6 * HOUR),
        (
            {
                "shadow": {"gates": GATES, "max_duration": "3h"},
                "canary": {"gates": GATES, "steps": [0.1], "max_duration": "2h"},
                "inconclusive": "hold",
                "max_hold": "7d",
            },
            5 * HOUR + timedelta(days=7),
        ),
    ],
)
def test_how_long_a_release_may_take(rollout: Any, longest: timedelta) -> None:
    spec = world.spec(rollout=rollout)
    assert release_deadline(spec) == longest + SLACK
    assert release_deadline(spec, slack=HOUR) == longest + HOUR


def test_people_who_are_asked_one_after_another_may_take_their_time() -> None:
    alone = world.spec()
    asked = world.spec(approval={"people": 2, "timeout": "5h"})
    assert release_deadline(asked) - release_deadline(alone) == 10 * HOUR
    assert longest_release(asked) - longest_release(alone) == 10 * HOUR


def test_airflow_can_keep_it() -> None:
    spec = world.spec()
    notifiers = [WebhookNotifier(), SlackNotifier(text="{{ mlops_alert.slack }}")]
    with DAG("orders.release", schedule=None, deadline=late_release(spec, notifiers)) as dag:
        pass
    kept = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    (deadline,) = kept["dag"]["deadline"]
    text = json.dumps(deadline)
    assert "DagRunQueuedAtDeadline" in text
    assert "airflow_mlops.notifications.deadline.tell_of_late_release" in text
    assert "tests.notifications.notifiers.SlackNotifier" in text


def arguments(**fields: Any) -> dict[str, Any]:
    alert = late_release(world.spec(), [SlackNotifier(text="{{ mlops_alert.title }}")], limit=HOUR)
    return {**alert.callback.kwargs, **fields}


def context(**fields: Any) -> dict[str, Any]:
    queued = datetime(2026, 11, 1, 8, tzinfo=timezone.utc)
    base = {
        "dag_id": "orders.release",
        "dag_run_id": "manual__2026-11-01T08:00:00+00:00",
        "state": "running",
        "queued_at": queued.isoformat().replace("+00:00", "Z"),
    }
    return {"dag_run": {**base, **fields}, "deadline": {"id": "1"}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fields = {"conn_type": "mlops", "extra": {"store": str(tmp_path / "store")}}
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", json.dumps(fields))
    SlackNotifier.sent.clear()
    return tmp_path / "store"


def test_a_deadline_that_has_passed_is_told_once(place: Path) -> None:
    for _ in range(2):
        said = asyncio.run(tell_of_late_release(**arguments(), context=context()))
    assert said == "orders: late release quiet"
    assert [one["text"] for one in SlackNotifier.sent] == ["WARNING: orders: a release has not ended in 1 h"]
    ((_, entry),) = alert_log(open_store(str(place)), "orders").entries()
    assert entry.run == "orders.release/manual__2026-11-01T08:00:00+00:00"
    assert entry.alert.since == datetime(2026, 11, 1, 8, tzinfo=timezone.utc)
    assert (entry.alert.link or "").endswith(
        "/dags/orders.release/runs/manual__2026-11-01T08%3A00%3A00%2B00%3A00"
    )


@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_release_that_has_ended_meanwhile_is_not_late(place: Path, state: str) -> None:
    said = asyncio.run(tell_of_late_release(**arguments(), context=context(state=state)))
    assert "has ended" in said
    assert not SlackNotifier.sent


class OfTheDagFile(SlackNotifier):
    """One that the triggerer can't make."""


def test_what_the_triggerer_can_t_send_is_left_to_the_next_task(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OfTheDagFile, "__module__", "unusual_prefix_0123_orders")
    alert = late_release(world.spec(), [OfTheDagFile()], limit=HOUR)
    asyncio.run(tell_of_late_release(**alert.callback.kwargs, context=context()))
    log = alert_log(open_store(str(place)), "orders")
    ((_, entry),) = log.entries()
    assert not entry.delivered
    (again,) = due([entry], Found(), run="orders.monitor/r1", now=entry.at, repeat=HOUR)
    assert again.kind == "late release"


def test_a_time_that_nobody_knows(place: Path) -> None:
    asyncio.run(tell_of_late_release(**arguments(), context=context(queued_at=None)))
    ((_, entry),) = alert_log(open_store(str(place)), "orders").entries()
    assert entry.alert.since is not None
    assert entry.at - entry.alert.since == HOUR


def test_a_wrong_connection_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", '{"conn_type": "mlops", "extra": {"stroe": "x"}}')
    with pytest.raises(PlatformError):
        asyncio.run(tell_of_late_release(**arguments(), context=context()))
