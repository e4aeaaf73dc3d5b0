"""The local endpoint against a FastAPI server (and MLServer): same model, same client, alternating rounds.

The FastAPI server is what its users write, and well: pydantic body, one booster with ``nthread=1``, numpy without a
DataFrame, uvloop and httptools. It neither checks for unknown features nor captures its answers; ours does both.

``--mlserver`` adds MLServer, which is installed from PyPI into a temporary environment (a minute or two).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.load import Load, cpu_seconds, drive, pin
from benchmarks.mlserver_side import mlserver, v2_requests
from benchmarks.reporting import Measure, report
from benchmarks.serving import MODEL, fill_store, our_server, requests_for, server, train_booster

CONNECTIONS = 32
RATE = 1000


def measure(quick: bool) -> Iterator[Measure]:
    rounds, seconds = (3, 1.0) if quick else (9, 5.0)
    pin(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        booster = str(folder / "booster.ubj")
        train_booster().save_model(booster)
        store = fill_store(folder / "store", versions=2)
        with (
            our_server(folder / "store", folder / "spool") as ours,
            server("benchmarks/fastapi_server.py", booster, "{port}") as theirs,
        ):
            yield from against_fastapi(ours, theirs, rounds, seconds)
            yield from shadow(store, ours, 6 if quick else 18, 2.0 if quick else 5.0)


def measure_with_mlserver(quick: bool) -> Iterator[Measure]:
    yield from measure(quick)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        booster = str(folder / "booster.ubj")
        train_booster().save_model(booster)
        fill_store(folder / "store", versions=1)
        with our_server(folder / "store", folder / "spool") as ours, mlserver(folder, booster) as theirs:
            full = []
            for _ in range(3 if quick else 9):
                load: dict[str, Any] = {"seconds": 1.0 if quick else 5.0, "connections": CONNECTIONS}
                one = drive(ours[0], requests_for(ours[0]), **load)
                full.append((one, drive(theirs[0], v2_requests(theirs[0]), **load)))
            _require_good(full)
            yield Measure(
                f"requests/s, ours / MLServer, {CONNECTIONS} connections",
                statistics.median(one.rate / two.rate for one, two in full),
                limit=2,
                better="higher",
                note=f"{statistics.median(two.rate for _, two in full):.0f} by MLServer",
            )
            yield Measure(
                "p99 latency at full load, ours / MLServer",
                statistics.median(one.quantile(0.99) / two.quantile(0.99) for one, two in full),
                limit=1,
                note=_milliseconds(full),
            )


def against_fastapi(
    ours: tuple[int, int], theirs: tuple[int, int], rounds: int, seconds: float
) -> Iterator[Measure]:
    full: list[tuple[Load, Load]] = []
    cpu = []
    for _ in range(rounds):
        one, one_cpu = _measured(ours, requests_for(ours[0]), seconds=seconds, connections=CONNECTIONS)
        two, two_cpu = _measured(
            theirs, requests_for(theirs[0], "/invocations"), seconds=seconds, connections=CONNECTIONS
        )
        full.append((one, two))
        cpu.append(two_cpu / one_cpu)
    _require_good(full)
    our_rate, their_rate = (statistics.median(pair[i].rate for pair in full) for i in (0, 1))
    yield Measure(
        f"requests/s, ours / FastAPI, {CONNECTIONS} connections",
        statistics.median(one.rate / two.rate for one, two in full),
        limit=2,
        better="higher",
        note=f"{our_rate:.0f} / {their_rate:.0f}, median of {rounds} rounds",
    )
    yield Measure("server CPU per request, FastAPI / ours", statistics.median(cpu), better="higher")
    yield Measure(
        "p99 latency at full load, ours / FastAPI",
        statistics.median(one.quantile(0.99) / two.quantile(0.99) for one, two in full),
        limit=1,
        note=_milliseconds(full),
    )
    busy = statistics.median(one.client_cpu / one.seconds for one, _ in full)
    yield Measure(
        "share of a core that the client took against ours", busy, unit="", note="below 1: no bottleneck"
    )
    paced = []
    for _ in range(rounds):
        load = {"seconds": seconds, "connections": CONNECTIONS, "rate": their_rate * 0.6}
        one = drive(ours[0], requests_for(ours[0]), **load)  # type: ignore[arg-type]
        two = drive(theirs[0], requests_for(theirs[0], "/invocations"), **load)  # type: ignore[arg-type]
        paced.append((one, two))
    _require_good(paced)
    yield Measure(
        f"p99 latency at {their_rate * 0.6:.0f} requests/s, ours / FastAPI",
        statistics.median(one.quantile(0.99) / two.quantile(0.99) for one, two in paced),
        limit=1.0,
        note=_milliseconds(paced),
    )


def shadow(store: Any, ours: tuple[int, int], rounds: int, seconds: float) -> Iterator[Measure]:
    """The same paced load with and without a challenger in shadow, in turns."""
    from airflow_mlops.core.record import utc_now
    from airflow_mlops.core.registry.deployments import DeploymentLog
    from airflow_mlops.core.serving.captures import read_captures
    from airflow_mlops.core.serving.local import LocalEndpoint

    log = DeploymentLog(store, MODEL)
    endpoint = LocalEndpoint(f"http://127.0.0.1:{ours[0]}", MODEL, store)
    pairs, live, start = [], 0, utc_now()
    for number in range(rounds):
        loads = {}
        for shadowed in (True, False) if number % 2 else (False, True):
            run = f"shadow-{number}"
            if shadowed:
                log.challenge(2, weight=0, lease=timedelta(hours=1), who="benchmark", why="shadow", run=run)
                endpoint.reconcile(log.desired(), timedelta(seconds=20))
            loads[shadowed] = drive(
                ours[0], requests_for(ours[0]), seconds=seconds, connections=CONNECTIONS, rate=RATE
            )
            if shadowed:
                live += loads[shadowed].statuses[200]
                time.sleep(1)
                log.withdraw(who="benchmark", why="alone", run=run)
                endpoint.reconcile(log.desired(), timedelta(seconds=20))
        pairs.append((loads[True], loads[False]))
    _require_good(pairs)
    time.sleep(3)
    answered = sum(record.role == "shadow" for record in read_captures(store, MODEL, start))
    yield Measure(
        f"p99 latency at {RATE} requests/s, with shadow / without",
        statistics.median(one.quantile(0.99) / two.quantile(0.99) for one, two in pairs),
        limit=1.1,
        note=f"{_milliseconds(pairs)}, median of {len(pairs)} pairs",
    )
    yield Measure(
        "share of live requests that the shadow answered too", answered / live, limit=0.9, better="higher"
    )


def _measured(at: tuple[int, int], requests: list[bytes], **load: Any) -> tuple[Load, float]:
    before = cpu_seconds(at[1])
    seen = drive(at[0], requests, **load)
    return seen, (cpu_seconds(at[1]) - before) / max(1, seen.statuses[200])


def _require_good(loads: list[tuple[Load, Load]]) -> None:
    failed = sum(one.failed + two.failed for one, two in loads)
    if failed:
        raise SystemExit(f"{failed} requests failed: the numbers mean nothing")


def _milliseconds(loads: list[tuple[Load, Load]]) -> str:
    one, two = (statistics.median(pair[i].quantile(0.99) for pair in loads) for i in (0, 1))
    return f"{one:.2f} / {two:.2f} ms"


if __name__ == "__main__":
    others = [argument for argument in sys.argv[1:] if argument != "--mlserver"]
    measuring = measure if len(others) == len(sys.argv) - 1 else measure_with_mlserver
    raise SystemExit(report("The local endpoint against FastAPI", measuring, others))
