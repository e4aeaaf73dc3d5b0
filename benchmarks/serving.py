"""What the benchmarks of the endpoint share: one trained model, and servers in processes of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.load import pin, request

MODEL = "bench_model"
FEATURES = [f"f{number}" for number in range(20)]
INVOKE = f"/endpoints/{MODEL}/invocations"
ROOT = Path(__file__).parent.parent


def train_booster(seed: int = 0) -> Any:
    """100 trees of depth 6 on 20 features."""
    import numpy as np
    import xgboost

    random = np.random.default_rng(seed)
    rows = random.normal(size=(20_000, 20))
    label = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(size=20_000) > 0).astype(int)
    params = {"max_depth": 6, "objective": "binary:logistic", "nthread": 1, "seed": seed}
    return xgboost.train(params, xgboost.DMatrix(rows, label), 100)


def bodies(count: int = 500) -> list[bytes]:
    """Request bodies with one row each."""
    import numpy as np

    values = np.random.default_rng(1).normal(size=(count, 20))
    return [
        json.dumps({"instances": [dict(zip(FEATURES, row, strict=True))]}).encode() for row in values.tolist()
    ]


def fill_store(folder: Path, versions: int) -> Any:
    """A store with versions of a model, registered as a release does it, and the first one deployed."""
    from airflow_mlops.core.data.version import DatasetRef
    from airflow_mlops.core.evaluation.report import Evaluation
    from airflow_mlops.core.record import utc_now
    from airflow_mlops.core.registry.deployments import DeploymentLog
    from airflow_mlops.core.registry.version import ModelVersion
    from airflow_mlops.core.store import Log, open_store
    from airflow_mlops.core.store.blobs import put_bytes
    from airflow_mlops.core.training.artifact import InputColumn, Signature, TrainedModel

    store = open_store(str(folder))
    log: Log[ModelVersion] = Log(store, f"models/{MODEL}/versions", ModelVersion)
    inputs = tuple(InputColumn(name=name, type="number") for name in FEATURES)
    for number in range(versions):
        artifact = bytes(train_booster(number).save_raw("ubj"))
        trained = TrainedModel(
            model=MODEL,
            dataset="d",
            framework="xgboost",
            artifact=put_bytes(store, artifact),
            size=len(artifact),
            code=None,
            signature=Signature(inputs=inputs, features=tuple(FEATURES)),
            objective="binary",
            seed=number,
            rounds=100,
            train_rows=20_000,
            environment=put_bytes(store, b""),
            seconds=1.0,
        )
        entry = ModelVersion(
            model=MODEL,
            dataset=DatasetRef(name="d", id="d"),
            spec={"name": MODEL},
            trained=trained,
            evaluation=Evaluation(rows=0, metrics={}),
            validation=None,
            run=None,
            created_at=utc_now(),
            created_by="benchmark",
        )
        log.append(entry, after=number)
    DeploymentLog(store, MODEL).promote(1, who="benchmark", why="first", run="r1")
    return store


@contextmanager
def server(
    *command: str, python: str = sys.executable, port: int = 0, ready: str = "/ping", path: str = str(ROOT)
) -> Iterator[tuple[int, int]]:
    """Start a server on a core of its own and end it afterwards: its port and process id.

    :param command: a Python file or ``-m module`` with arguments; ``{port}`` in them is filled in.
    :param path: for Python's modules.
    """
    port = port or free_port()
    process = subprocess.Popen(
        [python, *(part.format(port=port) for part in command)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=None if python == sys.executable else subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
    pin(0, process.pid)
    try:
        _wait_for(port, ready, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def our_server(store: Path, spool: Path) -> Iterator[tuple[int, int]]:
    """``airflow-mlops serve`` on a store."""
    code = (
        "import sys; from pathlib import Path; from airflow_mlops.core.serving.server import Address, serve; "
        "serve(sys.argv[1], Address(port=int(sys.argv[2])), spool=Path(sys.argv[3]))"
    )
    with server("-c", code, str(store), "{port}", str(spool)) as started:
        yield started


def requests_for(port: int, path: str = INVOKE) -> list[bytes]:
    """Whole requests for :func:`benchmarks.load.drive`."""
    return [request(port, path, body) for body in bodies()]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int, path: str, process: subprocess.Popen[bytes]) -> None:
    import httpx

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit(f"server did not start: {process.args}")
