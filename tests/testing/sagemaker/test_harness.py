"""The simulator as users of the package start it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import datetime, timedelta

import pytest

from airflow_mlops.testing.sagemaker.faults import Fault
from airflow_mlops.testing.sagemaker.harness import SageMakerSimulator


def test_clients_find_it_by_the_environment_alone(world, monkeypatch):
    import boto3

    for name, value in world.sagemaker.env().items():
        monkeypatch.setenv(name, value)
    assert boto3.session.Session().client("sts").get_caller_identity()["Account"] == "123456789012"
    assert world.bucket in [b["Name"] for b in boto3.session.Session().client("s3").list_buckets()["Buckets"]]


def test_time_can_be_moved_on(world):
    before = world.sagemaker.now()
    world.sagemaker.advance(timedelta(hours=3))
    assert world.sagemaker.now() - before >= timedelta(hours=3)


def test_a_fault_hits_the_next_call_only(world):
    world.sagemaker.order(Fault("error", "GetCallerIdentity", code="ExpiredToken", message="expired"))
    sts = world.aws.client("sts")
    with pytest.raises(sts.exceptions.ClientError, match="expired"):
        sts.get_caller_identity()
    assert sts.get_caller_identity()["Account"] == "123456789012"


def test_a_fault_that_is_none_is_named():
    with pytest.raises(ValueError, match="there is no fault 'capasity': it is one of error, capacity,"):
        Fault("capasity")
    with pytest.raises(ValueError, match="once at least, not 0 times"):
        Fault("capacity", times=0)


class TestByHttp:
    """What another process does: the same, on the paths below ``/_simulator``."""

    def ask(self, world, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{world.sagemaker.url}/_simulator/{path}", data) as answer:
            return json.loads(answer.read())

    def test_time_and_faults(self, world):
        before = datetime.fromisoformat(self.ask(world, "now")["now"])
        after = datetime.fromisoformat(self.ask(world, "advance", {"seconds": 3600})["now"])
        assert after - before >= timedelta(hours=1)
        self.ask(world, "faults", {"kind": "error", "operation": "GetCallerIdentity", "code": "ExpiredToken"})
        sts = world.aws.client("sts")
        with pytest.raises(sts.exceptions.ClientError, match="ExpiredToken"):
            sts.get_caller_identity()

    @pytest.mark.parametrize(
        "path, body", [("faults", {"kind": "other"}), ("faults", {"sort": "error"}), ("advance", {})]
    )
    def test_what_is_wrong_is_answered(self, world, path, body):
        with pytest.raises(urllib.error.HTTPError) as error:
            self.ask(world, path, body)
        assert error.value.code == 400
        assert json.loads(error.value.read())["message"].startswith(f"{path}: ")


def test_outside_of_its_with_statement_it_says_so():
    with pytest.raises(RuntimeError, match="with statement"):
        _ = SageMakerSimulator("http://127.0.0.1:9").url
