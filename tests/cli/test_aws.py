"""``airflow-mlops aws``: what an account needs, what is live, and what goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.serving.sagemaker.teardown import Cleaner
from airflow_mlops.core.serving.sagemaker.version_model import ensure_model
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import put_bytes
from tests.core.aws.world import World, simulated
from tests.core.registry.world import MODEL, register, spec, trained

#: Runs the command; returns what it says, on stderr when it is to fail.
Command = Callable[..., str]
SETTINGS = {
    "role_arn": "arn:aws:iam::123456789012:role/mlops",
    "hosting": {"image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"},
}


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    with simulated() as world:
        yield world


@pytest.fixture
def store(running: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store of the test, connections to it, and the simulator's time for who cleans up."""
    monkeypatch.setitem(Cleaner.__init__.__kwdefaults__, "now", running.sagemaker.now)
    uri = f"s3://{running.bucket}/{request.node.name}"
    mlops = {"store": uri, "endpoint": "sagemaker", "aws_conn_id": "aws_cli", "sagemaker": SETTINGS}
    aws = {
        "region_name": running.aws.region,
        "endpoint_url": running.sagemaker.url,
        "service_config": {"s3": {"endpoint_url": running.server.endpoint}},
    }
    keys = {"login": running.server.access_key, "password": running.server.secret_key}
    for name, fields in (
        ("MLOPS_CLI", {"conn_type": "mlops", "extra": mlops}),
        ("AWS_CLI", {"conn_type": "aws", **keys, "extra": aws}),
    ):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(fields))
    yield open_store(uri, running.s3)
    for name in models(running):
        running.aws.client("sagemaker").delete_model(ModelName=name)


@pytest.fixture
def aws(store: Store, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: str, code: int = 0) -> str:
        assert main(["aws", *arguments]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return run


def on(command: str, *further: str) -> list[str]:
    return [command, MODEL, "--conn-id", "mlops_cli", *further]


def registered(store: Store, number: int, models: int | None = None) -> None:
    lock = put_bytes(store, b"numpy==2.2.6\nxgboost==3.0.5\n")
    sections = {"retention": {"models": models}} if models else {}
    register(
        store,
        run=f"r{number}",
        trained=trained(store, f"model {number}", environment=lock),
        spec=spec(**sections),
    )


def model(running: World, store: Store, number: int) -> str:
    return ensure_model(running.aws, SageMaker(**SETTINGS), store, MODEL, number)


def models(running: World) -> list[str]:
    """Names of all SageMaker models."""
    return [one["ModelName"] for one in running.aws.client("sagemaker").list_models()["Models"]]


def test_plan_of_options(aws: Command) -> None:
    given = ["--region", "eu-west-1", "--store", "s3://acme-mlops/store", "--account", "123456789012"]
    assert "bucket acme-mlops" in aws("plan", *given)
    assert aws("plan", *given, "--cli").startswith("#!/bin/sh\nset -eu\n")
    assert json.loads(aws("plan", *given, "--json"))["region"] == "eu-west-1"


def test_plan_of_a_connection(aws: Command, running: World) -> None:
    plan = json.loads(aws("plan", "--conn-id", "mlops_cli", "--json"))
    assert (plan["region"], plan["buckets"][0]["name"]) == (running.aws.region, running.bucket)
    assert [role["name"] for role in plan["roles"]] == ["mlops-airflow", "mlops", "mlops"]


@pytest.mark.parametrize(
    "given, says",
    [
        ([], "a plan needs a region and a store"),
        (["--region", "eu-west-1", "--store", "/tmp/x"], "store is not on S3; given /tmp/x"),
        (["--region", "eu-west-1", "--store", "s3://acme/x", "--cli"], "commands need the account"),
        (["--conn-id", "nobody"], "there is no connection nobody"),
    ],
)
def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str], given: list[str], says: str) -> None:
    assert main(["aws", "plan", *given]) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error: ")]
    assert line.startswith(f"error: {says}")


def test_status_before_anything_is_there(aws: Command) -> None:
    lines = aws(*on("status")).splitlines()
    assert lines[0].startswith("endpoint   mlops-orders in ")
    assert lines[1] == "status     there is none"


def test_mirror_and_status(aws: Command, store: Store) -> None:
    registered(store, 1)
    DeploymentLog(store, MODEL).promote(1, who="ann", why="first version", run="r1")
    found = json.loads(aws(*on("mirror", "--json")))
    assert found["version"] == 1
    assert found["arn"].endswith("/1")
    assert "mirrored   version 1: Approved, first version" in aws(*on("status"))
    assert json.loads(aws(*on("status", "--json")))["mirrored"] == ["version 1: Approved, first version"]


def test_mirror_without_a_version(aws: Command) -> None:
    assert "orders has no versions yet" in aws(*on("mirror"), code=2)


def test_clean_says_first_and_deletes_when_told(aws: Command, store: Store, running: World) -> None:
    for number in (1, 2):
        registered(store, number, models=1)
    old, new = model(running, store, 1), model(running, store, 2)
    assert "0 would go" in aws(*on("clean")), "they are young"
    running.sagemaker.advance(timedelta(hours=2))
    said = aws(*on("clean"))
    assert said == f"model {old}\n1 would go; --yes deletes them\n"
    assert aws(*on("clean", "--yes")) == f"model {old}\n1 deleted\n"
    assert models(running) == [new]


def test_teardown_asks(aws: Command, store: Store, running: World, monkeypatch: pytest.MonkeyPatch) -> None:
    registered(store, 1)
    name = model(running, store, 1)
    asked: list[str] = []

    def refuse(question: str) -> str:
        asked.append(question)
        return "n"

    monkeypatch.setattr("builtins.input", refuse)
    assert aws(*on("teardown")) == "nothing is deleted\n"
    assert "delete the endpoint of orders" in asked[0]
    assert name in aws(*on("teardown", "--yes"))
    assert len(asked) == 1
    assert models(running) == []
