"""What is read from SageMaker's descriptions."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_mlops.core.serving.sagemaker.layout import Slot
from airflow_mlops.core.serving.sagemaker.live import Describer, Live

AT = datetime(2026, 7, 1, tzinfo=timezone.utc)
CONFIGS: dict[str, Any] = {
    "one": {"ProductionVariants": [{"VariantName": "v1", "ModelName": "m1", "InstanceType": "ml.m5.large"}]},
    "two": {
        "ProductionVariants": [
            {"VariantName": "v1", "ModelName": "m1", "InstanceType": "ml.m5.large"},
            {"VariantName": "v2", "ModelName": "m2", "InstanceType": "ml.c5.xlarge"},
        ]
    },
    "named": {
        "ProductionVariants": [{"VariantName": "live", "ModelName": "m2", "InstanceType": "ml.m5.large"}]
    },
}


class Answers:
    """SageMaker's answers, and how often each was asked for."""

    def __init__(self, endpoint: dict[str, Any]) -> None:
        self.endpoint = endpoint
        self.asked: list[str] = []

    @property
    def region(self) -> str:
        return "eu-central-1"

    def endpoint_url(self, service: str) -> None:
        return None

    def client(self, service: str) -> Any:
        return self

    def describe_endpoint(self, **request: str) -> dict[str, Any]:
        return {"EndpointName": "e", "CreationTime": AT, "LastModifiedTime": AT, **self.endpoint}

    def describe_endpoint_config(self, **request: str) -> dict[str, Any]:
        self.asked.append(request["EndpointConfigName"])
        found: dict[str, Any] = CONFIGS[request["EndpointConfigName"]]
        return found

    def describe_model(self, **request: str) -> dict[str, Any]:
        self.asked.append(request["ModelName"])
        return {
            "PrimaryContainer": {"Environment": {"MLOPS_VARIANT": request["ModelName"].replace("m", "v")}}
        }


def variant(name: str, weight: float, wanted: float | None = None) -> dict[str, Any]:
    return {
        "VariantName": name,
        "CurrentWeight": weight,
        "DesiredWeight": weight if wanted is None else wanted,
        "CurrentInstanceCount": 2,
        "DesiredInstanceCount": 2,
    }


def described(status: str = "InService", config: str = "two", **fields: Any) -> dict[str, Any]:
    variants = [variant("v1", 0.9), variant("v2", 0.1)]
    return {"EndpointStatus": status, "EndpointConfigName": config, "ProductionVariants": variants, **fields}


def read(endpoint: dict[str, Any]) -> Live:
    live = Describer(Answers(endpoint), "e").read()
    assert live is not None
    return live


def test_variants_with_their_weights_and_machines() -> None:
    live = read(described())
    assert live.slots == live.coming
    assert live.slots == (
        Slot("v1", 1, 0.9, instances=2, machine="ml.m5.large"),
        Slot("v2", 2, 0.1, instances=2, machine="ml.c5.xlarge"),
    )
    assert (live.status, live.config, live.pending, live.modified) == ("InService", "two", None, AT)


def test_weights_on_their_way_are_not_live_yet() -> None:
    live = read(described("Updating", ProductionVariants=[variant("v1", 0.9, 0.0), variant("v2", 0.1, 1.0)]))
    assert [slot.weight for slot in live.slots] == [0.9, 0.1]
    assert [slot.weight for slot in live.coming] == [0.0, 1.0]


def test_a_configuration_on_its_way_is_not_live_yet() -> None:
    pending = {"EndpointConfigName": "one", "ProductionVariants": [variant("v1", 0.0, 1.0)]}
    live = read(described("Updating", PendingDeploymentSummary=pending))
    assert [slot.name for slot in live.slots] == ["v1", "v2"]
    assert [(slot.name, slot.weight) for slot in live.coming] == [("v1", 1.0)]
    assert (live.config, live.pending) == ("two", "one")


@pytest.mark.parametrize("status", ["Creating", "Deleting", "Failed", "OutOfService"])
def test_what_answers_nobody_serves_nothing(status: str) -> None:
    assert read(described(status)).slots == ()


def test_what_never_changes_is_asked_for_once() -> None:
    answers = Answers(described(config="named", ProductionVariants=[variant("live", 1.0)]))
    describer = Describer(answers, "e")
    for _ in range(3):
        live = describer.read()
        assert live is not None
        assert [(slot.name, slot.version) for slot in live.slots] == [("live", 2)]
    assert answers.asked == ["named", "m2"]


def test_a_reason_is_one_line() -> None:
    assert read(described(FailureReason="The container\n  died.")).reason == "The container died."
