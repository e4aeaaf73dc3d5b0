"""Programs that jobs and containers run as: their output goes out line by line, and they end with the simulator."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: What of this process's environment a program gets: nothing that says who or where the user is.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "AWS_CA_BUNDLE")
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def base_environment(role: Mapping[str, str]) -> dict[str, str]:
    """The environment that every program starts from.

    :param role: where S3 is and the credentials of the execution role; without credentials, this process's own.
    """
    names = _INHERITED if "AWS_ACCESS_KEY_ID" in role else (*_INHERITED, *_CREDENTIALS)
    return {
        **{name: os.environ[name] for name in names if name in os.environ},
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **role,
    }


class Program:
    """A process with everything that it starts.

    :param on_line: takes each line of its output, in a thread of its own.
    :param on_exit: takes its exit status, in that thread, after the last line.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        on_exit: Callable[[int], None] = lambda status: None,
    ) -> None:
        self._on_line, self._on_exit = on_line, on_exit
        self._started = threading.Event()
        self._failed: OSError | None = None
        self._process: subprocess.Popen[str] | None = None
        # the thread that starts it also waits for it: the kernel ends a guarded process with the thread that began it
        self._thread = threading.Thread(
            target=self._run, args=([*_guard(), *command], folder, dict(environment)), daemon=True
        )
        self._thread.start()
        self._started.wait()
        if self._failed is not None:
            raise self._failed

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid if self._process else 0

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def terminate(self) -> None:
        """SIGTERM to all of it."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        self._signal(signal.SIGKILL)

    def stop(self, patience: float = 5.0) -> None:
        """End it, kindly for so many seconds, and return when it has ended."""
        self.terminate()
        self._thread.join(patience)
        self.kill()
        if self._thread is not threading.current_thread():
            self._thread.join(10)

    def _run(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            self._failed = error
            return
        finally:
            self._started.set()
        with self._process as process:
            for line in process.stdout or ():
                self._on_line(line.rstrip("\n"))
            status = process.wait()
        # what it has left behind must not hold ports or write files
        self.kill()
        self._on_exit(status)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def python() -> str:
    """The interpreter that programs run with: the simulator's environment stands for the container's."""
    return sys.executable


def _guard() -> list[str]:
    """Where the system can, the kernel ends a program when the simulator dies without a goodbye."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
