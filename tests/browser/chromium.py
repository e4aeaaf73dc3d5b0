"""Debian's chromium, driven by Playwright from a thread of its own: its event loop would be in the tests' way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, sync_playwright

T = TypeVar("T")
#: Milliseconds for what takes a moment, on a machine that is busy with other work.
PATIENCE = 120_000.0


def installed() -> str | None:
    """Where the chromium of this machine is."""
    return shutil.which("chromium")


class Chromium:
    """A browser without a window, for a ``with`` block.

    Playwright's objects belong to the thread that made them, so they are used in jobs only, one after the other.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chromium")
        self._open = ExitStack()

    def __enter__(self) -> Chromium:
        self._browser: Browser = self._thread.submit(self._launch).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._thread.submit(self._open.close).result()
        self._thread.shutdown()

    def run(self, job: Callable[[Browser], T]) -> T:
        """Do something with the browser; what the job returns."""
        return self.begin(job).result()

    def begin(self, job: Callable[[Browser], T]) -> Future[T]:
        """Do something with the browser while this thread does something else."""
        return self._thread.submit(lambda: job(self._browser))

    def _launch(self) -> Browser:
        options: dict[str, Any] = {"executable_path": self._program, "timeout": PATIENCE}
        # Loopback goes through no proxy; root has no sandbox; a container's /dev/shm is small.
        flags = ["--no-proxy-server", "--disable-dev-shm-usage"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        playwright = self._open.enter_context(sync_playwright())
        browser = playwright.chromium.launch(args=flags, **options)
        self._open.callback(browser.close)
        return browser


def chromium_or_skip() -> Chromium:
    """A browser to enter; without one the test is skipped, by name."""
    program = installed()
    if program is None:
        pytest.skip("no chromium: apt-get install chromium")
    return Chromium(program)
