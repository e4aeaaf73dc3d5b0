"""Notifications through SQS: a look when one comes, and messages that are deleted when their batch was announced."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from aiobotocore.client import AioBaseClient

from airflow_mlops.core.aws.permissions import QUEUE
from airflow_mlops.core.aws.policies import actions_of
from airflow_mlops.triggers import arrival, queue
from airflow_mlops.triggers.arrival import NewDataTrigger
from tests.servers import S3Server, ministack
from tests.triggers.triggerer import Triggerer

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with ministack("s3,sqs") as running:
        yield running


class Lake:
    """A bucket with a queue."""

    def __init__(self, server: S3Server) -> None:
        self.s3 = server.client()
        self.bucket = server.make_bucket(self.s3)
        self.sqs = boto3.session.Session().client(
            "sqs",
            endpoint_url=server.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        self.url = self.sqs.create_queue(QueueName=self.bucket)["QueueUrl"]

    def put(self, key: str, body: bytes = b"x") -> None:
        """Write an object, and let S3 tell of it."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        self.tell(key)

    def tell(self, key: str) -> None:
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.bucket}, "object": {"key": key}},
        }
        self.send({"Records": [record]})

    def send(self, body: Any) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(body))

    def messages(self) -> int:
        """All that are there, those that somebody holds among them."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@pytest.fixture
def lake(
    server: S3Server, connect: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Lake:
    for name, value in {**server.env(), "AWS_ENDPOINT_URL_SQS": server.endpoint}.items():
        monkeypatch.setenv(name, value)
    # Without notifications nobody would look again within this test.
    monkeypatch.setattr(arrival, "SWEEP", 3600.0)
    monkeypatch.setattr(queue, "_BACK", 0)
    monkeypatch.setattr(queue, "_WAIT", 1)
    lake = Lake(server)
    connect(data=f"s3://{lake.bucket}/raw", s3=json.dumps({"queue": lake.bucket}))
    return lake


def watch(folder: str = "in", complete: str = "success") -> NewDataTrigger:
    return NewDataTrigger(
        dataset=folder,
        source=f"{folder}/**/*.csv",
        complete=complete,
        settle=3600.0,
        poll_interval=0.05,
    )


def test_a_notification_makes_it_look_and_goes_when_the_batch_was_announced(lake: Lake) -> None:
    lake.send({"Service": "Amazon S3", "Event": "s3:TestEvent"})

    async def story() -> None:
        airflow = Triggerer(stores=False)
        async with airflow.running(watch(), watch("other")):
            await airflow.until(lambda: lake.messages() == 0)  # the test message
            lake.put("raw/in/a.csv")
            lake.put("raw/in/_SUCCESS", b"")
            await airflow.until(lambda: airflow.events)
            await asyncio.sleep(0.3)
            assert lake.messages() > 0  # not stored yet
            airflow.stores = True
            await airflow.until(lambda: lake.messages() == 0)
        assert [one["first"] for one in airflow.events] == [["in/a.csv"]]

    asyncio.run(story())


def test_a_message_about_what_was_announced_is_deleted(lake: Lake) -> None:
    async def story() -> None:
        airflow = Triggerer()
        lake.s3.put_object(Bucket=lake.bucket, Key="raw/in/a.csv", Body=b"x")
        async with airflow.running(watch()):
            await asyncio.sleep(1.1)  # S3's times are whole seconds
            lake.put("raw/in/_SUCCESS", b"")
            await airflow.until(lambda: airflow.events)
            await airflow.until(lambda: lake.messages() == 0)
            lake.tell("raw/in/a.csv")
            lake.tell("raw/in/gone.csv")
            await airflow.until(lambda: lake.messages() == 0)
        assert len(airflow.events) == 1

    asyncio.run(story())


def test_what_is_for_another_triggerer_is_given_back_and_what_is_for_nobody_ends(lake: Lake) -> None:
    lake.tell("raw/elsewhere/a.csv")

    async def story() -> None:
        airflow = Triggerer()
        async with airflow.running(watch()):
            await airflow.until(lambda: lake.messages() == 0)

    asyncio.run(story())


def test_the_policy_of_a_queue_allows_what_is_done_and_nothing_else(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: set[str] = set()
    real = AioBaseClient._make_api_call

    async def record(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        done.update(actions_of(client.meta.service_model.service_name, operation, arguments))
        return await real(client, operation, arguments)

    monkeypatch.setattr(AioBaseClient, "_make_api_call", record)
    lake.tell("raw/elsewhere/a.csv")

    async def story() -> None:
        airflow = Triggerer()
        async with airflow.running(watch()):
            await airflow.until(lambda: lake.messages() == 0)

    asyncio.run(story())
    assert done == {action for grant in QUEUE for action in grant.actions}


def test_a_message_for_two_is_kept_until_both_have_announced(lake: Lake) -> None:
    async def story() -> None:
        airflow = Triggerer()
        other = NewDataTrigger(
            dataset="slow", source="in/*.csv", complete="settled", settle=3600.0, poll_interval=0.05
        )
        lake.s3.put_object(Bucket=lake.bucket, Key="raw/in/a.csv", Body=b"x")
        async with airflow.running(watch(), other):
            await asyncio.sleep(1.1)  # S3's times are whole seconds
            lake.s3.put_object(Bucket=lake.bucket, Key="raw/in/_SUCCESS", Body=b"")
            lake.tell("raw/in/a.csv")
            await airflow.until(lambda: airflow.events)
            await asyncio.sleep(0.5)
        assert lake.messages() == 1

    asyncio.run(story())


def test_what_is_no_notification_is_left_alone(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    lake.send({"order": 7})

    async def story() -> None:
        airflow = Triggerer()
        async with airflow.running(watch()):
            await airflow.until(lambda: "no notification of S3" in caplog.text)

    asyncio.run(story())
    assert lake.messages() == 1


def test_while_a_queue_can_not_be_read_it_looks_by_itself(
    lake: Lake, connect: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    connect(data=f"s3://{lake.bucket}/raw", s3=json.dumps({"queue": "no-such-queue"}))

    async def story() -> None:
        airflow = Triggerer()
        async with airflow.running(watch()):
            await airflow.until(lambda: "no-such-queue" in caplog.text)
            lake.put("raw/in/a.csv")
            lake.put("raw/in/_SUCCESS", b"")
            await airflow.until(lambda: airflow.events)

    asyncio.run(story())
    (line,) = [one for one in caplog.messages if "no-such-queue" in one]
    assert "\n" not in line
