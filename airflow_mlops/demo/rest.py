"""What the demo and the end-to-end tests ask of an Airflow, over its stable REST API v2."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.demo.transport import RestError, Transport

_POLL = 0.25
_FINISHED = frozenset({"success", "failed"})
#: A task that waits for a person; deferred is one that looks for the answer to what an earlier try asked.
_WAITING = ("awaiting_input", "deferred")
_CONFLICT = 409


class RunTimeout(MlopsError):
    """A DAG or a run did not get there in time."""


@dataclass(frozen=True)
class Run:
    """A run of a DAG.

    :param dag_id: of which DAG.
    :param run_id: which run.
    :param state: ``queued``, ``running``, ``success`` or ``failed``.
    :param kind: ``manual``, ``scheduled``, ``asset_triggered`` ...
    :param conf: what it was triggered with.
    :param queued_at: ISO time; so are the next two.
    :param started_at: None before it started.
    :param ended_at: None before it ended.
    """

    dag_id: str
    run_id: str
    state: str
    kind: str
    conf: Mapping[str, Any]
    queued_at: str | None
    started_at: str | None
    ended_at: str | None

    @property
    def finished(self) -> bool:
        """Whether it is over."""
        return self.state in _FINISHED

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Run:
        """From Airflow's answer."""
        return cls(
            dag_id=answer["dag_id"],
            run_id=answer["dag_run_id"],
            state=answer["state"],
            kind=answer["run_type"],
            conf=answer["conf"] or {},
            queued_at=answer["queued_at"],
            started_at=answer["start_date"],
            ended_at=answer["end_date"],
        )


@dataclass(frozen=True)
class Task:
    """A task instance in its newest try.

    :param task_id: which task.
    :param map_index: -1 when it is not mapped.
    :param state: None before it is scheduled.
    :param try_number: counted from 1; 0 before the first.
    :param seconds: how long it ran, as far as Airflow knows.
    """

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    seconds: float | None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Task:
        """From Airflow's answer."""
        return cls(
            answer["task_id"], answer["map_index"], answer["state"], answer["try_number"], answer["duration"]
        )


@dataclass(frozen=True)
class OpenQuestion:
    """A task that waits for a person.

    :param dag_id: of which DAG.
    :param run_id: of which run.
    :param task_id: which task.
    :param map_index: -1 when it is not mapped.
    :param subject: what it asks, in a line.
    :param body: what the person sees, as Markdown.
    :param users: ids of who may answer; empty for everybody.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    subject: str
    body: str
    users: tuple[str, ...]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> OpenQuestion:
        """From Airflow's answer."""
        task = answer["task_instance"]
        return cls(
            dag_id=task["dag_id"],
            run_id=task["dag_run_id"],
            task_id=task["task_id"],
            map_index=task["map_index"],
            subject=answer["subject"],
            body=answer.get("body") or "",
            users=tuple(user["id"] for user in answer.get("assigned_users") or ()),
        )


@dataclass(frozen=True)
class ImportProblem:
    """A DAG file that Airflow could not import.

    :param file: its path in the bundle.
    :param trace: the whole stack trace.
    """

    file: str
    trace: str

    def __str__(self) -> str:
        lines = self.trace.strip().splitlines()
        return f"{self.file}: {lines[-1] if lines else 'no message'}"


@dataclass(frozen=True)
class AssetEvent:
    """An event of an asset.

    :param name: of the asset.
    :param uri: of the asset.
    :param extra: what came with it.
    :param timestamp: ISO time.
    :param source_dag: DAG of the task that made it; None when it came by REST.
    :param source_run: run of the task that made it.
    :param created_runs: ids of the runs that it started.
    """

    name: str
    uri: str
    extra: Mapping[str, Any]
    timestamp: str
    source_dag: str | None
    source_run: str | None
    created_runs: tuple[str, ...]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> AssetEvent:
        """From Airflow's answer."""
        return cls(
            name=answer.get("name") or "",
            uri=answer.get("uri") or "",
            extra=answer.get("extra") or {},
            timestamp=answer["timestamp"],
            source_dag=answer.get("source_dag_id"),
            source_run=answer.get("source_run_id"),
            created_runs=tuple(run["run_id"] for run in answer["created_dagruns"]),
        )


class Airflow:
    """A client of one Airflow.

    :param url: address of its API server.
    :param username: who.
    :param password: never printed.
    """

    def __init__(self, url: str, username: str, password: str) -> None:
        self._http = Transport(url, username, password)

    def __enter__(self) -> Airflow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._http.close()

    def health(self) -> dict[str, str]:
        """State of each part: ``healthy``, ``unhealthy`` or ``None`` for a part that never came."""
        answer = self._http.request("GET", "/monitor/health", attempts=1)
        return {part: str(state["status"]) for part, state in answer.items()}

    def healthy(self) -> bool:
        """Whether all parts are; false also when nobody answers."""
        try:
            return all(state == "healthy" for state in self.health().values())
        except RestError:
            return False

    def tasks_served(self) -> bool:
        """Whether the API that the tasks use answers."""
        return self._http.reachable("/execution/health")

    # DAGs

    def import_problems(self) -> list[ImportProblem]:
        """DAG files that could not be imported."""
        answer = self._http.request("GET", "/importErrors", params={"limit": 100})
        return [ImportProblem(item["filename"], item["stack_trace"]) for item in answer["import_errors"]]

    def wait_for_dag(self, dag_id: str, *, timeout: float = 60.0, unpause: bool = True) -> None:
        """Wait until Airflow knows a DAG, and let it run.

        :raises RunTimeout: when it does not appear; says which DAG files could not be imported.
        """
        deadline = time.monotonic() + timeout
        while not self._known(dag_id):
            if time.monotonic() > deadline:
                problems = "; ".join(str(problem) for problem in self.import_problems())
                raise RunTimeout(
                    f"DAG {dag_id} did not appear within {timeout:.0f} s", remedy=problems or None
                )
            time.sleep(_POLL)
        if unpause:
            self._http.request("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": False})

    def _known(self, dag_id: str) -> bool:
        try:
            self._http.request("GET", f"/dags/{quote(dag_id)}")
        except RestError as error:
            if error.status == 404:
                return False
            raise
        return True

    # Runs

    def trigger(
        self, dag_id: str, conf: Mapping[str, Any] | None = None, *, run_id: str | None = None
    ) -> Run:
        """Start a run, without a logical date.

        :param dag_id: of which DAG.
        :param conf: values for its params; Airflow checks them.
        :param run_id: id of the run; made up when not given.
        :raises RestError: with status 400 for a conf that the params forbid, 409 for an id that is taken.
        """
        # With an id of ours a repeated request can't start two runs: the second is told of a conflict.
        name = run_id or f"manual__{uuid.uuid4()}"
        body = {"dag_run_id": name, "logical_date": None, "conf": dict(conf or {})}
        try:
            path = f"/dags/{quote(dag_id)}/dagRuns"
            return Run.of(self._http.request("POST", path, json=body, repeatable=run_id is None))
        except RestError as error:
            if run_id is None and error.status == _CONFLICT:
                return self.run(dag_id, name)
            raise

    def run(self, dag_id: str, run_id: str) -> Run:
        """A run as it is now."""
        return Run.of(self._http.request("GET", _run_path(dag_id, run_id)))

    def runs(self, dag_id: str, *, limit: int = 20) -> list[Run]:
        """Runs of a DAG, the newest first."""
        params = {"limit": limit, "order_by": "-run_after"}
        answer = self._http.request("GET", f"/dags/{quote(dag_id)}/dagRuns", params=params)
        return [Run.of(item) for item in answer["dag_runs"]]

    def abort(self, dag_id: str, run_id: str) -> None:
        """End a run that is under way as failed, as the button in the UI does; its teardown tasks still run."""
        self._http.request("PATCH", _run_path(dag_id, run_id), json={"state": "failed"})

    def wait_for_run(
        self,
        dag_id: str,
        run_id: str,
        *,
        timeout: float = 600.0,
        progress: Callable[[Task], None] | None = None,
    ) -> Run:
        """Wait until a run is over, whatever its end.

        :param dag_id: of which DAG.
        :param run_id: which run.
        :param timeout: seconds to wait at most.
        :param progress: called with every task whose state or try changed.
        :raises RunTimeout: when it is not over in time; names the tasks that are not.
        """
        deadline = time.monotonic() + timeout
        seen: dict[tuple[str, int], Task] = {}
        while True:
            run = self.run(dag_id, run_id)
            # The tasks are asked for after the run, so that the last changes are reported too.
            if progress:
                self._report(dag_id, run_id, seen, progress)
            if run.finished:
                return run
            if time.monotonic() > deadline:
                raise self._late(run, timeout)
            time.sleep(_POLL)

    def _report(
        self, dag_id: str, run_id: str, seen: dict[tuple[str, int], Task], progress: Callable[[Task], None]
    ) -> None:
        for task in self.tasks(dag_id, run_id):
            before = seen.get((task.task_id, task.map_index))
            seen[task.task_id, task.map_index] = task
            if ((before.state, before.try_number) if before else (None, 0)) != (task.state, task.try_number):
                progress(task)

    def _late(self, run: Run, timeout: float) -> RunTimeout:
        open_tasks = [
            f"{task.task_id} is {task.state or 'not scheduled'}"
            for task in self.tasks(run.dag_id, run.run_id)
            if task.state not in _FINISHED | {"skipped", "upstream_failed", "removed"}
        ]
        return RunTimeout(
            f"{run.dag_id} {run.run_id} is still {run.state} after {timeout:.0f} s",
            given=", ".join(open_tasks),
        )

    # Tasks

    def tasks(self, dag_id: str, run_id: str) -> list[Task]:
        """The task instances of a run."""
        answer = self._http.request(
            "GET", f"{_run_path(dag_id, run_id)}/taskInstances", params={"limit": 100}
        )
        return [Task.of(item) for item in answer["task_instances"]]

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, *, key: str = "return_value", map_index: int = -1
    ) -> Any:
        """A value that a task pushed.

        :raises RestError: with status 404 when it pushed none.
        """
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}"
        return self._http.request("GET", path, params={"map_index": map_index, "deserialize": False})["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = -1) -> str:
        """What a task logged in one try, one event per line."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/logs/{try_number}"
        answer = self._http.request("GET", path, params={"map_index": map_index, "full_content": True})
        return "\n".join(_line(entry) for entry in answer["content"])

    # Assets

    def asset_events(self, uri: str, *, limit: int = 20) -> list[AssetEvent]:
        """Events of the asset with this URI, the newest first."""
        params = {"asset_id": self._asset_id(uri), "limit": limit, "order_by": "-timestamp"}
        return [
            AssetEvent.of(item)
            for item in self._http.request("GET", "/assets/events", params=params)["asset_events"]
        ]

    def emit(self, uri: str, extra: Mapping[str, Any] | None = None) -> AssetEvent:
        """Make an event of the asset with this URI, as if a task had."""
        body = {"asset_id": self._asset_id(uri), "extra": dict(extra or {})}
        return AssetEvent.of(self._http.request("POST", "/assets/events", json=body))

    def _asset_id(self, uri: str) -> int:
        answer = self._http.request("GET", "/assets", params={"uri_pattern": uri.rstrip("/"), "limit": 100})
        for asset in answer["assets"]:
            # The pattern is only a part of the URI. Airflow ends a URI that has no path with a slash.
            if asset["uri"].rstrip("/") == uri.rstrip("/"):
                return int(asset["id"])
        raise RestError(f"no active asset has the URI {uri}", status=404)

    # Approvals

    def question(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> dict[str, Any]:
        """What a task asks a person: subject, body, options, params, and the answer if there is one.

        :raises RestError: with status 404 when it asks nothing.
        """
        answer: dict[str, Any] = self._http.request("GET", _hitl_path(dag_id, run_id, task_id, map_index))
        return answer

    def answer(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        options: Sequence[str],
        *,
        params: Mapping[str, Any] | None = None,
        map_index: int = -1,
    ) -> None:
        """Answer a task that asks a person.

        :raises RestError: with status 400 for an option that is not offered, 409 when it was answered before.
        """
        body = {"chosen_options": list(options), "params_input": dict(params or {})}
        self._http.request("PATCH", _hitl_path(dag_id, run_id, task_id, map_index), json=body)

    def open_questions(self, dag_id: str = "~", run_id: str = "~") -> list[OpenQuestion]:
        """The tasks that wait for a person now, the oldest first; ``~`` stands for every DAG, or every run."""
        # Airflow keeps questions of tasks that ended without an answer: only those that wait count.
        params = {"response_received": False, "state": list(_WAITING), "order_by": "created_at", "limit": 100}
        answer = self._http.request("GET", f"{_run_path(dag_id, run_id)}/hitlDetails", params=params)
        return [OpenQuestion.of(item) for item in answer["hitl_details"]]

    def decide(self, question: OpenQuestion, choice: str, comment: str = "") -> None:
        """Approve or reject a version that waits for approval.

        :param choice: ``Approve`` or ``Reject``.
        :raises RestError: with status 403 for a user who is not asked, 409 when it was answered before.
        """
        self.answer(
            question.dag_id,
            question.run_id,
            question.task_id,
            [choice],
            params={"comment": comment},
            map_index=question.map_index,
        )


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _hitl_path(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    return f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/{map_index}/hitlDetails"


def _line(entry: Any) -> str:
    """One log entry as text: a string, or an event with its time, level, and error with its notes."""
    if isinstance(entry, str):
        return entry
    parts = [str(entry[name]) for name in ("timestamp", "level", "event") if entry.get(name)]
    errors = [
        f"{detail.get('exc_type')}: {detail.get('exc_value')}" for detail in entry.get("error_detail") or ()
    ]
    return " ".join(parts + errors)
