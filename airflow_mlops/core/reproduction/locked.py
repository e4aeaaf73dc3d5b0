"""Environments made from a lock with ``uv``, kept on this machine: the same lock is installed once."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from airflow_mlops.core.errors import IntegrityError, PlatformError
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.store.cache import cache_dir
from airflow_mlops.core.training.environment import Lock, installed, this_platform

#: File in an environment that says what was installed in it: one that lacks something since is made anew.
_MADE = "airflow-mlops-made.txt"
_ABANDONED = 24 * 3600.0
#: What uv says when a package of the lock is no longer to be had, or was never meant for this Python.
_NO_SOLUTION = ("No solution found", "not found in the package registry", "no matching distribution")
_PLACE = re.compile(r"(?:https?|file)://\S+")
_VERSION = re.compile(r"^version(?:_info)?\s*=\s*(\d+\.\d+\.\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Environment:
    """An environment that a training can run in.

    :param python: its interpreter.
    :param found: what is installed in it.
    """

    python: Path
    found: Lock


def locked_environment(text: str, names: Sequence[str], progress: Progress) -> Environment:
    """An environment with some packages of a lock and all that they need, each in the version of the lock.

    The Python is the recorded one, where uv finds it on this machine: else one of the same minor version, else ours.

    :param text: of the lock.
    :raises PlatformError: if there is no uv, or it reaches no index.
    :raises IntegrityError: if the versions of the lock can't be installed any more.
    """
    uv = find_uv()
    place = cache_dir() / "environments"
    place.mkdir(exist_ok=True)
    _sweep(place)
    told = "\n".join([text, *names])
    there = place / hashlib.sha256(told.encode()).hexdigest()[:32]
    if not _is_whole(there):
        progress(f"making an environment of {len(names)} packages and what they need, from the lock")
        _replace(_make(uv, text, names, place), there)
    return _look(there)


def find_uv() -> list[str]:
    """The command ``uv``. :raises PlatformError: if it is not installed."""
    if path := shutil.which("uv"):
        return [path]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    raise PlatformError(
        "an environment from a lock is made with uv, which is not installed",
        remedy="pip install uv where the task runs, or reproduce in the present environment: place here",
    )


def _make(uv: list[str], text: str, names: Sequence[str], place: Path) -> Path:
    """A new environment under a name of its own; nothing is left if that fails."""
    lock = Lock.parse(text)
    making = place / f".making-{uuid4().hex}"
    try:
        making.mkdir()
        (making / "lock.txt").write_text(text)
        environment = making / "environment"
        _create(uv, lock, environment)
        wanted = [f"{name}=={lock.packages[name]}" for name in names]
        at = ("--python", str(environment / "bin" / "python"), "--constraints", str(making / "lock.txt"))
        done = _run([*uv, "pip", "install", "--quiet", *at, *wanted], making)
        if done.returncode:
            raise _refused(done.stderr)
        (environment / _MADE).write_text(_listed(environment))
        environment.replace(place / f".made-{making.name}")
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return place / f".made-{making.name}"


def _create(uv: list[str], lock: Lock, environment: Path) -> None:
    """Make an empty environment with the best Python there is."""
    exact = lock.python or ""
    own = ".".join(str(part) for part in sys.version_info[:3])
    asked = [] if exact in ("", own) else [exact, exact.rpartition(".")[0]]
    for python in (*asked, sys.executable):
        done = _run(
            [*uv, "venv", "--quiet", "--no-project", "--python", python, str(environment)], environment.parent
        )
        if not done.returncode:
            return
    raise _refused(done.stderr)


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run uv apart from the environment and the project that this process is in."""
    ours = ("PYTHON", "VIRTUAL_ENV", "CONDA")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def _refused(said: str) -> PlatformError | IntegrityError:
    # An index may be asked with a password in its address.
    why = _PLACE.sub("<index>", " ".join(said.split()))[-300:]
    if any(one in said for one in _NO_SOLUTION):
        return IntegrityError("the environment of the lock can't be installed any more", given=why)
    return PlatformError(
        "uv can't make the environment of the lock",
        given=why,
        remedy="see that it reaches a package index, or reproduce in the present environment: place here",
    )


def _replace(made: Path, there: Path) -> None:
    """Give a new environment its name. Where another process was faster, with the same lock, its own one stays."""
    old = there.with_name(f".old-{uuid4().hex}")
    try:
        if there.exists() and not _is_whole(there):
            there.replace(old)
        made.replace(there)
    except OSError:
        if not _is_whole(there):
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(made, ignore_errors=True)


def _is_whole(there: Path) -> bool:
    try:
        return (there / "bin" / "python").exists() and (there / _MADE).read_text() == _listed(there)
    except OSError:
        return False


def _look(there: Path) -> Environment:
    version = _VERSION.search((there / "pyvenv.cfg").read_text())
    packages = installed([str(path) for path in there.glob("lib/python3*/site-packages")])
    return Environment(
        there / "bin" / "python", Lock(version[1] if version else None, this_platform(), packages)
    )


def _listed(there: Path) -> str:
    return "".join(f"{name}=={version}\n" for name, version in sorted(_look(there).found.packages.items()))


def _sweep(place: Path) -> None:
    """Remove what killed makers left a day ago or longer."""
    for path in place.glob(".*-*"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue  # another sweeper was faster
