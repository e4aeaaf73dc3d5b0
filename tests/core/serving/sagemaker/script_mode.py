"""Versions without training for SageMaker's script mode: what they answer follows from their number."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import KeyExists
from airflow_mlops.core.serving.loading import Contract
from airflow_mlops.core.serving.sagemaker.endpoint import SageMakerEndpoint
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.s3 import S3Store
from airflow_mlops.spec import Serving
from tests.core.aws.world import World
from tests.core.serving import fakes

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"
ROLE = "arn:aws:iam::123456789012:role/mlops"
#: Only here: fails, and the rule answers for it.
SAVED = 23

_INFERENCE = """
import json, os, time

class Response:
    # As Flask's: a WSGI application.

    def __init__(self, status, body):
        self.status, self.body = status, body

    def __call__(self, environ, start_response):
        start_response(str(self.status) + " -", [("Content-Type", "application/json")])
        return [json.dumps(self.body).encode()]

def model_fn(folder):
    with open(os.path.join(folder, "version.json")) as file:
        version = json.load(file)
    if version["unloadable"]:
        raise RuntimeError("artifact is gone")
    return version

def input_fn(body, content_type):
    return json.loads(body)["instances"]

def predict_fn(rows, version):
    began = time.perf_counter()
    odd = sorted(set(rows[0]) - {"x", "carrier", "id"})
    if odd:
        return Response(400, {"message": "unknown columns: " + ", ".join(odd)})
    said = {"variant": version["variant"], "status": 200}
    predictions = [version["base"] + (row["x"] or 0) / 1000 for row in rows]
    if version["failing"]:
        said["status"] = 500
        if version["rule"]:
            said["variant"], predictions = "fallback", [-1.0] * len(rows)
        elif os.environ.get("MLOPS_SHADOW") == "1":
            predictions = None
        else:
            return Response(500, {"message": "model is broken"})
    said["latency_ms"] = (time.perf_counter() - began) * 1000
    return Response(200, {"predictions": predictions, "mlops": said})

def output_fn(answer, accept):
    return answer
"""


def archives(store: Store) -> Callable[[int | None], str]:
    """What makes a version's archive in ``store``."""

    def archive(version: int | None) -> str:
        about = {
            "variant": "fallback" if version is None else f"v{version}",
            "base": -1.0 if version is None else version,
            "unloadable": version == fakes.UNLOADABLE,
            "failing": version in (fakes.FAILING, SAVED),
            "rule": version == SAVED,
        }
        data = _packed({"code/inference.py": _INFERENCE, "version.json": json.dumps(about)})
        key = f"sagemaker/models/{hashlib.sha256(data).hexdigest()[:16]}/model.tar.gz"
        with suppress(KeyExists):
            store.create(key, data)
        return key

    return archive


def contract(version: int | None) -> Contract:
    """The same for all versions."""
    return Contract(fakes.INPUTS, Serving(key=("id",)))


def settings(**fields: Any) -> SageMaker:
    """Of one model; ``hosting`` may add to what every test needs."""
    hosting = {"image": IMAGE, **fields.pop("hosting", {})}
    return SageMaker(role_arn=ROLE, hosting=hosting, **fields)


def store_of(world: World, prefix: str) -> S3Store:
    """A store of its own in the world's bucket."""
    return S3Store(world.bucket, prefix, world.s3)


def endpoint_of(world: World, store: Store, given: SageMaker) -> SageMakerEndpoint:
    """An endpoint whose clock is the simulator's."""
    return SageMakerEndpoint(
        world.aws,
        given,
        fakes.MODEL,
        store,
        contract=contract,
        archive=archives(store),
        now=world.sagemaker.now,
    )


def _packed(files: dict[str, str]) -> bytes:
    raw = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, text in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(text.encode())
            tar.addfile(about, io.BytesIO(text.encode()))
    return raw.getvalue()
