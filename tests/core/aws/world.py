"""AWS for tests: a simulator of SageMaker and an S3 server, and the clients that know no other place.

with simulated() as world:
    world.aws.client("sagemaker").create_training_job(...)
    world.s3.list_objects_v2(Bucket=world.bucket)
    world.sagemaker.advance(timedelta(hours=1))
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from airflow_mlops.testing.sagemaker.harness import SageMakerSimulator
from airflow_mlops.testing.sagemaker.simulator import Timing
from tests.servers import S3Server, ministack

REGION = "eu-central-1"


class TestAws:
    """An ``Aws`` (core/aws/session.py) of a simulator and an S3 server.

    :param url: of the simulator.
    """

    __test__ = False

    def __init__(self, url: str, s3: S3Server, region: str = REGION) -> None:
        self._url, self._s3, self._region = url, s3, region
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        return self._region

    def endpoint_url(self, service: str) -> str | None:
        return self._s3.endpoint if service == "s3" else self._url

    def client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.session.Session().client(
                    service,
                    endpoint_url=self.endpoint_url(service),
                    region_name=self._region,
                    aws_access_key_id=self._s3.access_key,
                    aws_secret_access_key=self._s3.secret_key,
                    config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
                )
            return self._clients[service]


@dataclass(frozen=True)
class World:
    """A running simulator with an S3 server and an empty bucket."""

    sagemaker: SageMakerSimulator
    server: S3Server
    aws: TestAws
    bucket: str

    @property
    def s3(self) -> Any:
        return self.aws.client("s3")


@contextlib.contextmanager
def simulated(
    server: AbstractContextManager[S3Server] | None = None, *, timing: Timing | None = None, **options: Any
) -> Iterator[World]:
    """A world that begins and ends here. :param server: None starts a ministack (0.7 s)."""
    with (
        server or ministack() as s3,
        SageMakerSimulator(
            s3.endpoint, access_key=s3.access_key, secret_key=s3.secret_key, timing=timing, **options
        ) as sagemaker,
    ):
        aws = TestAws(sagemaker.url, s3, sagemaker.region)
        yield World(sagemaker, s3, aws, _bucket(aws))


def _bucket(aws: TestAws) -> str:
    import uuid

    name = f"t-{uuid.uuid4().hex[:12]}"
    aws.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": aws.region})
    return name
