"""New files start a run in a real Airflow: when they are complete, and once."""

from __future__ import annotations

import os
import time

import pytest

from airflow_mlops.core.data.arrival_log import ArrivalEntry, arrivals_prefix
from airflow_mlops.core.store import open_store
from airflow_mlops.core.store.log import Log
from airflow_mlops.demo.airflow import LocalAirflow
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

#: Seconds within which Airflow does what it does in some seconds, on a machine that is busy with other work.
PATIENCE = 300.0


def kinds(airflow: LocalAirflow) -> list[str]:
    """What the log of arrivals says."""
    store = open_store(str(airflow.home / "mlops" / "store"))
    return [entry.kind for _, entry in Log(store, arrivals_prefix("trips"), ArrivalEntry).entries()]


def test_a_batch_starts_one_run_when_it_is_complete(airflow: LocalAirflow) -> None:
    folder = airflow.home / "mlops" / "data" / "trips" / "day=1"
    folder.mkdir(parents=True)
    airflow.rest.wait_for_dag("arrival")
    (folder / "a.csv").write_text("at,distance,late\n")
    wait_until(lambda: "began" in kinds(airflow), PATIENCE, 0.5)  # somebody has looked
    (folder / "b.csv").write_text("at,distance,late\n")
    time.sleep(3)
    assert airflow.rest.runs("arrival") == []

    (folder / "_SUCCESS").touch()
    wait_until(lambda: airflow.rest.runs("arrival"), PATIENCE, 0.5)
    (run,) = airflow.rest.runs("arrival")
    run = airflow.rest.wait_for_run("arrival", run.run_id, timeout=PATIENCE)
    assert (run.kind, run.state) == ("asset_triggered", "success")
    ((extra,),) = [airflow.rest.xcom("arrival", run.run_id, "hear")]
    said = extra["payload"]
    assert said.pop("batch").startswith("trips/day=1@")
    assert said == {
        "complete": "success",
        "batches": 1,
        "files": 2,
        "bytes": 34,
        "first": ["trips/day=1/a.csv", "trips/day=1/b.csv"],
    }
    wait_until(lambda: kinds(airflow) == ["began", "claimed", "announced"], PATIENCE, 0.5)
    os.utime(folder / "_SUCCESS")  # nothing new under it
    time.sleep(3)
    assert len(airflow.rest.runs("arrival")) == 1
    assert len(airflow.rest.asset_events("mldataset://trips/arrival")) == 1
