"""Starts MLServer for the endpoint benchmark: from PyPI, in a virtual environment in a temporary folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import request
from benchmarks.serving import FEATURES, MODEL, ROOT, bodies, free_port, server

PACKAGES = ("mlserver>=1.7,<2", "xgboost-cpu>=3.2")


def install(folder: Path) -> Path:
    """Its Python; takes a minute or two."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES]
    subprocess.run(install, check=True, capture_output=True)
    return python


@contextmanager
def mlserver(folder: Path, booster: str) -> Iterator[tuple[int, int]]:
    """A running MLServer without worker processes, which would only add to each request: its port and process."""
    python, port = install(folder / "environment"), free_port()
    model = folder / "model"
    model.mkdir()
    shutil.copy(ROOT / "benchmarks" / "mlserver_runtime.py", model)
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 0,
        "debug": False,
    }
    (model / "settings.json").write_text(json.dumps(settings))
    described = {
        "name": MODEL,
        "implementation": "mlserver_runtime.XGBoostModel",
        "parameters": {"uri": booster},
    }
    (model / "model-settings.json").write_text(json.dumps(described))
    command = ["-c", "from mlserver.cli import main; main()", "start", str(model)]
    ready = f"/v2/models/{MODEL}/ready"
    with server(*command, python=str(python), port=port, ready=ready, path=str(model)) as started:
        yield started


def v2_requests(port: int) -> list[bytes]:
    """The benchmark's requests in the V2 inference protocol."""
    made = []
    for body in bodies():
        (row,) = json.loads(body)["instances"]
        data = [row[name] for name in FEATURES]
        tensor = {"name": "rows", "shape": [1, len(FEATURES)], "datatype": "FP32", "data": data}
        made.append(request(port, f"/v2/models/{MODEL}/infer", json.dumps({"inputs": [tensor]}).encode()))
    return made
