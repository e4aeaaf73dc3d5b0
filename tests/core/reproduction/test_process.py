"""The processes that train again: what they see, and what becomes of one that dies. A script stands for Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.reproduction.bench import Bench
from airflow_mlops.core.reproduction.process import train_again
from airflow_mlops.core.training.rebuild import Rebuilt
from tests.core.reproduction.world import Registered


def script(folder: Path, text: str) -> Path:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "bench").mkdir()
    return Bench(tmp_path / "bench")


def test_it_sees_no_credentials_and_none_of_the_variables_of_the_task(
    registered: Registered, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "AWS_SECRET_ACCESS_KEY",
        "AIRFLOW_CONN_MLOPS_DEFAULT",
        "PYTHONPATH",
        "AIRFLOW__CORE__FERNET_KEY",
    ):
        monkeypatch.setenv(name, "a secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    lines: list[str] = []
    found = train_again(script(tmp_path, "pwd; env; exit 1"), registered.record, bench, lines.append)
    assert found == Rebuilt(error="exit code 1")
    assert lines[0] == str(bench.folder)
    assert "a secret" not in "\n".join(lines)
    assert "OMP_NUM_THREADS=1" in lines
    assert f"AIRFLOW_MLOPS_CACHE={bench.folder}/cache" in lines


def test_without_a_word_its_last_line_is_the_reason(
    registered: Registered, bench: Bench, tmp_path: Path
) -> None:
    python = script(tmp_path, "echo Traceback >&2; echo 'ImportError: no module named pandas' >&2; exit 1")
    found = train_again(python, registered.record, bench, print)
    assert found == Rebuilt(error="ImportError: no module named pandas")


def test_of_one_that_was_killed_nothing_is_known(
    registered: Registered, bench: Bench, tmp_path: Path
) -> None:
    python = script(tmp_path, "kill -9 $$")
    with pytest.raises(TrainingError, match="was killed while a version was built again; given SIGKILL"):
        train_again(python, registered.record, bench, print)


def test_one_of_many_that_fails_ends_the_others(registered: Registered, bench: Bench, tmp_path: Path) -> None:
    registered.rewrite(machines=3)
    python = script(
        tmp_path, 'case "$6" in *request-1.json) echo "no memory" >&2; exit 3;; *) exec sleep 60;; esac'
    )
    found = train_again(python, registered.record, bench, print)
    assert found == Rebuilt(error="no memory")


def test_whoever_is_stopped_stops_them(registered: Registered, bench: Bench, tmp_path: Path) -> None:
    """A task that is killed in order raises in its own thread."""
    pid = tmp_path / "pid"

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_again(
            script(tmp_path, f"echo $$ > {pid}; echo go; exec sleep 60"), registered.record, bench, stop
        )
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
