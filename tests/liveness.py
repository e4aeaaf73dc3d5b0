"""Whether a process that a test started is still there."""

from __future__ import annotations

import psutil


def gone(pid: int) -> bool:
    """True also for an entry that nobody has collected yet: it runs nothing any more."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
