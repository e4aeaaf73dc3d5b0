"""``airflow-mlops serve`` as a process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_mlops.core.store.folder import FolderStore
from tests.core.serving.fakes import client, deploy, described
from tests.waiting import PATIENCE


def start(*arguments: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "airflow_mlops.cli", "serve", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )


def test_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    deploy(FolderStore(tmp_path / "store"), "promote", 1)
    process = start(
        "--store", str(tmp_path / "store"), "--port", "0", AIRFLOW_MLOPS_SPOOL=str(tmp_path / "spool")
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"serving file://\S+/store at (http://127\.0\.0\.1:\d+)$", line.strip())
    assert found, line
    with client(found[1]) as http:
        assert http.get("/ping").status_code == 200
    assert "flight_delay has no version 1" in described(found[1])["error"]
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in rest
    assert len(list((tmp_path / "spool").iterdir())) == 1  # one folder for the store, and no server's in it
    assert list(next((tmp_path / "spool").iterdir()).iterdir()) == []


@pytest.mark.parametrize(
    "arguments, says",
    [
        (
            ["--host", "0.0.0.0"],
            "error: the server would answer everybody; given host 0.0.0.0 without a token",
        ),
        (["--token-file", "/does/not/exist"], "error: token file can't be read"),
        (["--port", "{taken}"], "error: the server can't listen at 127.0.0.1:"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, arguments: list[str], says: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start(
            "--store",
            str(tmp_path),
            *(one.format(taken=port) for one in arguments),
            AIRFLOW_MLOPS_ENDPOINT_TOKEN="",
        )
        _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert error.startswith(says)
    assert error.count("\n") == 1
