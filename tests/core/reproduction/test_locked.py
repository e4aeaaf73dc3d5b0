"""Environments from a lock: made once, made whole, and named where they differ. A script stands for uv."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from airflow_mlops.core.errors import IntegrityError, PlatformError
from airflow_mlops.core.reproduction import locked
from airflow_mlops.core.reproduction.locked import find_uv, locked_environment
from airflow_mlops.core.training.environment import Lock

PYTHON = ".".join(str(part) for part in sys.version_info[:3])
LOCK = f"# python {PYTHON} linux x86_64\nnumpy==2.3.1\npandas==2.3.3\npytz==2025.2\n"
#: Makes what uv makes, as far as it is looked at: the last argument is the folder, or packages to install.
UV = """
echo "$@" >> {log}
case "$1" in
  venv) for last; do :; done
    mkdir -p "$last/bin" "$last/lib/python3.11/site-packages"; touch "$last/bin/python"
    echo "version_info = {python}" > "$last/pyvenv.cfg";;
  pip) site="$(dirname "$5")/../lib/python3.11/site-packages"
    for one in {packages}; do
      mkdir -p "$site/$one.dist-info"; cd "$site/$one.dist-info"
      printf 'Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n' "${{one%-*}}" "${{one##*-}}" > METADATA
    done;;
esac
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))


def stand_in(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str = UV,
    packages: str = "numpy-2.3.1 pandas-2.3.3",
) -> Path:
    """A script in the place of uv; returns the file with what it was asked."""
    path, log = tmp_path / "uv", tmp_path / "asked.txt"
    path.write_text("#!/bin/sh\n" + text.format(log=log, packages=packages, python=PYTHON))
    path.chmod(0o755)
    monkeypatch.setattr(locked, "find_uv", lambda: [str(path)])
    return log


def kept(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "environments").iterdir())


def test_it_is_made_once_from_the_versions_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, lines = stand_in(tmp_path, monkeypatch), list[str]()
    first = locked_environment(LOCK, ["numpy", "pandas"], lines.append)
    venv, install = log.read_text().splitlines()
    assert f"--python {sys.executable}" in venv, "our own Python is the recorded one"
    assert install.endswith("numpy==2.3.1 pandas==2.3.3")
    assert "--constraints" in install
    assert lines == ["making an environment of 2 packages and what they need, from the lock"]
    assert first.found.packages == {"numpy": "2.3.1", "pandas": "2.3.3"}
    assert first.found.python == PYTHON
    assert locked_environment(LOCK, ["numpy", "pandas"], lines.append) == first
    assert len(log.read_text().splitlines()) == 2
    assert [path.name for path in kept(tmp_path)] == [first.python.parents[1].name]


def test_one_that_lacks_something_since_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = stand_in(tmp_path, monkeypatch)
    made = locked_environment(LOCK, ["numpy", "pandas"], print).python.parents[1]
    shutil.rmtree(next(made.glob("lib/*/*/numpy-2.3.1.dist-info")))
    assert locked_environment(LOCK, ["numpy", "pandas"], print).found.packages["numpy"] == "2.3.1"
    assert len(log.read_text().splitlines()) == 4
    assert kept(tmp_path) == [made]


def test_another_lock_is_another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)
    first = locked_environment(LOCK, ["numpy"], print)
    assert locked_environment(f"{LOCK}six==1.17\n", ["numpy"], print).python != first.python


def test_the_recorded_python_is_asked_for_then_its_minor_version_then_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = 'case "$*" in *"--python 3.9"*) echo "$@" >> {log}; exit 2;; esac' + UV
    log = stand_in(tmp_path, monkeypatch, refusing)
    found = locked_environment(LOCK.replace(PYTHON, "3.9.1"), ["numpy"], print).found
    asked = [line.split("--python ")[1].split()[0] for line in log.read_text().splitlines() if "venv" in line]
    assert asked == ["3.9.1", "3.9", sys.executable]
    assert found.python == PYTHON, "which is then named as a difference"


@pytest.mark.parametrize(
    "said,kind,says",
    [
        (
            "No solution found when resolving dependencies: because numpy==2.3.1 was yanked from https://u:pw@index/x",
            IntegrityError,
            "the environment of the lock can't be installed any more; given No solution found .* from <index>",
        ),
        (
            "error: Failed to fetch: https://u:pw@index/simple/numpy/",
            PlatformError,
            "uv can't make the environment of the lock; given error: Failed to fetch: <index>; see that it reaches",
        ),
    ],
)
def test_what_uv_refuses_is_one_line_without_addresses_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, kind: type[Exception], says: str
) -> None:
    stand_in(tmp_path, monkeypatch, f'[ "$1" = pip ] && {{{{ echo "{said}" >&2; exit 1; }}}}' + UV)
    with pytest.raises(kind, match=says) as caught:
        locked_environment(LOCK, ["numpy"], print)
    assert "pw" not in str(caught.value)
    assert kept(tmp_path) == []


def test_without_uv_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert find_uv() == [sys.executable, "-m", "uv"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        PlatformError, match="uv, which is not installed; pip install uv where the task runs, or"
    ):
        find_uv()


def test_a_lock_is_read_as_it_was_written() -> None:
    lock = Lock.parse(LOCK)
    assert (lock.python, lock.system) == (PYTHON, "linux x86_64")
    assert lock.packages == {"numpy": "2.3.1", "pandas": "2.3.3", "pytz": "2025.2"}
    assert Lock.parse("numpy==2\n") == Lock(None, None, {"numpy": "2"})
