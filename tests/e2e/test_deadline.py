"""A release that hangs is told by Airflow's own deadline, through the triggerer, by a notifier of the DAG file."""

from __future__ import annotations

import pytest

from airflow_mlops.core.monitoring.alerts.log import alert_log
from airflow_mlops.core.store import open_store
from airflow_mlops.demo.airflow import LocalAirflow
from airflow_mlops.demo.transport import Transport
from tests.notifications.receiver import receiving
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
PATIENCE = 300.0


def test_a_release_that_hangs_is_told_once(airflow: LocalAirflow) -> None:
    transport = Transport(airflow.url, airflow.username, airflow.password)
    with receiving() as receiver:
        fields = {"connection_id": "mlops_webhook", "conn_type": "generic", "host": f"{receiver.url}/hook"}
        transport.request("POST", "/connections", json={**fields, "password": "s3cret"})
        airflow.rest.wait_for_dag("late.release", timeout=PATIENCE)
        run = airflow.rest.trigger("late.release")
        wait_until(lambda: receiver.got, PATIENCE, 0.2)
        ((path, token, message),) = receiver.got
        log = alert_log(open_store(str(airflow.home / "mlops" / "store")), "late")
        wait_until(log.last_number, PATIENCE, 0.2)
    transport.close()
    assert (path, token, message["run"]) == ("/hook", "Bearer s3cret", run.run_id)
    assert "WARNING: late: a release has not ended in" in message["text"]
    assert f"{airflow.url}/dags/late.release/runs/" in message["text"]
    ((_, entry),) = log.entries()
    assert (entry.alert.kind, entry.run, entry.delivered) == (
        "late release",
        f"late.release/{run.run_id}",
        True,
    )
    airflow.rest.abort("late.release", run.run_id)
