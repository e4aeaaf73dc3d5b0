"""People are asked by a real Airflow: they answer by REST as different users, don't answer, or the task is killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from airflow_mlops.core.registry.approval.steps import ApprovalStep, step_log
from airflow_mlops.core.registry.approvals import ApprovalRecord, approval_log
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.demo.airflow import LocalAirflow
from airflow_mlops.demo.rest import Airflow, OpenQuestion, Run
from airflow_mlops.demo.transport import RestError
from tests.core.registry import world
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

#: Seconds within which Airflow does what it does in some seconds, on a machine that is busy with other work.
PATIENCE = 300.0
ONE = {"users": ["ann"]}
TWO = {"people": 2}
DAGS = ("asks_1", "asks_2", "asks_and_dies")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "approve.md"


class Office:
    """The store, and Airflow as each of the people sees it."""

    def __init__(self, airflow: LocalAirflow, clients: dict[str, Airflow]) -> None:
        self.airflow = airflow
        self.clients = clients
        self.store: Store = open_store(str(airflow.home / "mlops" / "store"))

    def ask(self, dag_id: str, user: str, approval: dict[str, object]) -> Run:
        """Register a version that has to be approved so, and start a release of it as ``user``."""
        spec = world.spec(approval=approval)
        number, _ = world.register(self.store, f"{dag_id} {user} {approval}", run=None, spec=spec)
        return self.clients[user].trigger(dag_id, {"spec": spec.to_dict(), "version": number})

    def question(self, run: Run, task_id: str = "approve", after: int = 0) -> OpenQuestion:
        """What is asked now, once so many parkings before it are over and the executor has said so."""

        def waits() -> list[OpenQuestion]:
            asked = self.airflow.rest.open_questions(run.dag_id, run.run_id)
            return [one for one in asked if one.task_id == task_id and self.left(run, task_id) > after]

        wait_until(waits, PATIENCE, 0.3)
        return waits()[0]

    def left(self, run: Run, task_id: str) -> int:
        """How often the executor has told the scheduler that the task has left its worker."""
        log = (self.airflow.logs / "scheduler.log").read_text(errors="replace")
        told = (line for line in log.splitlines() if "Received executor event" in line)
        return sum(f"run_id='{run.run_id}'" in line and f"task_id='{task_id}'" in line for line in told)

    def example(self, language: str, user: str, run: Run) -> str:
        """Run the example of the docs that is about answering, as a person; what it prints."""
        found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
        (text,) = [one.replace("churn.release", run.dag_id) for one in found if "hitlDetails" in one]
        login = {"username": user, "password": self.airflow.password_of(user)}
        token = httpx.post(f"{self.airflow.url}/auth/token", json=login, trust_env=False).json()
        environment = {
            **os.environ,
            "NO_PROXY": "127.0.0.1",
            "AIRFLOW": self.airflow.url,
            "AIRFLOW_USER": user,
            "AIRFLOW_PASSWORD": login["password"],
            "TOKEN": token["access_token"],
            "RUN": run.run_id,
        }
        command = ["bash", "-c", text] if language == "console" else [sys.executable, "-c", text]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ends(self, run: Run) -> str:
        """How the run ended."""
        return self.airflow.rest.wait_for_run(run.dag_id, run.run_id, timeout=PATIENCE).state

    def record(self, run: Run) -> ApprovalRecord:
        """The one record of a run."""
        key = f"{run.dag_id}/{run.run_id}"
        (record,) = [one for _, one in approval_log(self.store, "orders").entries() if one.run == key]
        return record

    def steps(self, run: Run) -> list[ApprovalStep]:
        """The steps of a run."""
        key = f"{run.dag_id}/{run.run_id}"
        return [one for _, one in step_log(self.store, "orders").entries() if one.run == key]


@pytest.fixture(scope="module")
def office(airflow: LocalAirflow) -> Iterator[Office]:
    for dag_id in DAGS:
        airflow.rest.wait_for_dag(dag_id, timeout=PATIENCE)
    with ExitStack() as stack:
        clients = {name: stack.enter_context(airflow.client_of(name)) for name in ("ann", "bob")}
        yield Office(airflow, {"admin": airflow.rest, **clients})


def test_the_right_user_approves_what_they_saw(office: Office) -> None:
    run = office.ask("asks_1", "admin", ONE)
    asked = office.question(run)
    assert asked.users == ("ann",)
    with pytest.raises(RestError) as refused:
        office.clients["bob"].decide(asked, "Approve")
    assert refused.value.status == 403
    office.example("console", "ann", run)
    assert office.ends(run) == "success"
    record = office.record(run)
    assert (record.outcome, record.reason) == ("approved", "approved by ann: looks *good*")
    assert get_bytes(office.store, str(record.evidence)).decode() == asked.body
    assert office.airflow.rest.xcom("asks_1", run.run_id, "roll_out") == "meets live requests"


def test_a_no_and_no_answer_refuse_the_release_at_once(office: Office) -> None:
    late = office.ask("asks_2", "admin", {"timeout": "6s"})
    refused = office.ask("asks_1", "admin", ONE)
    office.question(refused)
    assert "**May version" in office.example("python", "ann", refused)
    for run, outcome, why in (
        (refused, "rejected", "rejected by ann: too risky"),
        (late, "expired", "nobody answered within 6s"),
    ):
        assert office.ends(run) == "failed"
        record = office.record(run)
        assert (record.outcome, record.reason) == (outcome, why)
        said = office.airflow.rest.xcom(run.dag_id, run.run_id, "approve", key="refusal")
        assert (said["kind"], why in said["reason"]) == ("NotApproved", True)
        states = {task.task_id: task.state for task in office.airflow.rest.tasks(run.dag_id, run.run_id)}
        assert (states["approve"], states["roll_out"]) == ("failed", "upstream_failed")


def test_two_people_approve_and_neither_started_it(office: Office) -> None:
    run = office.ask("asks_2", "ann", TWO)
    office.clients["ann"].decide(office.question(run), "Approve", "mine is fine")
    wait_until(lambda: office.steps(run)[-1].step == "left_out", PATIENCE, 0.3)
    office.clients["bob"].decide(office.question(run, after=1), "Approve")
    office.clients["bob"].decide(office.question(run, "approve_second"), "Approve")
    wait_until(lambda: office.steps(run)[-1].step == "left_out", PATIENCE, 0.3)
    office.clients["admin"].decide(office.question(run, "approve_second", after=1), "Approve")
    assert office.ends(run) == "success"
    record = office.record(run)
    assert (record.outcome, record.reason) == ("approved", "approved by bob and admin")
    left_out = [one.why for one in office.steps(run) if one.step == "left_out"]
    assert left_out == [
        "ann started the release: two other people have to approve it",
        "bob has approved it already: another person has to",
    ]


@pytest.mark.whole
def test_an_answer_outlives_the_task_that_was_killed_on_it(office: Office) -> None:
    run = office.ask("asks_and_dies", "admin", {})
    asked = office.question(run)
    office.clients["bob"].decide(asked, "Approve", "once")
    assert office.ends(run) == "success"
    assert office.record(run).reason == "approved by bob: once"
    assert [one.step for one in office.steps(run)] == ["asked", "shown"]
    (answered,) = [
        one for one in office.airflow.rest.tasks(run.dag_id, run.run_id) if one.task_id == "approve"
    ]
    assert answered.try_number > 1
