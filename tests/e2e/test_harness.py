"""The harness itself: a real Airflow starts, runs DAGs when asked by REST, and leaves nothing behind."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from airflow_mlops.demo.airflow import LocalAirflow
from airflow_mlops.demo.rest import Task
from airflow_mlops.demo.transport import RestError
from tests.liveness import gone
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

DAGS = Path(__file__).parent / "dags"
VICTIM = """
import sys, time
from pathlib import Path
from airflow_mlops.demo.airflow import LocalAirflow
with LocalAirflow(Path(sys.argv[1]), Path(sys.argv[2])) as running:
    running.rest.wait_for_dag("harness_chain", timeout=300)
    run = running.rest.trigger("harness_chain")
    print(running.password, run.run_id, *running.living(), flush=True)
    time.sleep(600)
"""
#: Seconds within which Airflow does what it does in some seconds, on a machine that is busy with other work.
PATIENCE = 300.0


def left_its_worker(airflow: LocalAirflow, run_id: str, task_id: str) -> bool:
    """Whether the scheduler has heard from the executor that a task, which waits now, has left its worker."""
    log = (airflow.logs / "scheduler.log").read_text(errors="replace")
    told = (line for line in log.splitlines() if "Received executor event" in line)
    return any(f"run_id='{run_id}'" in line and f"task_id='{task_id}'" in line for line in told)


def wait_as_a_person_would(airflow: LocalAirflow, run_id: str, task_id: str) -> None:
    """Return when a task that waits can be resumed: what resumes it sooner can overtake the executor's word that the
    task has left its worker, and Airflow then takes that word for the end of the resumed task and fails it.
    """
    wait_until(lambda: left_its_worker(airflow, run_id, task_id), PATIENCE, 0.2)
    # Once the scheduler has run something else, it is done with what it heard before.
    run_chain(airflow)


def run_chain(airflow: LocalAirflow) -> str:
    """Run four tasks in a row; the id of the run."""
    airflow.rest.wait_for_dag("harness_chain")
    run = airflow.rest.trigger("harness_chain")
    assert airflow.rest.wait_for_run("harness_chain", run.run_id).state == "success"
    return run.run_id


def test_all_parts_are_healthy(airflow: LocalAirflow) -> None:
    healthy = dict.fromkeys(["metadatabase", "scheduler", "triggerer", "dag_processor"], "healthy")
    wait_until(lambda: airflow.rest.health() == healthy, PATIENCE, 0.2)
    assert airflow.rest.import_problems() == []
    airflow.check()


def test_everything_listens_on_loopback_only(airflow: LocalAirflow) -> None:
    listening: set[str] = set()
    for pid in airflow.living():
        with suppress(psutil.NoSuchProcess):  # a task that has just ended
            listening |= {
                connection.laddr.ip
                for connection in psutil.Process(pid).net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
    assert listening == {"127.0.0.1"}


def test_secrets_are_private(airflow: LocalAirflow) -> None:
    assert stat.S_IMODE(airflow.home.stat().st_mode) == 0o700
    logs = "".join(log.read_text(errors="replace") for log in airflow.logs.iterdir())
    assert airflow.password not in logs


def test_a_run_with_a_deferred_task_succeeds(airflow: LocalAirflow) -> None:
    airflow.rest.wait_for_dag("harness")
    changes: list[Task] = []
    run_id = airflow.rest.trigger("harness", {"rate": 0.25}).run_id

    def resume(change: Task) -> None:
        changes.append(change)
        if change.state == "deferred":
            wait_as_a_person_would(airflow, run_id, "wait")
            (airflow.home / run_id).touch()

    run = airflow.rest.wait_for_run("harness", run_id, progress=resume)
    assert run.state == "success", airflow.rest.log("harness", run.run_id, "wait")
    assert airflow.rest.xcom("harness", run.run_id, "answer") == {"rate": 0.25, "rows": [1, 2, 3]}
    states = [change.state for change in changes if change.task_id == "wait"]
    assert "deferred" in states
    assert states[-1] == "success"
    assert airflow.rest.xcom("harness", run.run_id, "wait") == "resumed"
    assert airflow.rest.runs("harness", limit=1)[0].run_id == run.run_id


def test_a_conf_that_the_params_forbid_is_refused_with_the_reason(airflow: LocalAirflow) -> None:
    airflow.rest.wait_for_dag("harness")
    with pytest.raises(RestError, match="rate") as error:
        airflow.rest.trigger("harness", {"rate": 7})
    assert error.value.status == 400
    assert "\n" not in str(error.value)


def test_a_missing_dag_and_a_missing_value_are_404(airflow: LocalAirflow) -> None:
    with pytest.raises(RestError) as error:
        airflow.rest.trigger("nobody")
    assert error.value.status == 404
    with pytest.raises(RestError) as error:
        airflow.rest.xcom("harness", "no run", "answer")
    assert error.value.status == 404


def test_a_chain_of_tasks_runs_link_by_link(airflow: LocalAirflow) -> None:
    run_id = run_chain(airflow)
    assert [airflow.rest.xcom("harness_chain", run_id, link) for link in "abcd"] == [1, 2, 3, 4]


def test_an_asset_event_starts_its_consumer_whose_log_has_the_reason(airflow: LocalAirflow) -> None:
    airflow.rest.wait_for_dag("harness_consumer")
    event = airflow.rest.emit("harness://data", {"why": "drift"})
    assert event.extra["why"] == "drift"
    wait_until(lambda: airflow.rest.runs("harness_consumer"), PATIENCE, 0.2)
    (run,) = airflow.rest.runs("harness_consumer")
    run = airflow.rest.wait_for_run("harness_consumer", run.run_id)
    assert (run.kind, run.state) == ("asset_triggered", "failed")
    assert "ValueError: the reason is in the log" in airflow.rest.log(
        "harness_consumer", run.run_id, "consume"
    )
    assert airflow.rest.asset_events("harness://data")[0].created_runs == (run.run_id,)


@pytest.mark.whole  # tests/e2e/test_approval.py answers one, too
def test_an_approval_is_answered_by_rest(airflow: LocalAirflow) -> None:
    airflow.rest.wait_for_dag("harness_approval")
    run = airflow.rest.trigger("harness_approval")
    wait_until(
        lambda: airflow.rest.tasks("harness_approval", run.run_id)[0].state == "awaiting_input", PATIENCE, 0.2
    )
    asked = airflow.rest.question("harness_approval", run.run_id, "approve")
    assert asked["subject"] == "Release it?"
    with pytest.raises(RestError) as error:
        airflow.rest.answer("harness_approval", run.run_id, "approve", ["Perhaps"])
    assert error.value.status == 400
    wait_as_a_person_would(airflow, run.run_id, "approve")
    airflow.rest.answer("harness_approval", run.run_id, "approve", ["Approve"])
    assert airflow.rest.wait_for_run("harness_approval", run.run_id).state == "success"
    with pytest.raises(RestError) as error:
        airflow.rest.answer("harness_approval", run.run_id, "approve", ["Reject"])
    assert error.value.status == 409


def test_lineage_events_lie_in_the_file(airflow: LocalAirflow) -> None:
    run_chain(airflow)
    events = [json.loads(line) for line in (airflow.home / "openlineage.jsonl").read_text().splitlines()]
    assert "harness_chain.a" in {event["job"]["name"] for event in events}


@pytest.mark.whole
def test_nothing_outlives_a_killed_parent_and_its_home_goes_on(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(tmp_path), str(DAGS)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    try:
        password, run_id, *pids = parent.stdout.readline().split()
    finally:
        parent.kill()
    assert len(pids) > 5
    parent.stdout.close()
    parent.wait(PATIENCE)
    wait_until(lambda: all(gone(int(pid)) for pid in pids), PATIENCE, 0.1)

    with LocalAirflow(tmp_path, DAGS) as second:
        assert second.password == password
        assert second.rest.run("harness_chain", run_id).dag_id == "harness_chain"
        second_pids = second.living()
    assert len(second_pids) > 5
    assert all(gone(pid) for pid in second_pids)
