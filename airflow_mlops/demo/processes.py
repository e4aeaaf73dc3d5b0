"""Child processes that are ready when we say so, and gone when we are."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

import airflow_mlops
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.demo import keeper, sessions
from airflow_mlops.demo.sessions import Leader

GRACE = 5.0
_POLL = 0.1
_TAIL_LINES = 25


class ProcessFailed(MlopsError):
    """A child process ended or did not become ready; the text ends with the tail of its log."""


@dataclass(frozen=True)
class Child:
    """A process that we started, the leader of a session of its own.

    :param name: what people call it.
    :param process: the process.
    :param leader: its session.
    :param log: file with all that it printed.
    """

    name: str
    process: subprocess.Popen[bytes]
    leader: Leader
    log: Path


class Processes:
    """A set of child processes that ends with the ``with`` block, however the block ends.

    Ctrl-C and exceptions leave through the block's end, and so does SIGTERM within :func:`exit_on_sigterm`;
    ``kill -9`` is noticed by the keeper process.

    :param logs: folder for the logs, one file per child.
    :param grace: seconds from SIGTERM to SIGKILL.
    """

    def __init__(self, logs: Path, *, grace: float = GRACE) -> None:
        self.logs = logs
        self.grace = grace
        self._children: list[Child] = []
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> Processes:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", keeper.__name__, str(self.grace)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=Path(airflow_mlops.__path__[0]).parent,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            # Should stop() itself be interrupted, closing the pipe lets the keeper finish the work.
            self._dismiss_keeper()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Child:
        """Start a command in a session of its own, printing to ``<logs>/<name>.log``.

        :param name: what people call it; also the name of the log.
        :param command: program and arguments.
        :param env: its whole environment; ours when not given.
        :param cwd: its working directory; ours when not given.
        """
        if self._keeper is None:
            raise RuntimeError("Processes must be used in a with block")
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, process, Leader.of(process.pid), log)
        self._children.append(child)
        self._tell(keeper.started(child.leader))
        return child

    def wait_ready(self, child: Child, ready: Callable[[], bool], timeout: float) -> None:
        """Wait until a child answers.

        :param child: who must stay alive meanwhile.
        :param ready: called again and again until it returns true; must not raise.
        :param timeout: seconds to wait at most.
        :raises ProcessFailed: when the child ends first or the time is over.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            self.check(child)
            if time.monotonic() > deadline:
                raise _failure(f"{child.name} was not ready within {timeout:.0f} s", child.log)
            time.sleep(_POLL)

    def check(self, *children: Child) -> None:
        """Make sure that these children, or all, still run.

        :raises ProcessFailed: for the first one that ended.
        """
        for child in children or self._children:
            code = child.process.poll()
            if code is not None:
                raise _failure(f"{child.name} ended with exit code {code}", child.log)

    def stop(self, *children: Child) -> None:
        """End these children, or all, with everything that they started.

        :raises ProcessFailed: when a process outlives SIGKILL.
        """
        chosen = list(children or self._children)
        stuck = sessions.end([child.leader for child in chosen], self.grace)
        if stuck:
            raise ProcessFailed("processes outlived SIGKILL", given=sorted(process.pid for process in stuck))
        for child in chosen:
            child.process.wait()
            self._children.remove(child)
            self._tell(keeper.ended(child.leader))

    def living(self) -> list[int]:
        """Ids of all living processes of this set, children of children included."""
        return sorted(process.pid for process in sessions.members([child.leader for child in self._children]))

    def _tell(self, line: str) -> None:
        # A dead keeper costs the last safety net, not the work.
        if self._keeper is not None and self._keeper.stdin is not None:
            with suppress(BrokenPipeError):
                self._keeper.stdin.write(line)
                self._keeper.stdin.flush()

    def _dismiss_keeper(self) -> None:
        if self._keeper is not None and self._keeper.stdin is not None:
            with suppress(BrokenPipeError):
                self._keeper.stdin.close()
            self._keeper.wait()


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does: through the ends of all ``with`` blocks.

    Python's default is to die on the spot. Outside the main thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _exit) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _failure(problem: str, log: Path) -> ProcessFailed:
    return ProcessFailed(problem, remedy=f"the end of {log}:\n{tail(log)}")


def _exit(number: int, frame: FrameType | None) -> None:
    # A second signal must not interrupt the clean-up that the first one began.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)
