"""Clients of an Airflow AWS connection: shared, renewed when it changes, and never of another place."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.hooks.aws import AirflowAws
from tests.servers import S3Server, ServerMissingError, ministack

Connect = Callable[..., None]
PLACE = "http://127.0.0.1:9"
EXTRA = {"region_name": "eu-central-1", "endpoint_url": PLACE}


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Defines an AWS connection in the environment."""

    def set_one(conn_id: str = "aws_models", conn_type: str = "aws", **parts: Any) -> None:
        parts = {"login": "key", "password": "secret", "extra": EXTRA, **parts}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": conn_type, **parts}))

    return set_one


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    try:
        with ministack("s3,sts,iam") as running:
            yield running
    except ServerMissingError as missing:
        pytest.skip(str(missing))


def test_it_says_what_the_connection_says(connect: Connect) -> None:
    connect(
        extra={**EXTRA, "service_config": {"s3": {"endpoint_url": "http://127.0.0.1:10"}}, "verify": False}
    )
    aws = AirflowAws("aws_models")
    assert aws.region == "eu-central-1"
    assert aws.endpoint_url("sagemaker") == PLACE
    assert aws.endpoint_url("s3") == "http://127.0.0.1:10"
    client = aws.client("s3")
    assert client.meta.config.s3 == {"addressing_style": "path"}
    assert client._request_signer._credentials.access_key == "key"
    assert client._endpoint.http_session._verify is False
    assert "airflow-mlops/" in client.meta.config.user_agent_extra


def test_on_aws_itself_nothing_is_bent(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    connect(extra={"region_name": "eu-central-1"})
    aws = AirflowAws("aws_models")
    assert aws.endpoint_url("s3") is None
    assert aws.client("s3").meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"
    assert "addressing_style" not in (aws.client("s3").meta.config.s3 or {})


def test_the_connections_own_settings_win_field_by_field(connect: Connect) -> None:
    connect(extra={**EXTRA, "config_kwargs": {"retries": {"max_attempts": 2}, "read_timeout": 7}})
    config = AirflowAws("aws_models").client("sagemaker").meta.config
    assert config.retries["mode"] == "adaptive"
    assert config.retries["total_max_attempts"] == 3  # botocore counts the first try, too
    assert config.read_timeout == 7
    assert config.connect_timeout == 10


def test_one_client_serves_all_who_use_the_connection(connect: Connect) -> None:
    connect()
    start = threading.Barrier(8)

    def get(_: int) -> Any:
        start.wait()
        return AirflowAws("aws_models").client("sagemaker")

    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(get, range(8)))
    assert len({id(client) for client in clients}) == 1
    assert AirflowAws("aws_models").client("s3") is not clients[0]


@pytest.mark.parametrize(
    "change",
    [{"password": "another"}, {"extra": {**EXTRA, "region_name": "us-east-1"}}],
    ids=["key", "region"],
)
def test_a_changed_connection_makes_new_clients(connect: Connect, change: dict[str, Any]) -> None:
    connect()
    before = AirflowAws("aws_models").client("s3")
    connect(**change)
    after = AirflowAws("aws_models")
    assert after.client("s3") is not before
    assert after.client("s3") is AirflowAws("aws_models").client("s3")


def test_two_connections_share_nothing(connect: Connect) -> None:
    connect("aws_one")
    connect("aws_two")
    assert AirflowAws("aws_one").client("s3") is not AirflowAws("aws_two").client("s3")


def test_a_forked_process_makes_its_own(connect: Connect) -> None:
    connect()
    mine = id(AirflowAws("aws_models").client("s3"))
    context = multiprocessing.get_context("fork")
    said = context.SimpleQueue()
    child = context.Process(target=lambda: said.put(_known()))
    child.start()
    child.join(60)
    assert said.get() == 0
    assert id(AirflowAws("aws_models").client("s3")) == mine


def _known() -> int:
    from airflow_mlops.hooks import aws

    return len(aws._SHARED._made)


def test_without_a_region_one_line_says_so(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    connect(extra={})
    with pytest.raises(PlatformError, match=r"AWS connection aws_models has no region.*set region_name"):
        _ = AirflowAws("aws_models").region
    with pytest.raises(PlatformError, match="region"):
        AirflowAws("aws_models").client("sagemaker")


def test_a_connection_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PlatformError, match=r"Airflow has no connection aws_nobody.*aws_conn_id"):
        AirflowAws("aws_nobody").client("s3")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert AirflowAws("aws_default").region == "eu-north-1"


def test_a_connection_of_another_kind(connect: Connect) -> None:
    connect(conn_type="http")
    with pytest.raises(PlatformError, match="connection aws_models is none to AWS; given type http"):
        AirflowAws("aws_models").client("s3")


@pytest.mark.parametrize(
    "extra, says",
    [
        ({"profile_name": "nobody"}, "profile"),
        ({"role_arn": "arn:aws:iam::123456789012:role/x", "assume_role_method": "magic"}, "magic"),
        ({**EXTRA, "endpoint_url": "no address"}, "no address"),
    ],
)
def test_a_connection_that_cant_be_used_is_one_line(connect: Connect, extra: Any, says: str) -> None:
    connect(extra=extra, login=None, password=None)
    with pytest.raises(PlatformError, match="aws_models") as caught:
        AirflowAws("aws_models").client("s3")
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_the_amazon_provider_one_line_says_so(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.amazon.aws.hooks.base_aws", None)
    connect("aws_without", password="never made before")
    with pytest.raises(PlatformError, match=r"given aws_without; pip install 'airflow-mlops\[amazon\]'"):
        AirflowAws("aws_without").client("s3")


@pytest.mark.s3
def test_500_who_wait_share_one_async_client(connect: Connect, server: S3Server) -> None:
    connect(extra={"region_name": "us-east-1", "endpoint_url": server.endpoint})
    bucket = server.make_bucket()

    async def look(used: set[int]) -> None:
        async with AirflowAws("aws_models").async_client("s3") as client:
            used.add(id(client))
            await client.head_bucket(Bucket=bucket)

    async def wait() -> set[int]:
        used: set[int] = set()
        await asyncio.gather(*(look(used) for _ in range(500)))
        await look(used)  # it outlives its users for a while
        return used

    assert len(asyncio.run(wait())) == 1


@pytest.mark.s3
def test_an_async_client_is_closed_when_nobody_uses_it(
    connect: Connect, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_mlops.core.aws import async_clients

    monkeypatch.setattr(async_clients, "LINGER", 0.0)
    connect(password="linger", extra={"region_name": "us-east-1", "endpoint_url": server.endpoint})

    async def wait() -> list[Any]:
        clients = []
        for _ in range(2):
            async with AirflowAws("aws_models").async_client("s3") as client:
                clients.append(client)
            while client._endpoint.http_session._sessions:
                await asyncio.sleep(0.01)
        return clients

    first, second = asyncio.run(wait())
    assert first is not second


@pytest.mark.s3
def test_a_role_is_assumed_and_both_kinds_of_client_sign_as_it(connect: Connect, server: S3Server) -> None:
    connect(
        extra={
            "region_name": "us-east-1",
            "endpoint_url": server.endpoint,
            "service_config": {"sts": {"endpoint_url": server.endpoint}},
            "role_arn": "arn:aws:iam::000000000000:role/mlops",
        }
    )
    aws = AirflowAws("aws_models")
    assumed = aws.client("s3")._request_signer._credentials.get_frozen_credentials()
    assert assumed.access_key != "key"
    assert assumed.token

    async def other() -> Any:
        async with aws.async_client("s3") as client:
            await client.list_buckets()
            return await client._request_signer._credentials.get_frozen_credentials()

    assert asyncio.run(other()) == assumed
