"""From a connection to a platform: local without one, on S3 through Airflow's AWS hook, and no secret in any log."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_mlops.core.errors import EndpointError, PlatformError
from airflow_mlops.core.store.s3 import S3Store
from airflow_mlops.hooks.mlops import MlopsHook, home
from airflow_mlops.platform import Platform
from airflow_mlops.triggers.endpoint import EndpointTrigger
from airflow_mlops.triggers.training import TrainingTrigger
from tests.core.aws.world import simulated
from tests.servers import S3Server, ServerMissingError, ministack
from tests.servers.process import refusing_port

Connect = Callable[..., None]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Defines a connection in the environment, as JSON."""

    def set_one(conn_id: str = "mlops_default", conn_type: str = "mlops", **parts: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": conn_type, **parts}))

    return set_one


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """An S3 emulator, which does not check signatures."""
    try:
        with ministack() as running:
            yield running
    except ServerMissingError as missing:
        pytest.skip(str(missing))


def test_without_a_connection_the_platform_is_local() -> None:
    assert MlopsHook().get_conn() == Platform.local(Path(os.environ["AIRFLOW_HOME"]) / "mlops")


def test_home_can_be_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__MLOPS__HOME", str(tmp_path / "elsewhere"))
    assert MlopsHook().get_conn() == Platform.local(tmp_path / "elsewhere")
    monkeypatch.setenv("AIRFLOW__MLOPS__HOME", "~/mlops")
    assert home() == Path.home() / "mlops"


def test_another_connection_that_is_missing_is_no_local_platform() -> None:
    with pytest.raises(AirflowNotFoundException, match="mlops_prod"):
        MlopsHook("mlops_prod").get_conn()


def test_the_fields_of_a_connection(connect: Connect, tmp_path: Path) -> None:
    connect(
        "mlops_prod",
        password="s3cret",
        extra={"store": str(tmp_path), "data": "s3://lake/gold", "endpoint": "https://models.example/"},
    )
    platform = MlopsHook("mlops_prod").get_conn()
    assert platform == Platform(
        store_uri=str(tmp_path),
        data_uri="s3://lake/gold",
        endpoint_url="https://models.example",
        token="s3cret",
    )
    assert platform.s3 is None


def test_an_empty_connection_is_local_with_its_token(connect: Connect) -> None:
    connect(password="s3cret")
    platform = MlopsHook().get_conn()
    assert platform.store_uri == Platform.local(home()).store_uri
    assert platform.token == "s3cret"


@pytest.mark.parametrize(
    "extra, says",
    [
        ({"bucket": "b"}, "mlops connection has an unknown field; given bucket"),
        ({"trainer": "cray"}, "unknown trainer; given cray; expected local"),
        ("store=s3://b", "extra of connection mlops_default is no JSON object"),
        ('["store"]', "extra of connection mlops_default is no JSON object"),
    ],
)
def test_a_wrong_connection_is_refused_and_never_taken_for_local(
    connect: Connect, extra: Any, says: str
) -> None:
    connect(extra=extra)
    with pytest.raises(PlatformError, match=says):
        MlopsHook().get_conn()
    good, message = MlopsHook().test_connection()
    assert not good
    assert says in message


def test_the_button_tests_the_store(connect: Connect, tmp_path: Path) -> None:
    connect(extra={"store": str(tmp_path / "store")})
    good, message = MlopsHook().test_connection()
    assert good
    assert "one of many writers wins" in message
    assert not list((tmp_path / "store" / "probe").rglob("*.json"))


def test_the_button_says_what_is_wrong(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    connect(extra={"store": str(tmp_path / "file")})
    good, message = MlopsHook().test_connection()
    assert not good
    assert "can't hold a store" in message


def test_the_token_is_in_no_log_and_no_text(
    connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with refusing_port() as port, caplog.at_level(logging.DEBUG):
        connect(password="s3cret", extra={"store": str(tmp_path), "endpoint": f"http://127.0.0.1:{port}"})
        platform = MlopsHook().get_conn()
        MlopsHook().test_connection()
        with pytest.raises(EndpointError) as caught:
            platform.endpoint("orders").describe()
        logging.getLogger("test").warning("%r", platform)
    out, err = capfd.readouterr()
    assert "s3cret" not in f"{caplog.text} {out} {err} {platform!r} {caught.value} {MlopsHook().__dict__}"


@pytest.mark.s3
def test_s3_is_reached_through_the_aws_connection(
    connect: Connect, server: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = server.make_bucket()
    connect(
        "aws_models",
        conn_type="aws",
        login="an-access-key",
        password="a-secret-key",
        extra={"endpoint_url": server.endpoint, "region_name": "eu-central-1"},
    )
    connect(extra={"store": f"s3://{bucket}/m", "data": f"s3://{bucket}/data", "aws_conn_id": "aws_models"})
    with caplog.at_level(logging.DEBUG):
        platform = MlopsHook().get_conn()
        store = platform.store()
        store.create("greeting", b"hello")
        good, message = MlopsHook().test_connection()
    assert isinstance(store, S3Store)
    assert server.client().get_object(Bucket=bucket, Key="m/greeting")["Body"].read() == b"hello"
    assert good, message
    assert platform.s3 is not None
    client = platform.s3()
    assert client.meta.region_name == "eu-central-1"
    assert client._request_signer._credentials.access_key == "an-access-key"
    assert "a-secret-key" not in caplog.text


KEYS = {
    "aws_store": "store-key",
    "aws_reader": "data-key",
    "aws_trainer": "job-key",
    "aws_deployer": "deploy-key",
}
SEPARATE = {
    "store": "s3://models/m",
    "data": "s3://lake",
    "endpoint": "sagemaker",
    "trainer": "sagemaker",
    "aws_conn_id": "aws_store",
    "data_aws_conn_id": "aws_reader",
    "training_aws_conn_id": "aws_trainer",
    "serving_aws_conn_id": "aws_deployer",
}


def key_of(client: Any) -> str:
    return str(client._request_signer._credentials.access_key)


def test_each_call_is_signed_by_the_connection_of_its_purpose(connect: Connect) -> None:
    for name, key in KEYS.items():
        connect(name, conn_type="aws", login=key, password="s", extra={"region_name": "eu-central-1"})
    connect(extra=SEPARATE)
    platform = MlopsHook().get_conn()
    root, training, endpoint = platform.data(), platform.training("orders"), platform.endpoint("orders")
    assert training is not None
    signed = {
        "store": key_of(platform.store()._client),  # type: ignore[attr-defined]
        "data": key_of(root._client),  # type: ignore[attr-defined]
        "training": key_of(training._aws.client("sagemaker")),
        "serving": key_of(endpoint._aws.client("sagemaker")),  # type: ignore[attr-defined]
        "watching": key_of(
            TrainingTrigger(mlops_conn_id="mlops_default", job="j")._reach()[0].client("logs")
        ),
        "settling": key_of(
            EndpointTrigger(mlops_conn_id="mlops_default", model="m")._reach()[0].client("s3")
        ),
    }
    assert signed == {
        "store": "store-key",
        "data": "data-key",
        "training": "job-key",
        "serving": "deploy-key",
        "watching": "job-key",
        "settling": "deploy-key",
    }


def test_a_connection_that_is_not_needed_may_be_missing_and_the_one_that_is_is_named(
    connect: Connect,
) -> None:
    for name in ("aws_store", "aws_trainer"):
        connect(name, conn_type="aws", login="k", password="s", extra={"region_name": "eu-central-1"})
    connect(extra=SEPARATE)
    platform = MlopsHook().get_conn()
    training = platform.training("orders")
    assert training is not None
    assert training._aws.region == "eu-central-1"
    with pytest.raises(PlatformError, match=r"no connection aws_reader; .*field data_aws_conn_id"):
        platform.data()
    with pytest.raises(PlatformError, match=r"no connection aws_deployer; .*field serving_aws_conn_id"):
        platform.require_aws("serving")[0].client("sagemaker")


@pytest.mark.s3
def test_the_button_says_what_each_connection_reaches(connect: Connect) -> None:
    with simulated() as world:
        place = {name: {"endpoint_url": world.aws.endpoint_url(name)} for name in ("s3", "sagemaker", "sts")}
        extra = {"region_name": world.aws.region, "service_config": place}
        for name, key in KEYS.items():
            connect(name, conn_type="aws", login=key, password="s", extra=extra)
        connect(extra={**SEPARATE, "store": f"s3://{world.bucket}/m", "data": f"s3://{world.bucket}/data"})
        good, message = MlopsHook().test_connection()
        connect("aws_deployer", conn_type="http", host="example.com")
        bad, why = MlopsHook().test_connection()
    assert good, message
    assert message.startswith("account ")
    told = {part.partition(": ")[0]: part for part in message.split("; ") if "_aws_conn_id: " in part}
    assert set(told) == {"data_aws_conn_id", "training_aws_conn_id", "serving_aws_conn_id"}
    assert message.count("SageMaker answers") == 2
    assert message.count(f"bucket {world.bucket}") == 2
    assert not bad
    assert "correct field serving_aws_conn_id" in why


@pytest.mark.s3
def test_a_bucket_that_is_not_there(connect: Connect, server: S3Server) -> None:
    extra = {"endpoint_url": server.endpoint, "region_name": "us-east-1"}
    connect("aws_models", conn_type="aws", login="k", password="s", extra=extra)
    connect(extra={"store": "s3://no-such-bucket-here/m", "aws_conn_id": "aws_models"})
    good, message = MlopsHook().test_connection()
    assert not good
    assert "no-such-bucket-here" in message
    assert len(message.splitlines()) == 1


@pytest.mark.s3
def test_the_button_says_whom_and_what_it_reached_on_aws(connect: Connect) -> None:
    with simulated() as world:
        place = {name: {"endpoint_url": world.aws.endpoint_url(name)} for name in ("s3", "sagemaker", "sts")}
        extra = {"region_name": world.aws.region, "service_config": place}
        connect("aws_models", conn_type="aws", login="k", password="s", extra=extra)
        connect(
            extra={
                "store": f"s3://{world.bucket}/m",
                "data": f"s3://{world.bucket}/data",
                "aws_conn_id": "aws_models",
                "endpoint": "sagemaker",
                "s3": {"requester_pays": True},
            }
        )
        before = {item["Key"] for item in world.s3.list_objects_v2(Bucket=world.bucket).get("Contents", ())}
        good, message = MlopsHook().test_connection()
        after = {item["Key"] for item in world.s3.list_objects_v2(Bucket=world.bucket).get("Contents", ())}
    assert good, message
    for said in (
        "account ",
        f"region {world.aws.region}",
        f"bucket {world.bucket}",
        "SageMaker answers",
        "one of many",
    ):
        assert said in message
    assert message.count(world.bucket) == 2
    assert after == before
