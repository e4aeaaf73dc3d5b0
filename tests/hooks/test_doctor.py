"""What only Airflow knows: its parts, and DAG files that fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from airflow_mlops.hooks import doctor
from airflow_mlops.hooks.doctor import check_api

WELL = {part: {"status": "healthy"} for part in ("metadatabase", "scheduler", "triggerer", "dag_processor")}


@contextmanager
def api(answer: object) -> Iterator[str]:
    """A server below a path, as Airflow behind a proxy, that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200 if self.path == "/below/api/v2/monitor/health" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/below"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "answer, state, said",
    [
        (WELL, "ok", "are healthy"),
        (
            {**WELL, "triggerer": {"status": None}},
            "problem",
            "triggerer is not running: it waits for rollouts",
        ),
        ({**WELL, "dag_processor": {"status": "unhealthy"}}, "problem", "start it: airflow dag-processor"),
        ([1], "warning", "does not answer as Airflow does"),
    ],
)
def test_parts_of_airflow(answer: object, state: str, said: str) -> None:
    with api(answer) as url:
        (found,) = check_api(url)
    assert (found.state, said in found.said) == (state, True), found.said


def test_no_airflow() -> None:
    (found,) = check_api("http://127.0.0.1:1")
    assert (found.state, "no API server answers" in found.said) == ("warning", True)


def test_dag_files_that_fail_and_dags_that_are_paused(tmp_path: Path) -> None:
    from airflow.models.base import Base
    from airflow.models.dag import DagModel, DagTag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.errors import ParseImportError

    engine = create_engine(f"sqlite:///{tmp_path}/airflow.db")
    tables = [one.__table__ for one in (ParseImportError, DagBundleModel, DagModel, DagTag)]
    Base.metadata.create_all(engine, tables=tables)
    with Session(engine) as session:
        assert [one.state for one in doctor._failing(session)] == ["ok"]
        assert list(doctor._paused(session)) == []
        trace = "Traceback ...\nModuleNotFoundError: No module named 'feutures'\n"
        session.add(ParseImportError(filename="churn.py", bundle_name="dags", stacktrace=trace))
        session.add(DagBundleModel(name="dags"))
        for name, paused in (("churn.release", True), ("churn.monitor", False)):
            session.add(
                DagModel(dag_id=name, bundle_name="dags", is_paused=paused, is_stale=False, fileloc="x")
            )
            session.add(DagTag(dag_id=name, name="mlops"))
        session.flush()
        (found,) = doctor._failing(session)
        assert found.said == "churn.py can't be imported: ModuleNotFoundError: No module named 'feutures'"
        (found,) = doctor._paused(session)
        assert (found.state, found.found) == ("warning", "paused: churn.release")


def test_dag_files_that_airflow_passes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path))
    code = "from airflow_mlops.templates import lifecycle\n"
    (tmp_path / "seen.py").write_text(f"# DAGs of churn\n{code}")
    (tmp_path / "other.py").write_text("import json\n")
    assert list(doctor.check_unseen()) == []
    (tmp_path / "churn.py").write_text(code)
    (found,) = doctor.check_unseen()
    assert (found.state, f"passes over {tmp_path / 'churn.py'}" in found.said) == ("problem", True)
    monkeypatch.setenv("AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE", "False")
    assert list(doctor.check_unseen()) == []
