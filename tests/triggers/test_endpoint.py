"""The trigger waits for an endpoint as long as it changes, through passing faults, and fires once."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from airflow_mlops.core.aws.patience import LONGEST, MOST_FAULTS, MOST_REFUSALS
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.triggers import settling
from airflow_mlops.triggers.endpoint import CHANGING, EndpointTrigger


def answer(state: str) -> dict[str, str]:
    return {"EndpointStatus": state}


def refusal(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeEndpoint")


class Aws:
    """Gives answers of DescribeEndpoint, one by one; the last one again and again."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    @asynccontextmanager
    async def async_client(self, service: str) -> AsyncIterator[Aws]:
        assert service == "sagemaker"
        yield self

    async def describe_endpoint(self, *, EndpointName: str) -> Any:  # noqa: N803 - boto3's name
        self.asked.append(EndpointName)
        one = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(one, Exception):
            raise one
        return one


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses of the trigger, which take no time. A server that another test has in a thread still sleeps."""
    slept: list[float] = []
    real, mine = asyncio.sleep, threading.get_ident()

    async def sleep(seconds: float) -> None:
        if threading.get_ident() != mine:
            return await real(seconds)
        slept.append(seconds)
        return None

    monkeypatch.setattr(settling.asyncio, "sleep", sleep)
    return slept


def fired(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    trigger = EndpointTrigger(mlops_conn_id="mlops_default", model="orders")
    monkeypatch.setattr(trigger, "_reach", lambda: (aws, SageMaker()))

    async def collect() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    found = json.loads(json.dumps(asyncio.run(collect())))
    assert isinstance(found, list)
    return found


def test_it_can_be_written_down() -> None:
    path, arguments = EndpointTrigger(mlops_conn_id="m", model="orders").serialize()
    assert path == "airflow_mlops.triggers.endpoint.EndpointTrigger"
    assert arguments == {"mlops_conn_id": "m", "model": "orders"}


@pytest.mark.parametrize("state", ["InService", "Failed", "UpdateRollbackFailed", "OutOfService"])
def test_it_fires_when_the_endpoint_has_settled(
    state: str, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = Aws(*map(answer, sorted(CHANGING)), answer(state))
    assert fired(aws, monkeypatch) == [{"status": "settled", "state": state}]
    assert aws.asked == ["mlops-orders"] * (len(CHANGING) + 1)


def test_it_asks_ever_more_seldom(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    fired(Aws(*[answer("Updating")] * 20, answer("InService")), monkeypatch)
    assert pauses[0] >= 8
    assert max(pauses) <= 1.2 * LONGEST
    assert sum(pauses[-5:]) > sum(pauses[:5])


def test_an_endpoint_that_is_gone_has_settled(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    gone = refusal("ValidationException", 'Could not find endpoint "arn:...:endpoint/mlops-orders".')
    assert fired(Aws(answer("Deleting"), gone), monkeypatch) == [{"status": "settled", "state": "Missing"}]


def test_passing_faults_are_waited_out(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [
        refusal("ThrottlingException", "Rate exceeded"),
        EndpointConnectionError(endpoint_url="https://api.sagemaker"),
    ] * (MOST_FAULTS // 2 - 1)
    found = fired(Aws(*faults, answer("Updating"), *faults, answer("InService")), monkeypatch)
    assert found == [{"status": "settled", "state": "InService"}]


def test_an_endpoint_that_can_not_be_asked_is_told(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    (event,) = fired(Aws(refusal("AccessDeniedException", "not authorized")), monkeypatch)
    assert event["status"] == "failed"
    assert "describe endpoint mlops-orders" in event["message"]
    assert len(pauses) == MOST_REFUSALS


def test_faults_that_do_not_pass_are_told_in_the_end(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    (event,) = fired(Aws(refusal("ThrottlingException", "Rate exceeded")), monkeypatch)
    assert event["status"] == "failed"
    assert len(pauses) == MOST_FAULTS
