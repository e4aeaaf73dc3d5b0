"""Clients from boto3's own environment, and how all of ours behave."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from airflow_mlops import __version__
from airflow_mlops.core.aws.client_config import by_path, client_config, is_aws
from airflow_mlops.core.aws.environment import EnvironmentAws
from airflow_mlops.core.errors import PlatformError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A region and keys, and nothing else of AWS."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_threads_share_one_client() -> None:
    aws, start = EnvironmentAws(), threading.Barrier(8)

    def get(_: int) -> Any:
        start.wait()
        return aws.client("s3")

    with ThreadPoolExecutor(8) as pool:
        assert len({id(client) for client in pool.map(get, range(8))}) == 1
    assert aws.region == "eu-central-1"


def test_aws_has_no_address_of_its_own_and_another_server_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert EnvironmentAws().endpoint_url("s3") is None
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000")
    there = EnvironmentAws()
    assert there.endpoint_url("s3") == "http://127.0.0.1:9000"
    assert there.endpoint_url("sts") is None
    assert there.client("s3").meta.config.s3 == {"addressing_style": "path"}


def test_without_a_region_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(PlatformError, match="boto3's environment has no region"):
        _ = EnvironmentAws().region
    with pytest.raises(PlatformError, match="no region is set"):
        EnvironmentAws().client("sagemaker")


def test_without_boto3_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(PlatformError, match=r"pip install 'airflow-mlops\[amazon\]'"):
        EnvironmentAws().client("s3")


def test_nothing_is_looked_for_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    EnvironmentAws()


def test_each_service_has_its_patience() -> None:
    assert client_config("s3").retries == {"mode": "standard", "total_max_attempts": 6}
    assert client_config("sagemaker").retries["mode"] == "adaptive"
    assert client_config("sagemaker-runtime").read_timeout > 60  # a model may answer that long
    assert client_config("s3").user_agent_extra == f"airflow-mlops/{__version__}"


def test_what_a_connection_says_wins_field_by_field() -> None:
    over = Config(retries={"total_max_attempts": 2}, connect_timeout=1, user_agent_extra="acme/1")
    merged = client_config("s3", over)
    assert merged.retries == {"mode": "standard", "total_max_attempts": 2}
    assert (merged.connect_timeout, merged.read_timeout) == (1, 60)
    assert merged.user_agent_extra == f"acme/1 airflow-mlops/{__version__}"
    assert client_config("s3", Config(retries={"mode": "legacy", "max_attempts": 3})).retries == {
        "mode": "legacy",
        "max_attempts": 3,
    }


def test_buckets_are_addressed_as_somebody_asks_and_else_by_path() -> None:
    virtual = Config(s3={"addressing_style": "virtual"})
    assert by_path(virtual) is virtual
    assert by_path(Config(s3={"use_accelerate_endpoint": False})).s3 == {
        "use_accelerate_endpoint": False,
        "addressing_style": "path",
    }


@pytest.mark.parametrize(
    "url, aws",
    [
        ("https://s3.eu-central-1.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("https://s3.eusc-de-east-1.amazonaws.eu", True),
        ("https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com", True),
        ("https://sagemaker.us-east-1.api.aws", True),
        ("http://127.0.0.1:9000", False),
        ("https://s3.localhost.localstack.cloud:4566", False),
        ("https://amazonaws.com.example.org", False),
        ("", False),
    ],
)
def test_what_is_aws(url: str, aws: bool) -> None:
    assert is_aws(url) is aws
