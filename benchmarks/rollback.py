"""The local rollback under load: from the decision to the last answer of a bad challenger, and what it cost callers.

A canary has half of the traffic. Somebody decides to roll back (one entry in the deployment log) and the endpoint is
reconciled. Counted are all requests of the whole run, not only those around the rollbacks.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.load import Load, drive, pin
from benchmarks.reporting import Measure, report
from benchmarks.serving import MODEL, fill_store, our_server, requests_for

RATE = 500


class _Rollbacks(threading.Thread):
    """Puts a challenger into canary and rolls it back, again and again, while the load goes on."""

    def __init__(self, store: Any, port: int, rounds: int, nudge: bool) -> None:
        from airflow_mlops.core.registry.deployments import DeploymentLog
        from airflow_mlops.core.serving.local import LocalEndpoint

        super().__init__()
        self._log = DeploymentLog(store, MODEL)
        self._endpoint = LocalEndpoint(f"http://127.0.0.1:{port}", MODEL, store)
        self._rounds = rounds
        self._nudge = nudge
        self.decided: list[float] = []
        self.reconciled: list[float] = []

    def run(self) -> None:
        patience = timedelta(seconds=20)
        for number in range(self._rounds):
            name = f"{'nudged' if self._nudge else 'followed'} {number}"
            self._log.challenge(
                2, weight=0.5, lease=timedelta(hours=1), who="benchmark", why="canary", run=f"{name} up"
            )
            self._endpoint.reconcile(self._log.desired(), patience)
            time.sleep(1.2)
            self.decided.append(time.monotonic())
            self._log.rollback(to=1, who="benchmark", why="bad", run=f"{name} down")
            if self._nudge:
                self._endpoint.reconcile(self._log.desired(), patience)
                self.reconciled.append(time.monotonic())
            time.sleep(1.2)


def measure(quick: bool) -> Iterator[Measure]:
    rounds = 5 if quick else 20
    pin(1)
    with tempfile.TemporaryDirectory() as name:
        store = fill_store(Path(name) / "store", versions=2)
        with our_server(Path(name) / "store", Path(name) / "spool") as (port, _):
            for nudge in (True, False):
                rollbacks = _Rollbacks(store, port, rounds, nudge)
                rollbacks.start()
                load = drive(
                    port,
                    requests_for(port),
                    seconds=600,
                    connections=16,
                    rate=RATE,
                    watch=True,
                    stop=lambda rollbacks=rollbacks: not rollbacks.is_alive(),  # type: ignore[misc]
                )
                rollbacks.join()
                yield from _results(load, rollbacks, nudge)


def _results(load: Load, rollbacks: _Rollbacks, nudge: bool) -> Iterator[Measure]:
    how = "" if nudge else ", server finds it by itself"
    last = [_last_answer(load, at) - at for at in rollbacks.decided]
    note = f"longest of {len(last)} at {RATE} requests/s, median {statistics.median(last):.3f}"
    yield Measure(f"decision to last answer of the challenger{how}", max(last), limit=1, unit="s", note=note)
    if nudge:
        took = [done - at for at, done in zip(rollbacks.decided, rollbacks.reconciled, strict=True)]
        yield Measure(
            "decision to proof (reconcile returns)",
            max(took),
            limit=1,
            unit="s",
            note=f"median {statistics.median(took):.3f}",
        )
    total = sum(load.statuses.values())
    yield Measure(f"failed requests{how}", load.failed, limit=0, note=f"of {total}")


def _last_answer(load: Load, decided: float) -> float:
    """When the challenger answered for the last time before its next canary; the decision itself if not after it."""
    return max(
        (at for at, variant in load.variants if variant == b"v2" and decided < at < decided + 1.2),
        default=decided,
    )


if __name__ == "__main__":
    raise SystemExit(report("Local rollback under load", measure, sys.argv[1:]))
