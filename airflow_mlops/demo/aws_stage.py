"""The same story with the platform set to SageMaker: its simulator, over a real S3 server."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from airflow_mlops.core.aws.names import endpoint_name
from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.store import open_store
from airflow_mlops.demo.airflow import LocalAirflow
from airflow_mlops.demo.grounds import AwsGrounds, Grounds
from airflow_mlops.demo.processes import Processes, free_port
from airflow_mlops.demo.stage import WARM, Stage
from airflow_mlops.demo.story import MODEL

_PREFIX = "demo"
_IMAGE = "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"
#: What the connection says of SageMaker.
SETTINGS = {
    "role_arn": "arn:aws:iam::123456789012:role/mlops",
    "prefix": _PREFIX,
    "training": {"image": _IMAGE},
    # The simulator counts at once; only the minute has to be over.
    "hosting": {"image": _IMAGE, "failures_known_after": "1s"},
}


@dataclass(frozen=True)
class S3Access:
    """An S3 server and who may use it.

    :param url: of the server.
    :param secret_key: never printed.
    """

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"

    @classmethod
    def from_environment(cls) -> S3Access:
        """What ``AWS_ENDPOINT_URL_S3`` and the keys beside it name.

        :raises PlatformError: without the extra ``testing``, or if one of them is missing: the demo never reaches for
            AWS itself.
        """
        if lacking := [name for name in ("boto3", "cbor2") if find_spec(name) is None]:
            raise PlatformError(
                "the demo on SageMaker's simulator needs the extra testing",
                given=f"no {', '.join(lacking)}",
                remedy="pip install 'airflow-mlops[testing]'",
            )
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        if missing := [name for name in names if not os.environ.get(name)]:
            raise PlatformError(
                "the demo on SageMaker's simulator needs an S3 server",
                given=f"no {', '.join(missing)}",
                remedy="start one, e.g. `pip install ministack && ministack`, and set these variables",
            )
        url, access_key, secret_key = (os.environ[name] for name in names)
        return cls(url, access_key, secret_key, os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))

    def client(self) -> Any:
        """A boto3 S3 client."""
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=16),
        )

    def environment(self) -> dict[str, str]:
        """The same for another process."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
        }


@dataclass(frozen=True)
class AwsStage(Stage):
    """A stage on S3 and the simulator of SageMaker.

    :param s3: the server of both buckets.
    :param bucket: of the store; ``<bucket>-data`` is versioned and holds the source data.
    """

    s3: S3Access
    bucket: str

    @property
    def store(self) -> str:
        """See :attr:`Stage.store`."""
        return f"s3://{self.bucket}/mlops"

    @property
    def grounds(self) -> Grounds:
        """See :attr:`Stage.grounds`."""
        client = self.s3.client()
        return AwsGrounds(
            runtime=self.endpoint,
            endpoint=endpoint_name(_PREFIX, MODEL),
            model=MODEL,
            store=open_store(self.store, client),
            s3=client,
            bucket=f"{self.bucket}-data",
        )


@contextmanager
def raised_on_aws(home: Path, dags: Path, s3: S3Access) -> Iterator[AwsStage]:
    """Start the simulator and Airflow over an S3 server, and end every process when the block ends.

    :param home: where everything but the buckets lies; made when missing.
    :param dags: folder with the DAG files of the example: the same as for the local stage.
    :raises ProcessFailed: if a part does not come up; with the end of its log.
    """
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    bucket = _make_buckets(s3)
    with Processes(home / "processes") as processes:
        simulator = _start_simulator(processes, home / "sagemaker", s3)
        with LocalAirflow(
            home,
            dags,
            env={
                "AIRFLOW_CONN_AWS_DEFAULT": _aws_connection(simulator, s3),
                "AIRFLOW_CONN_MLOPS_DEFAULT": _connection(bucket),
            },
            openlineage=home / "openlineage.jsonl",
            warm=(*WARM, "boto3", "airflow.providers.amazon.aws.hooks.base_aws"),
            processes=processes,
        ) as airflow:
            yield AwsStage(airflow, simulator, home, s3, bucket)


def _make_buckets(s3: S3Access) -> str:
    """A plain bucket for the store, and a versioned one for the data, whose objects are pinned by their versions."""
    client, bucket = s3.client(), f"mlops-{uuid4().hex[:10]}"
    for name in (bucket, f"{bucket}-data"):
        client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=f"{bucket}-data", VersioningConfiguration={"Status": "Enabled"})
    return bucket


def _start_simulator(processes: Processes, home: Path, s3: S3Access) -> str:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "airflow_mlops.testing.sagemaker",
        "--port",
        str(port),
        "--home",
        str(home),
    ]
    child = processes.start("sagemaker", command, env={**os.environ, **s3.environment()})
    processes.wait_ready(child, lambda: _answers(url), timeout=60)
    return url


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_simulator/now", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _aws_connection(simulator: str, s3: S3Access) -> str:
    """An AWS connection as people write it, but for the addresses."""
    extra = {
        "region_name": "eu-central-1",
        "endpoint_url": simulator,
        "service_config": {"s3": {"endpoint_url": s3.url}},
        "config_kwargs": {"s3": {"addressing_style": "path"}},
    }
    keys = {"login": s3.access_key, "password": s3.secret_key}
    return json.dumps({"conn_type": "aws", **keys, "extra": extra})


def _connection(bucket: str) -> str:
    fields = {
        "store": f"s3://{bucket}/mlops",
        "data": f"s3://{bucket}-data",
        "aws_conn_id": "aws_default",
        "endpoint": "sagemaker",
        "trainer": "sagemaker",
        "sagemaker": SETTINGS,
    }
    return json.dumps({"conn_type": "mlops", "extra": fields})
