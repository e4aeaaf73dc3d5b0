"""Waits that end as soon as what they wait for has happened."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds to wait for what must happen: far longer than it takes, so that only a machine that hangs is too slow.
PATIENCE = 120.0


def wait_until(condition: Callable[[], object], timeout: float = PATIENCE, pause: float = 0.01) -> None:
    """Return when ``condition`` holds. :raises AssertionError: if it does not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(pause)
