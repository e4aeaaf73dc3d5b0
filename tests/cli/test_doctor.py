"""``airflow-mlops doctor``: what it says of broken set-ups, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.store.folder import FolderStore
from tests.core.serving.fakes import MODEL, deploy, running

#: Runs the command with a connection of these fields; returns its exit code and states and lines by check.
Doctor = Callable[..., "tuple[int, dict[str, list[tuple[str, str]]]]"]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    # Nobody listens there: whether an Airflow happens to run on this machine is no matter of the tests.
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:1")

    def run(
        fields: Mapping[str, Any], token: str | None = None
    ) -> tuple[int, dict[str, list[tuple[str, str]]]]:
        connection = {"conn_type": "mlops", "password": token, "extra": dict(fields)}
        monkeypatch.setenv("AIRFLOW_CONN_MLOPS_SICK", json.dumps(connection))
        code = main(["doctor", "--conn-id", "mlops_sick", "--json"])
        out = capsys.readouterr().out
        told: dict[str, list[tuple[str, str]]] = {}
        for one in json.loads(out):
            words = "; ".join(one[name] for name in ("found", "expected", "remedy") if one[name])
            told.setdefault(one["check"], []).append((one["state"], words))
        return code, told

    return run


def test_a_store_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--store", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok       store        file://")
    assert {line.split()[1] for line in lines[:-1]} == {
        "store",
        "rollouts",
        "clock",
        "versions",
        "extras",
        "disk",
        "uv",
    }
    assert lines[-1].startswith("no problems, ")


def test_a_store_that_cannot_be_written_is_one_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--store", "/proc"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("problem")] == ["store"]
    assert lines[-1].startswith("1 problem, ")


def test_mistakes_in_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--store", str(tmp_path / "typo")]) == 2
    assert capsys.readouterr().err.startswith("error: no store there")
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--store", "x", "--conn-id", "y"])
    assert left.value.code == 2


def test_a_set_up_that_works(doctor: Doctor, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    deploy(store, "promote", 1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").touch()
    with running(store, spool=tmp_path / "spool", token="s3cret") as url:
        fields = {"store": str(tmp_path / "store"), "data": str(tmp_path / "data"), "endpoint": url}
        _, told = doctor(fields, "s3cret")
        for check in ("connection", "store", "rollouts", "data", "endpoint", "deployments", "clock"):
            assert {state for state, _ in told[check]} == {"ok"}, told[check]
        assert told["deployments"][0][1].endswith(f"for {MODEL}")
        assert told["clock"] == [("ok", "agrees with that of the endpoint")]
        assert "s3cret" not in str(told)
        code, told = doctor(fields, "wr0ng")
        assert (code, [state for state, _ in told["endpoint"]]) == (1, ["problem"])
        assert "deployments" not in told  # the same cause, told once


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"stroe": "/x"}, "unknown field"),
        ({"endpoint": "http://ann:s3cret@host"}, "holds a name or password"),
        ({"endpoint": "sagemaker"}, "aws_conn_id"),
    ],
)
def test_a_connection_that_is_wrong(doctor: Doctor, fields: dict[str, str], said: str) -> None:
    code, told = doctor(fields)
    ((state, line),) = told["connection"]
    assert (code, state, said in line) == (1, "problem", True)
    assert "s3cret" not in str(told)
    assert "store" not in told  # nothing is known of it
    assert told["versions"]


def test_a_connection_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--conn-id", "nowhere"]) == 1
    assert "problem  connection   there is no connection nowhere" in capsys.readouterr().out


def test_an_aws_connection_that_is_not_there(doctor: Doctor, tmp_path: Path) -> None:
    code, told = doctor({"store": str(tmp_path), "aws_conn_id": "aws_nowhere"})
    ((state, line),) = told["aws"]
    assert (code, state, "aws_nowhere" in line) == (1, "problem", True)
