"""The keeper: a small process that outlives its parent just long enough to end what the parent started.

``kill -9`` gives nobody a chance to clean up. So the parent holds a pipe to this process and writes down
every session that it starts and ends; when the pipe closes, for whatever reason, those left are ended here.
"""

from __future__ import annotations

import signal
import sys
from typing import TextIO

from airflow_mlops.demo.sessions import Leader, end


def started(leader: Leader) -> str:
    """The line that says that a session was started."""
    return f"+ {leader.pid} {leader.started!r}\n"


def ended(leader: Leader) -> str:
    """The line that says that a session is over."""
    return f"- {leader.pid} {leader.started!r}\n"


def remaining(lines: TextIO) -> set[Leader]:
    """Read until the pipe closes; the sessions that were started and not ended."""
    leaders: set[Leader] = set()
    for line in lines:
        sign, pid, start = line.split()
        leader = Leader(int(pid), float(start))
        leaders.add(leader) if sign == "+" else leaders.discard(leader)
    return leaders


def main(grace: float) -> None:
    """Wait for the parent's end."""
    # Only the pipe says when it is over: Ctrl-C and kill are for the parent.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(remaining(sys.stdin), grace)


if __name__ == "__main__":
    main(float(sys.argv[1]))
