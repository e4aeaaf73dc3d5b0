"""Start and end the processes of a test server."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class ServerMissingError(Exception):
    """A server can't be started because it is not installed; the message says how to install it."""


def require(commands: Sequence[str], remedy: str) -> None:
    """:raises ServerMissingError: if one of the commands is not on the path."""
    missing = [name for name in commands if not shutil.which(name)]
    if missing:
        raise ServerMissingError(f"{', '.join(missing)} not installed: {remedy}")


def free_port() -> int:
    """A TCP port of loopback that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A TCP port of loopback that refuses every caller: taken, so that nobody else gets it, but not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@contextlib.contextmanager
def insisting(start: Callable[[], AbstractContextManager[T]], tries: int = 3) -> Iterator[T]:
    """Enter ``start()``, anew when its server does not come up: its free port may have been taken meanwhile.

    :raises RuntimeError: of the last try.
    """
    with contextlib.ExitStack() as stack:
        for left in reversed(range(tries)):
            try:
                server = stack.enter_context(start())
                break
            except RuntimeError:
                if not left:
                    raise
        yield server


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` with its output in ``log``, and end it on the way out.

    Where the system can, the kernel ends it too when the test process dies without a goodbye.
    """
    setpriv = shutil.which("setpriv")
    guard = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*guard, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_http(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 240) -> None:
    """Return when ``url`` answers HTTP, with whatever status.

    :raises RuntimeError: with the end of the log, if the process dies or does not answer in time.
    """
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=20).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer: {log.read_text(errors='replace')[-2000:]}")
