"""Runs in an Airflow with FAB's auth manager: ask its REST API in the name of each user, and print what it answered.

``{user: {question: HTTP status, or what was seen}}`` as JSON on the last line. Not a test of its own: that is
``test_access.py``, which makes the Airflow.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

from airflow._shared.timezones import timezone
from airflow.api_fastapi.app import create_app
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from fastapi.testclient import TestClient
from sqlalchemy import select

RUN = {"logical_date": None, "conf": {"reason": "a test"}}
ROLLBACK, TASK = "dags/churn.rollback", "taskInstances/rollback"


class User:
    """A user who is logged in."""

    def __init__(self, client: TestClient, name: str) -> None:
        given = client.post("/auth/token", json={"username": name, "password": name})
        self._client = client
        self._headers = {"Authorization": f"Bearer {given.json()['access_token']}"}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request."""
        return self._client.request(method, f"/api/v2/{path}", headers=self._headers, json=body)

    def status(self, method: str, path: str, body: Any = None) -> int:
        """Its HTTP status."""
        code: int = self.ask(method, path, body).status_code
        return code

    def sees(self) -> list[str]:
        """The models whose DAGs are listed."""
        listed = self.ask("GET", "dags?limit=100").json().get("dags", ())
        return sorted({one["dag_id"].partition(".")[0] for one in listed})


def wait_for_approval(run: str, assigned: str | None = None) -> None:
    """Let a task of the run ask people, as one that is deferred does. :param assigned: id of who alone may answer."""
    with create_session() as session:
        task = session.scalars(select(TaskInstance).filter_by(run_id=run, task_id="rollback")).one()
        session.add(
            HITLDetail(
                ti_id=task.id,
                options=["Approve", "Reject"],
                subject="Approve?",
                multiple=False,
                params={},
                assignees=[{"id": assigned, "name": assigned}] if assigned else None,
                created_at=timezone.utcnow(),
            )
        )


def answers(user: User, run: str) -> dict[str, Any]:
    """What a user may do with the DAGs of three models."""
    of_run = f"{ROLLBACK}/dagRuns/{run}"
    cleared = {"dag_run_id": run, "task_ids": ["alert"], "dry_run": False, "only_failed": False}
    return {
        "sees": user.sees(),
        "dag": user.status("GET", ROLLBACK),
        "runs": user.status("GET", f"{ROLLBACK}/dagRuns"),
        "tasks": user.status("GET", f"{of_run}/taskInstances"),
        "code": user.status("GET", "dagSources/churn.rollback"),
        "question": user.status("GET", f"{of_run}/{TASK}/-1/hitlDetails"),
        "trigger": user.status("POST", f"{ROLLBACK}/dagRuns", RUN),
        "trigger another": user.status("POST", "dags/other.rollback/dagRuns", RUN),
        "clear": user.status("POST", f"{ROLLBACK}/clearTaskInstances", cleared),
        "pause": user.status("PATCH", ROLLBACK, {"is_paused": True}),
        "send an event": user.status("POST", "assets/events", {"asset_id": 1, "extra": {}}),
        "delete a run": user.status("DELETE", of_run),
        "delete": user.status("DELETE", "dags/churn.monitor"),
    }


def approve(user: User, run: str) -> int:
    """The status of a yes."""
    body = {"chosen_options": ["Approve"], "params_input": {}}
    return user.status("PATCH", f"{ROLLBACK}/dagRuns/{run}/{TASK}/-1/hitlDetails", body)


def approve_assigned(user: User, assigned: str) -> int:
    """The status of a yes to a question that one user alone may answer."""
    run = user.ask("POST", f"{ROLLBACK}/dagRuns", RUN).json()["dag_run_id"]
    wait_for_approval(run, assigned)
    return approve(user, run)


def main(names: list[str]) -> None:
    """Ask for each name; the first triggers the run, and answers last."""
    with TestClient(create_app(), base_url="http://localhost") as client:
        users = {name: User(client, name) for name in names}
        run = users[names[0]].ask("POST", f"{ROLLBACK}/dagRuns", RUN).json()["dag_run_id"]
        wait_for_approval(run)
        said = {name: answers(user, run) for name, user in users.items()}
        for name in reversed(names):
            said[name]["approve"] = approve(users[name], run)
        # The first user of a new database has the number 1.
        said["assigned"] = {one: approve_assigned(users[names[0]], one) for one in (names[0], "1", "2")}
    print(json.dumps(said))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1:])
