"""Child processes: ready when we say so, gone when we are, however we go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from airflow_mlops.demo.processes import Child, Processes, ProcessFailed, exit_on_sigterm, free_port, tail
from tests.liveness import gone
from tests.waiting import PATIENCE, wait_until

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
# Deaf to SIGTERM, with a child in a group of its own and one in a session of its own, as tasks may have.
STUBBORN = [
    sys.executable,
    "-c",
    """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which children inherit
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
a = subprocess.Popen(sleep, preexec_fn=os.setpgrp)
b = subprocess.Popen(sleep, start_new_session=True)
print(os.getpid(), a.pid, b.pid, flush=True)
time.sleep(600)
""",
]
PARENT = """
import sys, time
from pathlib import Path
from airflow_mlops.demo.processes import Processes, exit_on_sigterm
with exit_on_sigterm(), Processes(Path(sys.argv[1]), grace=0.3) as processes:
    child = processes.start("stubborn", [sys.argv[2], "-c", sys.argv[3]])
    processes.wait_ready(child, lambda: bool(child.log.read_text().strip()), timeout=120)
    print("started", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path / "logs", grace=0.5) as made:
        yield made


def test_a_child_prints_to_its_log_and_ends_with_the_block(tmp_path: Path) -> None:
    with Processes(tmp_path, grace=PATIENCE) as processes:
        child = processes.start("sleeper", SLEEPER)
        processes.wait_ready(child, lambda: "up" in child.log.read_text(), timeout=PATIENCE)
        assert child.log == tmp_path / "sleeper.log"
        assert processes.living() == [child.process.pid]
    assert gone(child.process.pid)
    assert child.process.returncode == -signal.SIGTERM


def test_sigkill_ends_those_who_ignore_sigterm_and_all_they_started(processes: Processes) -> None:
    child = processes.start("stubborn", STUBBORN)
    processes.wait_ready(child, lambda: bool(child.log.read_text().strip()), timeout=PATIENCE)
    pids = [int(pid) for pid in child.log.read_text().split()]
    assert len(pids) == 3
    assert processes.living() == sorted(pids)
    processes.stop(child)
    assert all(gone(pid) for pid in pids)
    assert processes.living() == []


def test_orphans_of_a_child_that_died_are_ended(processes: Processes) -> None:
    code = f"import subprocess; print(subprocess.Popen({SLEEPER!r}, stdout=-3).pid, flush=True)"
    child = processes.start("mother", [sys.executable, "-c", code])
    child.process.wait(PATIENCE)
    orphan = int(child.log.read_text())
    assert not gone(orphan)
    processes.stop()
    assert gone(orphan)


def test_a_child_that_ends_early_is_explained_by_its_log(processes: Processes) -> None:
    child = processes.start("broken", [sys.executable, "-c", "print('no such port'); raise SystemExit(3)"])
    with pytest.raises(ProcessFailed, match=r"(?s)broken ended with exit code 3.*no such port"):
        processes.wait_ready(child, lambda: False, timeout=PATIENCE)


def test_a_child_that_is_never_ready_is_explained_by_its_log(processes: Processes) -> None:
    child = processes.start("slow", SLEEPER)
    wait_until(lambda: child.log.stat().st_size > 0)
    with pytest.raises(ProcessFailed, match=r"(?s)slow was not ready within 0 s.*up"):
        processes.wait_ready(child, lambda: False, timeout=0.2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_nothing_outlives_the_parent(tmp_path: Path, number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), *STUBBORN[::2]], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    pids = [int(pid) for pid in (tmp_path / "stubborn.log").read_text().split()]
    pids += [child.pid for child in psutil.Process(parent.pid).children(recursive=True)]
    parent.send_signal(number)
    parent.stdout.close()
    parent.wait(PATIENCE)
    wait_until(lambda: all(gone(pid) for pid in pids))


def test_an_exception_ends_the_children(tmp_path: Path) -> None:
    children: list[Child] = []

    def mishap() -> None:
        with Processes(tmp_path) as processes:
            children.append(processes.start("sleeper", SLEEPER))
            raise RuntimeError("mishap")

    with pytest.raises(RuntimeError, match="mishap"):
        mishap()
    assert gone(children[0].process.pid)


def test_sigterm_leaves_through_the_block_and_the_old_handler_returns() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def receive() -> None:
        with exit_on_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(SystemExit) as end:
        receive()
    assert end.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_starting_outside_the_block_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="with block"):
        Processes(tmp_path).start("early", SLEEPER)


def test_free_ports_differ() -> None:
    assert len({free_port() for _ in range(5)}) > 1


def test_the_tail_is_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{number}\n" for number in range(100)))
    assert tail(log, 2) == "98\n99"
