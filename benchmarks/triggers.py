"""Waiting rollouts in one triggerer: memory beyond the triggerer's own imports, looks per second, how late they are.

Each of 500 rollouts has its own model, spec, deployment log and captured traffic, and its trigger really looks at it
every ten seconds, while more traffic comes. A process that has imported Airflow's triggerer is the baseline; memory is
what the kernel says of that process (VmRSS, and VmHWM for the highest). Stores: a folder, and the ministack emulator of
S3 on loopback, which shares the machine's cores with the looks. With ``--quick`` fewer wait on S3: writing what
they look at would take longer than a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.reporting import Measure, report

ROLLOUTS = 500
INTERVAL = 10.0
LIMIT = 300.0
CONNECTION = "mlops_bench"
#: Captured requests of each rollout before the first look, and those that come at a time later.
_BEFORE, _LATER = 300, 10
_SELF = Path(__file__).resolve()


def measure(quick: bool) -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as name:
        yield from _on("folder", str(Path(name) / "store"), {}, ROLLOUTS, 20.0 if quick else 120.0)
    yield from _on_s3(50, 12.0) if quick else _on_s3(ROLLOUTS, 180.0)


def _on_s3(rollouts: int, seconds: float) -> Iterator[Measure]:
    from tests.servers.ministack import ministack

    with ministack() as server:
        uri = f"s3://{server.make_bucket()}/store"
        yield from _on("S3", uri, server.env(), rollouts, seconds)


def _on(place: str, uri: str, env: dict[str, str], rollouts: int, seconds: float) -> Iterator[Measure]:
    os.environ.update(env)
    write_rollouts(uri, rollouts)
    stop = threading.Event()
    writer = threading.Thread(target=keep_writing, args=(uri, rollouts, stop))
    with tempfile.TemporaryDirectory() as home:
        writer.start()
        try:
            found = _child(uri, home, rollouts, seconds)
        finally:
            stop.set()
            writer.join()
    for error in found["events"]:
        raise RuntimeError(f"a trigger fired: {error}")
    late = sorted(found["late"])
    what = f"{rollouts} rollouts on {place}"
    limit = LIMIT if rollouts == ROLLOUTS else None  # most of what a few take is imports
    yield Measure(
        f"{what}: more memory",
        found["after"] - found["before"],
        limit=limit,
        unit="MB",
        note=f"{found['before']:.0f} MB with the triggerer's imports",
    )
    yield Measure(
        f"{what}: more memory at the highest", found["highest"] - found["before"], limit=limit, unit="MB"
    )
    looks = found["looks"]
    yield Measure(f"{what}: looks/s", looks / found["seconds"], better="higher", note=f"{looks} looks")
    yield Measure(f"{what}: CPU of a look", found["cpu"] / max(looks, 1) * 1000, unit="ms")
    if late:
        yield Measure(
            f"{what}: a look comes late by (median)",
            statistics.median(late),
            unit="s",
            note=f"95 %: {late[int(0.95 * len(late))]:.2f} s, of {INTERVAL:g} s between looks",
        )
    if found["calls"]:
        total = sum(found["calls"].values())
        each = ", ".join(f"{name} {count / looks:.2f}" for name, count in sorted(found["calls"].items()))
        yield Measure(f"{what}: calls to S3 per look", total / looks, note=each)


def _child(uri: str, home: str, rollouts: int, seconds: float) -> dict[str, Any]:
    connection = {"conn_type": "mlops", "extra": {"store": uri}}
    if uri.startswith("s3:"):
        connection["extra"]["aws_conn_id"] = "aws_bench"  # type: ignore[index]
    aws = {"conn_type": "aws", "extra": {"endpoint_url": os.environ.get("AWS_ENDPOINT_URL_S3", "")}}
    env = {
        **os.environ,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        f"AIRFLOW_CONN_{CONNECTION.upper()}": json.dumps(connection),
        "AIRFLOW_CONN_AWS_BENCH": json.dumps(aws),
    }
    command = [sys.executable, str(_SELF), "--triggerer", str(rollouts), str(seconds)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


# --- what the rollouts look at ---


def model_of(number: int) -> str:
    return f"model_{number:04d}"


def spec_of(number: int) -> Any:
    from airflow_mlops.spec import ModelSpec

    gates = [
        {"metric": "error_rate", "margin": 0.02},
        {"metric": "latency", "threshold": 50, "margin": 0.02},
        {"metric": "brier", "margin": 0.01},
    ]
    return ModelSpec(
        name=model_of(number),
        data={"source": "rows/*.parquet", "event_time": "at", "label": "y"},
        features={"columns": [f"n{column}" for column in range(8)]},
        evaluation={"gates": [{"metric": "auc", "min": 0.5}]},
        rollout={
            "shadow": {"gates": gates, "min_samples": 10**6},
            "canary": {"gates": gates, "steps": [0.3], "min_samples": 10**6},
        },
    )


def write_rollouts(uri: str, rollouts: int) -> None:
    """A champion and a challenger in canary for each model, with captured requests of both."""
    from concurrent.futures import ThreadPoolExecutor

    from airflow_mlops.core.record import utc_now
    from airflow_mlops.core.registry.deployment import Deployment
    from airflow_mlops.core.registry.deployments import DeploymentLog
    from airflow_mlops.core.store import open_store

    store, now = open_store(uri), utc_now()

    def write(number: int) -> None:
        log = DeploymentLog(store, model_of(number)).log
        common: dict[str, Any] = {"champion": 1, "who": "benchmark", "why": "benchmark", "run": "bench"}
        log.append(Deployment(action="promote", at=now - timedelta(hours=1), **common), after=0)
        lease = now + timedelta(hours=30)
        entry = Deployment(
            action="canary",
            challenger=2,
            weight=0.3,
            lease_until=lease,
            at=now - timedelta(minutes=10),
            **common,
        )
        log.append(entry, after=1)
        capture(store, number, now - timedelta(minutes=5), _BEFORE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(rollouts)))


def keep_writing(uri: str, rollouts: int, stop: threading.Event) -> None:
    """New traffic of each rollout about every twenty seconds."""
    from airflow_mlops.core.record import utc_now
    from airflow_mlops.core.store import open_store

    store = open_store(uri)
    while not stop.is_set():
        for number in range(rollouts):
            if stop.wait(20.0 / rollouts):
                return
            capture(store, number, utc_now(), _LATER)


def capture(store: Any, number: int, at: Any, requests: int) -> None:
    """Answers to some requests, a file for each variant, as the endpoint ships them."""
    import random
    import uuid

    from airflow_mlops.core.serving.capture import CaptureRecord
    from airflow_mlops.core.serving.captures import captures_prefix
    from airflow_mlops.core.serving.hours import file_name, hour_of
    from airflow_mlops.core.serving.lines import capture_line
    from airflow_mlops.core.serving.split import takes_challenger

    draw = random.Random(f"{number}-{at}")
    lines: dict[str, list[bytes]] = {"v1": [], "v2": []}
    for place in range(requests):
        # evenly split, so that of 500 tests at a level of 0.001 none finds a sample-ratio mismatch
        mine = place % 10 in (2, 5, 8)
        key = next(
            one
            for one in iter(lambda: f"{draw.getrandbits(64):016x}", "")
            if takes_challenger(one, 0.3) == mine
        )
        record = CaptureRecord(
            event_id=uuid.UUID(int=draw.getrandbits(128)).hex,
            inference_id=uuid.UUID(int=draw.getrandbits(128)).hex,
            variant="v2" if mine else "v1",
            role="challenger" if mine else "champion",
            at=at + timedelta(milliseconds=place),
            latency_ms=draw.uniform(1, 20),
            status=200,
            key=key,
            rows=({f"n{column}": draw.random() for column in range(8)},),
            predictions=(draw.random(),),
            deployment=2,
        )
        lines[record.variant].append(capture_line(model_of(number), record))
    for variant, group in lines.items():
        if group:
            key = f"{captures_prefix(model_of(number))}{variant}/{hour_of(at)}/{file_name(at, uuid.uuid4().hex[:8])}"
            store.create(key, b"".join(group))


# --- the process that waits ---


def triggerer(rollouts: int, seconds: float) -> None:
    """Look for so long at so many rollouts, and print what it took."""
    import airflow.jobs.triggerer_job_runner  # noqa: F401

    from airflow_mlops.core.rollout.conduct import Conductor
    from airflow_mlops.triggers.rollout import RolloutTrigger

    calls = _count_calls()
    before = _memory("VmRSS")
    looks: dict[str, list[float]] = {}
    assess = Conductor.assess

    def timed(conductor: Any, *given: Any) -> Any:
        looks.setdefault(conductor.spec.name, []).append(time.monotonic())
        return assess(conductor, *given)

    Conductor.assess = timed  # type: ignore[method-assign]
    triggers = [
        RolloutTrigger(
            spec=spec_of(number).to_dict(),
            mlops_conn_id=CONNECTION,
            run="bench",
            stage="canary",
            version=2,
            poll_interval=INTERVAL,
        )
        for number in range(rollouts)
    ]
    start, busy = time.monotonic(), time.process_time()
    events = asyncio.run(_wait(triggers, seconds))
    late = [max(0.0, two - one - INTERVAL) for times in looks.values() for one, two in pairwise(times)]
    found = {
        "before": before,
        "after": _memory("VmRSS"),
        "highest": _memory("VmHWM"),
        "looks": sum(map(len, looks.values())),
        "seconds": time.monotonic() - start,
        "cpu": time.process_time() - busy,
        "late": late,
        "events": events,
        "calls": dict(calls),
    }
    print(json.dumps(found), flush=True)
    os._exit(0)  # looks that are under way are of no interest


async def _wait(triggers: list[Any], seconds: float) -> list[str]:
    async def first(trigger: Any) -> Any:
        async for event in trigger.run():
            return event.payload
        return "it ended"

    tasks = [asyncio.create_task(first(trigger)) for trigger in triggers]
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    found = [str(one.exception() or one.result())[:500] for one in done]
    for task in tasks:
        task.cancel()
    return found


def _count_calls() -> Counter[str]:
    from botocore.client import BaseClient

    calls: Counter[str] = Counter()
    make = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counted(client: Any, operation: str, *given: Any) -> Any:
        calls[operation] += 1
        return make(client, operation, *given)

    BaseClient._make_api_call = counted  # type: ignore[attr-defined]
    return calls


def _memory(field: str) -> float:
    """MB of this process, as the kernel counts it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in /proc/self/status")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--triggerer"]:
        triggerer(int(sys.argv[2]), float(sys.argv[3]))
    raise SystemExit(report("500 waiting rollouts in one triggerer", measure, sys.argv[1:]))
