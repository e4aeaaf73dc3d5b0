"""The REST client against a small server that misbehaves in the ways an Airflow does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_mlops.demo.rest import Airflow, RunTimeout, Task
from airflow_mlops.demo.transport import RestError, Transport
from tests.servers.process import refusing_port

Answer = tuple[int, Any]
RUN = {
    "dag_id": "d",
    "dag_run_id": "r",
    "state": "success",
    "run_type": "manual",
    "conf": None,
    "queued_at": None,
    "start_date": None,
    "end_date": None,
}


@dataclass
class Server:
    """Answers each request with the next scripted answer; the last one repeats."""

    url: str
    script: list[Answer | None] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    logins: int = 0
    valid: str = "token-1"

    def answer(self) -> Answer | None:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class Handler(BaseHTTPRequestHandler):
    state: Server

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _reply(self, status: int, body: Any) -> None:
        payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        sent = json.loads(body) if body else None
        if self.path == "/auth/token":
            self.state.logins += 1
            good = sent == {"username": "admin", "password": "secret"}
            self._reply(
                201 if good else 401, {"access_token": self.state.valid} if good else {"detail": "no"}
            )
        elif self.headers["Authorization"] != f"Bearer {self.state.valid}":
            self._reply(401, {"detail": "token expired"})
        else:
            self.state.asked.append((self.command, self.path, sent))
            answer = self.state.answer()
            if answer is None:
                self.connection.close()
            else:
                self._reply(*answer)

    do_GET = do_POST = do_PATCH = _handle  # noqa: N815 - names of the standard library


@pytest.fixture
def server() -> Iterator[Server]:
    handler = type("Scripted", (Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state = handler.state = Server(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def airflow(server: Server) -> Iterator[Airflow]:
    with Airflow(server.url, "admin", "secret") as client:
        yield client


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    monkeypatch.setattr("airflow_mlops.demo.rest._POLL", 0.01)


def test_one_login_serves_many_requests(server: Server, airflow: Airflow) -> None:
    server.script = [(200, RUN)]
    airflow.run("d", "r")
    airflow.run("d", "r")
    assert server.logins == 1


def test_an_expired_token_is_renewed(server: Server, airflow: Airflow) -> None:
    server.script = [(200, RUN)]
    airflow.run("d", "r")
    server.valid = "token-2"
    assert airflow.run("d", "r").state == "success"
    assert server.logins == 2


def test_a_wrong_password_is_said_in_one_line_without_the_password(server: Server) -> None:
    with Airflow(server.url, "admin", "wr0ng") as client, pytest.raises(RestError) as error:
        client.run("d", "r")
    assert error.value.status == 401
    assert "wr0ng" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "body, said",
    [
        (
            {"detail": "Invalid input for param rate: 7 is\n\n not allowed"},
            "Invalid input for param rate: 7 is not allowed",
        ),
        ({"detail": {"reason": "Unique", "message": "run exists"}}, "run exists"),
        ({"detail": [{"loc": ["body", "conf"], "msg": "must be an object"}]}, "body.conf: must be an object"),
        ("<html>proxy</html>", "<html>proxy</html>"),
        ({"other": 1}, '{"other": 1}'),
    ],
)
def test_the_reason_of_a_refusal_is_shown(server: Server, airflow: Airflow, body: Any, said: str) -> None:
    server.script = [(400, body)]
    with pytest.raises(RestError) as error:
        airflow.trigger("d", {"rate": 7})
    assert str(error.value) == f"POST /dags/d/dagRuns: 400 Bad Request: {said}"
    assert error.value.status == 400
    assert len(server.asked) == 1


def test_reading_is_repeated_after_server_errors_and_broken_connections(
    server: Server, airflow: Airflow
) -> None:
    server.script = [(503, "busy"), None, (500, {"detail": "database is locked"}), (200, RUN)]
    assert airflow.run("d", "r").finished
    assert len(server.asked) == 4


def test_repeating_has_an_end(server: Server, airflow: Airflow) -> None:
    server.script = [(500, {"detail": "database is locked"})]
    with pytest.raises(RestError, match="500 Internal Server Error: database is locked"):
        airflow.run("d", "r")
    assert len(server.asked) == 6


def test_a_repeated_trigger_starts_one_run(server: Server, airflow: Airflow) -> None:
    server.script = [None, (409, {"detail": "exists"}), (200, RUN)]
    assert airflow.trigger("d").run_id == "r"
    sent = [body["dag_run_id"] for method, _, body in server.asked if method == "POST"]
    assert len(sent) == 2
    assert len(set(sent)) == 1


def test_a_trigger_with_an_id_of_the_caller_reports_the_conflict(server: Server, airflow: Airflow) -> None:
    server.script = [(409, {"detail": "exists"})]
    with pytest.raises(RestError) as error:
        airflow.trigger("d", run_id="mine")
    assert error.value.status == 409


def test_an_asset_event_is_not_made_twice(server: Server, airflow: Airflow) -> None:
    server.script = [(200, {"assets": [{"id": 3, "uri": "x"}]}), (500, {"detail": "who knows"})]
    with pytest.raises(RestError):
        airflow.emit("x", {"a": 1})
    assert [method for method, _, _ in server.asked] == ["GET", "POST"]
    assert server.asked[1][2] == {"asset_id": 3, "extra": {"a": 1}}


def test_an_asset_is_found_by_its_whole_uri(server: Server, airflow: Airflow) -> None:
    server.script = [(200, {"assets": [{"id": 3, "uri": "mlops://flight/new"}]})]
    with pytest.raises(RestError, match="no active asset has the URI mlops://flight"):
        airflow.asset_events("mlops://flight")


def test_nobody_there() -> None:
    with refusing_port() as port, Airflow(f"http://127.0.0.1:{port}", "admin", "secret") as client:
        assert not client.healthy()
        assert not client.tasks_served()
        with pytest.raises(RestError, match=f"no answer from http://127.0.0.1:{port} "):
            client.run("d", "r")


def test_health_names_each_part(server: Server, airflow: Airflow) -> None:
    server.script = [(200, {"scheduler": {"status": "healthy"}, "triggerer": {"status": None}})]
    assert airflow.health() == {"scheduler": "healthy", "triggerer": "None"}
    assert not airflow.healthy()


def test_a_dag_that_never_appears_is_explained_by_its_import_error(server: Server, airflow: Airflow) -> None:
    trace = "Traceback:\n  File ...\nNameError: name 'x' is not defined\n"
    errors = {"import_errors": [{"filename": "bad.py", "stack_trace": trace}]}
    server.script = [(404, {"detail": "not found"}), (200, errors)]
    with pytest.raises(RunTimeout, match=r"did not appear within 0 s; bad\.py: NameError: name 'x'"):
        airflow.wait_for_dag("d", timeout=0)


def test_a_dag_is_unpaused_when_it_appears(server: Server, airflow: Airflow) -> None:
    server.script = [(404, {"detail": "not found"}), (200, {})]
    airflow.wait_for_dag("d", timeout=120)
    assert server.asked[-1] == ("PATCH", "/api/v2/dags/d", {"is_paused": False})


def instance(task: str, state: str | None, tries: int = 1) -> dict[str, Any]:
    return {"task_id": task, "map_index": -1, "state": state, "try_number": tries, "duration": None}


def scripted_run(states: list[tuple[str, list[dict[str, Any]]]]) -> Callable[[str, str], Any]:
    """Stand in for two endpoints: the run moves on with every question about it."""
    steps = iter(states)
    current: list[Any] = [None]

    def request(method: str, path: str, **_: Any) -> Any:
        if path.endswith("/taskInstances"):
            return {"task_instances": current[0][1]}
        current[0] = next(steps, current[0])
        return {**RUN, "state": current[0][0]}

    return request


def test_progress_reports_every_change_once(monkeypatch: pytest.MonkeyPatch, airflow: Airflow) -> None:
    script = scripted_run(
        [
            ("queued", [instance("a", None, 0), instance("b", None, 0)]),
            ("running", [instance("a", "running"), instance("b", None, 0)]),
            ("running", [instance("a", "running"), instance("b", None, 0)]),
            ("running", [instance("a", "running", 2), instance("b", None, 0)]),
            ("failed", [instance("a", "failed", 2), instance("b", "upstream_failed", 0)]),
        ]
    )
    monkeypatch.setattr(Transport, "request", lambda self, *args, **more: script(*args, **more))
    seen: list[Task] = []
    run = airflow.wait_for_run("d", "r", progress=seen.append)
    assert run.state == "failed"
    assert [(task.task_id, task.state, task.try_number) for task in seen] == [
        ("a", "running", 1),
        ("a", "running", 2),
        ("a", "failed", 2),
        ("b", "upstream_failed", 0),
    ]


def test_a_run_that_takes_too_long_names_its_open_tasks(
    monkeypatch: pytest.MonkeyPatch, airflow: Airflow
) -> None:
    script = scripted_run([("running", [instance("a", "success"), instance("b", "deferred")])])
    monkeypatch.setattr(Transport, "request", lambda self, *args, **more: script(*args, **more))
    with pytest.raises(RunTimeout, match="d r is still running after 0 s; given b is deferred"):
        airflow.wait_for_run("d", "r", timeout=0)


def test_run_ids_are_escaped_in_paths(server: Server, airflow: Airflow) -> None:
    server.script = [(200, RUN)]
    airflow.run("d", "scheduled__2013-01-01T00:00:00+00:00/x")
    path = urlsplit(server.asked[0][1])
    assert path.path == "/api/v2/dags/d/dagRuns/scheduled__2013-01-01T00%3A00%3A00%2B00%3A00%2Fx"


def test_runs_come_newest_first(server: Server, airflow: Airflow) -> None:
    server.script = [(200, {"dag_runs": [RUN, {**RUN, "dag_run_id": "older"}]})]
    assert [run.run_id for run in airflow.runs("d", limit=2)] == ["r", "older"]
    query = parse_qs(urlsplit(server.asked[0][1]).query)
    assert query == {"limit": ["2"], "order_by": ["-run_after"]}


def test_logs_are_lines_with_their_errors(server: Server, airflow: Airflow) -> None:
    error = [{"exc_type": "GateFailed", "exc_value": "auc 0.5 below 0.7"}]
    content = [
        {"event": "::group::"},
        {"timestamp": "t1", "level": "error", "event": "Task failed", "error_detail": error},
    ]
    server.script = [(200, {"content": content})]
    lines = airflow.log("d", "r", "t").splitlines()
    assert lines == ["::group::", "t1 error Task failed GateFailed: auc 0.5 below 0.7"]


def test_an_approval_is_answered(server: Server, airflow: Airflow) -> None:
    server.script = [(200, {})]
    airflow.answer("d", "r", "approve", ["Approve"], params={"note": "fine"})
    assert server.asked == [
        (
            "PATCH",
            "/api/v2/dags/d/dagRuns/r/taskInstances/approve/-1/hitlDetails",
            {"chosen_options": ["Approve"], "params_input": {"note": "fine"}},
        )
    ]
