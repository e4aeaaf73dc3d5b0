"""The recorder of calls to AWS: this process, its threads, other clients, and programs that it starts."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from airflow_mlops.testing.calls import environment, read_calls, recorded
from tests.servers import S3Server, ministack

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with ministack() as server:
        yield server


def test_what_a_block_calls_and_nothing_after_it(server: S3Server, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    client = server.client()
    with recorded(path) as calls:
        client.create_bucket(Bucket="block")
        client.put_object(Bucket="block", Key="a/b", Body=b"secret bytes")
        with pytest.raises(ClientError):
            client.get_object(Bucket="block", Key="none", VersionId="v")
        seen = calls()
    client.list_buckets()
    assert read_calls(path) == seen
    assert [(call["service"], call["operation"]) for call in seen] == [
        ("s3", "CreateBucket"),
        ("s3", "PutObject"),
        ("s3", "GetObject"),
    ]
    assert seen[1]["names"] == {"Bucket": "block", "Key": "a/b"}
    assert "VersionId" in seen[2]["given"]
    assert {call["key_id"] for call in seen} == {server.access_key}
    assert "secret" not in path.read_text()


def test_calls_of_event_loops(server: S3Server, tmp_path: Path) -> None:
    from aiobotocore.session import get_session

    async def look() -> None:
        given = {"endpoint_url": server.endpoint, "region_name": server.region}
        keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
        async with get_session().create_client("s3", **given, **keys) as client:
            await client.list_buckets()

    with recorded(tmp_path / "calls") as calls:
        asyncio.run(look())
        assert [call["operation"] for call in calls()] == ["ListBuckets"]


def test_botocore_is_as_before_afterwards(tmp_path: Path) -> None:
    before = BaseClient._make_api_call
    with pytest.raises(KeyError), recorded(tmp_path / "calls"):
        raise KeyError("a test fails")
    assert BaseClient._make_api_call is before
    assert "AIRFLOW_MLOPS_CALLS" not in os.environ


def test_programs_record_into_the_same_file(server: S3Server, tmp_path: Path) -> None:
    path = tmp_path / "calls"
    script = "import boto3, sys; boto3.client('s3').list_buckets(); print('airflow_mlops' in sys.modules)"
    ours = {"PATH": os.environ["PATH"], **server.env(), **environment(path, tmp_path / "site")}
    with recorded(path) as calls:
        server.client().list_buckets()
        done = subprocess.run(
            [sys.executable, "-c", script], env=ours, check=True, capture_output=True, text=True
        )
        assert [call["operation"] for call in calls()] == ["ListBuckets"] * 2
    assert done.stdout.strip() == "False", "a program's own package of that name is not kept from it"


def test_a_file_that_is_not_there_has_no_calls(tmp_path: Path) -> None:
    assert read_calls(tmp_path / "none") == []
