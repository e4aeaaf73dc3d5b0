"""Model cards against AWS's schema, as its own SDK writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_mlops.core.evaluation.report import SliceMetrics
from airflow_mlops.core.registry.model_card import card_content
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Store
from tests.core.registry.world import evaluation, register, spec

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"
URL = "s3://bucket/mlops/sagemaker/models/orders/1/model.tar.gz"
#: Fields of the overview that the schema of cards outside of model packages has besides those in the SDK's class.
OVERVIEW = {"model_name", "model_version", "inference_environment"}


def card(record: ModelVersion, number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(card_content(number, record, image=IMAGE, artifact_url=URL))
    return found


def strangers(given: Any, read: Any, path: str = "") -> list[str]:
    """What is in ``given`` and was not understood."""
    if isinstance(given, dict):
        return [
            one
            for key, value in given.items()
            for one in (
                strangers(value, read[key], f"{path}.{key}") if read and key in read else [f"{path}.{key}"]
            )
        ]
    if isinstance(given, list):
        pairs = zip(given, read or [None] * len(given), strict=True)
        return [one for a, b in pairs for one in strangers(a, b, f"{path}[]")]
    return []


def test_what_a_card_says(store: Store) -> None:
    number, record = register(store, spec=spec(description="Late\norders", owner="ann"))
    found = card(record, number)
    overview = found["model_overview"]
    assert overview["model_description"] == "Late orders"
    assert (overview["model_version"], overview["model_owner"]) == (1, "ann")
    assert overview["model_artifact"] == [URL]
    assert overview["inference_environment"] == {"container_image": [IMAGE]}
    assert found["evaluation_details"][0]["metric_groups"] == [
        {"name": "all rows", "metric_data": [{"name": "auc", "type": "number", "value": 0.5}]}
    ]
    assert found["additional_information"]["custom_details"]["artifact_sha256"] == record.trained.artifact
    assert found["training_details"]["training_job_details"]["training_datasets"] == ["orders@d1"]


def test_what_people_wrote_for_the_model_s_card_stands_in_sagemaker_s_too(store: Store) -> None:
    texts = {"purpose": "Finds late orders.", "users": "Dispatchers.", "limits": "No strikes.", "risks": "Waits.",
             "out_of_scope": "Wages."}  # fmt: skip
    asked = spec(owner="ann", team="logistics", contact="logistics@example.com", card=texts)
    _, record = register(store, spec=asked)
    found = card(record)
    assert found["model_overview"]["model_owner"] == "ann, logistics, logistics@example.com"
    assert found["intended_uses"] == {
        "purpose_of_model": "Finds late orders.",
        "intended_uses": "Dispatchers.",
        "factors_affecting_model_efficiency": "No strikes.",
        "risk_rating": "Unknown",
        "explanations_for_risk_rating": "Waits.",
    }
    assert found["additional_information"]["caveats_and_recommendations"] == "Out of scope: Wages."


def test_the_same_record_gives_the_same_card(store: Store) -> None:
    _, record = register(store)
    first = card_content(1, record, image=IMAGE, artifact_url=URL)
    assert first == card_content(1, ModelVersion.from_bytes(record.to_bytes()), image=IMAGE, artifact_url=URL)
    assert "\n" not in first


def test_the_sdk_of_aws_understands_every_field(store: Store) -> None:
    shapes = pytest.importorskip("sagemaker.core.shapes.model_card_shapes")
    found = evaluation().model_copy(
        update={
            "champion": {"auc": 0.4},
            "champion_version": 3,
            "slices": (SliceMetrics(slice="carrier=" + "U" * 300, rows=7, metrics={"auc": 0.1}),),
        }
    )
    params = {f"p{number}": number for number in range(200)}
    said = dict.fromkeys(("purpose", "users", "out_of_scope", "limits", "risks"), "t" * 5000)
    asked = spec(description="d" * 5000, training={"params": {"max_depth": 3}}, card=said)
    _, record = register(store, spec=asked, evaluation=found)
    record = record.model_copy(update={"spec": {**record.spec, "training": {"params": params}}})
    given = card(record)
    # The SDK's class leaves out one level that the schema and CloudFormation's ModelCard have.
    training = given["training_details"]
    training["objective_function"] = training["objective_function"]["function"]
    read = shapes.ModelCardContent.model_validate(given).model_dump(mode="json", exclude_none=True)
    assert strangers(given, read) == [f".model_overview.{name}" for name in sorted(OVERVIEW)]
    assert len(given["training_details"]["training_job_details"]["user_provided_hyper_parameters"]) == 100


def test_numbers_that_json_does_not_know_are_left_out(store: Store) -> None:
    found = evaluation().model_copy(update={"metrics": {"auc": float("nan"), "brier": 0.2}})
    _, record = register(store, evaluation=found)
    data = card(record)["evaluation_details"][0]["metric_groups"][0]["metric_data"]
    assert data == [{"name": "brier", "type": "number", "value": 0.2}]
