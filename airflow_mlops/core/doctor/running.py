"""Checks side by side, each within its time: one that crashes or hangs is a line like any other."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from airflow_mlops.core.doctor.finding import Finding, of_error, problem
from airflow_mlops.core.errors import MlopsError

#: Seconds that a check may take.
LIMIT = 20.0


@dataclass(frozen=True)
class Check:
    """Something to look at.

    :param name: in a word; the check of a finding that says it crashed.
    :param look: gives what it finds; may raise whatever it likes.
    :param limit: seconds it may take.
    """

    name: str
    look: Callable[[], Iterable[Finding]]
    limit: float = LIMIT


def examine(checks: Sequence[Check]) -> Iterator[Finding]:
    """What the checks find, in their order. They run at the same time, so that all take as long as the slowest."""
    started = [(check, _start(check), monotonic() + check.limit) for check in checks]
    for check, found, deadline in started:
        yield from _finds(check, found, deadline)


def _start(check: Check) -> SimpleQueue[Finding | None]:
    """A queue of what a check finds; None ends it. A daemon: what hangs must not keep the process alive."""
    found: SimpleQueue[Finding | None] = SimpleQueue()

    def run() -> None:
        try:
            for finding in check.look():
                found.put(finding)
        except MlopsError as error:
            found.put(of_error(check.name, error))
        except Exception as error:
            found.put(_crashed(check, error))
        finally:
            found.put(None)

    Thread(target=copy_context().run, args=(run,), name=f"doctor-{check.name}", daemon=True).start()
    return found


def _finds(check: Check, found: SimpleQueue[Finding | None], deadline: float) -> Iterator[Finding]:
    while True:
        try:
            finding = found.get(timeout=max(0.0, deadline - monotonic()))
        except Empty:
            yield problem(
                check.name,
                f"no answer within {check.limit:g} s",
                remedy="look whether the network, a proxy or a mounted folder hangs, then run it again",
            )
            return
        if finding is None:
            return
        yield finding


def _crashed(check: Check, error: Exception) -> Finding:
    """Where it crashed. Its text is left out: it comes from anywhere, and may hold a secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return problem(
        check.name,
        f"the check itself failed with {type(error).__name__} at {place}",
        remedy="the other checks stand; please report this line",
    )
