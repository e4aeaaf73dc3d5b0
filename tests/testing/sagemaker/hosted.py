"""Models of a few lines on endpoints of the simulator."""

from __future__ import annotations

import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.core.aws.world import World

ROLE = "arn:aws:iam::123456789012:role/sagemaker"
IMAGE = "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"
#: Adds what it was trained with; does what the request asks for.
SCRIPT = """
import json, os, time

def model_fn(model_dir):
    with open(os.path.join(model_dir, "offset.json")) as file:
        return json.load(file)

def input_fn(content, content_type):
    return json.loads(content)

def predict_fn(data, model):
    if "crash" in data:
        os._exit(3)
    if "fail" in data:
        raise ValueError("no such thing")
    time.sleep(data.get("sleep", 0) + model.get("slow", 0))
    return {"predictions": [x + model["offset"] for x in data["x"]], "pid": os.getpid()}

def output_fn(prediction, accept):
    return json.dumps(prediction), accept
"""


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


@dataclass
class Hosted:
    """Shortcuts to hosting in a world."""

    world: World
    name: str = field(default_factory=lambda: f"e-{uuid.uuid4().hex[:8]}")

    @property
    def sagemaker(self) -> Any:
        return self.world.aws.client("sagemaker")

    @property
    def runtime(self) -> Any:
        return self.world.aws.client("sagemaker-runtime")

    @property
    def cloudwatch(self) -> Any:
        return self.world.aws.client("cloudwatch")

    def model(self, offset: float = 0, script: str = SCRIPT, **more: Any) -> str:
        """A model that adds ``offset``."""
        name = f"m-{uuid.uuid4().hex[:8]}"
        data = archive({"offset.json": json.dumps({"offset": offset, **more}), "code/inference.py": script})
        self.world.s3.put_object(Bucket=self.world.bucket, Key=f"{name}/model.tar.gz", Body=data)
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": f"s3://{self.world.bucket}/{name}/model.tar.gz",
                "Environment": {
                    "SAGEMAKER_PROGRAM": "inference.py",
                    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                },
            },
        )
        return name

    def config(self, *variants: dict[str, Any], **more: Any) -> str:
        name = f"c-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=list(variants), **more
        )
        return name

    def create(self, config: str) -> dict[str, Any]:
        self.sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=config)
        return self.settled()

    def describe(self) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=self.name)
        return described

    def settled(self) -> dict[str, Any]:
        """How it is when nothing changes any more."""
        self.until(lambda: self.describe()["EndpointStatus"] not in CHANGING)
        return self.describe()

    def baking(self) -> None:
        """Wait until the pending fleet gets requests."""
        self.until(lambda: self.pending_status() == "Baking")

    def pending_status(self) -> str | None:
        pending = self.describe().get("PendingDeploymentSummary")
        return pending["ProductionVariants"][0]["VariantStatus"][0]["Status"] if pending else None

    def until(self, fulfilled: Callable[[], Any], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not fulfilled():
            assert time.monotonic() < end, self.describe()
            time.sleep(0.02)

    def advance(self, **by: float) -> None:
        self.world.sagemaker.advance(timedelta(**by))

    def begin_minute(self) -> None:
        """Go on to early in the next minute: what follows is of one minute."""
        self.advance(seconds=61 - self.world.sagemaker.now().second)

    def invoke(self, body: Any = None, **more: Any) -> tuple[Any, str]:
        """The predictions and the variant that made them."""
        answer = self.runtime.invoke_endpoint(
            EndpointName=self.name,
            ContentType="application/json",
            Body=json.dumps(body if body is not None else {"x": [1]}),
            **more,
        )
        return json.loads(answer["Body"].read())["predictions"], answer["InvokedProductionVariant"]


CHANGING = ("Creating", "Updating", "RollingBack", "Deleting")


def variant(model: str, name: str = "v1", weight: float = 1, **more: Any) -> dict[str, Any]:
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": weight,
        **more,
    }
