"""The training, again: the stored program in processes of its own, apart from our code and from our variables."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.reproduction.bench import Bench
from airflow_mlops.core.store.results import parse
from airflow_mlops.core.training.rebuild import RebuildRequest, Rebuilt

#: Python's own variables and the user's packages are left out by -I; this puts the stored program before all others.
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from airflow_mlops.core.training.rebuild import main; "
    "sys.exit(main(sys.argv[2]))"
)
#: What a training may know of this machine; no credentials, and none of the task's own variables.
_PASSED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "PATH", "TMPDIR", "TZ")
_PAUSE = 0.2
_LAST = 300


def train_again(python: Path, record: ModelVersion, bench: Bench, progress: Progress) -> Rebuilt:
    """Train what lies on the bench; the model is put into its store.

    A model of several machines is trained by as many processes here: its bytes depend on how its rows were shared.

    :param python: interpreter of the environment to train in.
    :raises TrainingError: if a process was killed: then nothing is known.
    """
    answer = bench.folder / "answer.json"
    count = record.trained.machines
    port = _free_port() if count > 1 else 0
    processes: list[subprocess.Popen[str]] = []
    try:
        for rank in range(count):
            request = RebuildRequest(
                store=str(bench.folder / "store"),
                spec=record.spec,
                dataset=record.dataset,
                code=record.trained.code,
                answer=str(answer),
                rank=rank,
                machines=count,
                port=port,
            )
            processes.append(_start(python, request, bench))
        _follow(processes, progress)
    finally:
        _end(processes)
    if answer.is_file():
        return parse(answer.read_bytes(), Rebuilt, "the answer of the training")
    return _without_answer([one.returncode for one in processes], bench)


def _start(python: Path, request: RebuildRequest, bench: Bench) -> subprocess.Popen[str]:
    asked = bench.folder / f"request-{request.rank}.json"
    asked.write_bytes(request.to_bytes())
    environ = {name: os.environ[name] for name in _PASSED if name in os.environ}
    with _said(bench, request.rank).open("w") as said:
        return subprocess.Popen(
            [str(python), "-I", "-B", "-c", _START, str(bench.program), str(asked)],
            cwd=bench.folder,
            # What it copies for itself goes with the bench.
            env={**environ, "AIRFLOW_MLOPS_CACHE": str(bench.folder / "cache")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if request.rank == 0 else subprocess.DEVNULL,
            stderr=said,
            text=True,
        )


def _said(bench: Bench, rank: int) -> Path:
    """What a process writes to stderr."""
    return bench.folder / f"said-{rank}.txt"


def _follow(processes: Sequence[subprocess.Popen[str]], progress: Progress) -> None:
    """Hand on the lines of the first process until all have ended; one that fails ends the others."""
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(processes[0].stdout, lines), daemon=True)
    reader.start()
    try:
        while reader.is_alive() or not lines.empty() or any(one.poll() is None for one in processes):
            if any(one.poll() for one in processes):
                _end(processes)
            with suppress(queue.Empty):
                progress(lines.get(timeout=_PAUSE))
    finally:
        _end(processes)
        reader.join()
        if processes[0].stdout:
            processes[0].stdout.close()


def _read(stream: IO[str] | None, lines: queue.Queue[str]) -> None:
    for line in stream or ():
        lines.put(line.rstrip("\n"))


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    for one in processes:
        if one.poll() is None:
            one.kill()
        one.wait()


def _without_answer(codes: Sequence[int], bench: Bench) -> Rebuilt:
    """Why a process ended without a word: its own last line. :raises TrainingError: if it was killed.

    :param codes: how each has ended; those that another's end has ended were killed.
    """
    rank = next((rank for rank, code in enumerate(codes) if code not in (0, -signal.SIGKILL)), 0)
    if codes[rank] < 0:
        raise TrainingError(
            "the training was killed while a version was built again",
            given=signal.Signals(-codes[rank]).name,
            remedy="is there enough memory? Try again",
        )
    lines = [line.strip() for line in _said(bench, rank).read_text().splitlines() if line.strip()]
    return Rebuilt(error=(lines or [f"exit code {codes[rank]}"])[-1][:_LAST])


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
