"""Model cards: https://docs.aws.amazon.com/sagemaker/latest/dg/model-cards.html."""

from __future__ import annotations

import json
from typing import Any

from airflow_mlops.testing.sagemaker.api import ApiError, invalid, operation
from airflow_mlops.testing.sagemaker.listing import chosen, only, page
from airflow_mlops.testing.sagemaker.records import Record, Records
from airflow_mlops.testing.sagemaker.simulator import Simulator
from airflow_mlops.testing.sagemaker.tags import Tags

_SUMMARY = ("ModelCardName", "ModelCardArn", "ModelCardStatus", "CreationTime", "LastModifiedTime")
_VERSION = (*_SUMMARY, "ModelCardVersion")
#: Sections of the card's schema and their members; None for those whose members are free or lists.
#: https://docs.aws.amazon.com/sagemaker/latest/dg/model-cards.html#model-cards-json-schema
_SCHEMA: dict[str, frozenset[str] | None] = {
    "model_overview": frozenset(
        {
            "model_description",
            "model_owner",
            "algorithm_type",
            "problem_type",
            "model_creator",
            "model_artifact",
            "model_id",
            "model_name",
            "model_version",
            "inference_environment",
        }
    ),
    "model_package_details": None,
    "intended_uses": frozenset(
        {
            "purpose_of_model",
            "intended_uses",
            "factors_affecting_model_efficiency",
            "risk_rating",
            "explanations_for_risk_rating",
        }
    ),
    "business_details": frozenset({"business_problem", "business_stakeholders", "line_of_business"}),
    "training_details": frozenset({"objective_function", "training_observations", "training_job_details"}),
    "evaluation_details": None,
    "additional_information": frozenset(
        {"ethical_considerations", "caveats_and_recommendations", "custom_details"}
    ),
}


class Cards:
    """The room: the newest version of each card by name, and all versions by name and number."""

    def __init__(self, simulator: Simulator) -> None:
        self.newest = Records(simulator)
        self.versions = Records(simulator)

    def put(self, record: Record) -> None:
        """Keep a version, which is the newest one now."""
        name = record["ModelCardName"]
        self.versions.put(f"{name}/{record['ModelCardVersion']:09d}", dict(record))
        self.newest.put(name, record)


@operation("sagemaker", "CreateModelCard")
def create_model_card(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Version 1 of a card."""
    room, name = simulator.room(Cards), params["ModelCardName"]
    arn = simulator.arn("model-card", name)
    if name in room.newest:
        raise ApiError("ConflictException", f"Modelcard already exists: {arn}")
    _check_content(params["Content"])
    simulator.room(Tags).register(arn, params.get("Tags"))
    now = simulator.clock.now()
    room.put(
        {
            **only(params, "ModelCardName", "Content", "ModelCardStatus", "SecurityConfig"),
            "ModelCardArn": arn,
            "ModelCardVersion": 1,
            "CreationTime": now,
            "CreatedBy": {},
            "LastModifiedTime": now,
            "LastModifiedBy": {},
        }
    )
    return {"ModelCardArn": arn}


@operation("sagemaker", "UpdateModelCard")
def update_model_card(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Other content is a new version; another status is not. Both at once are refused, as the API says."""
    room = simulator.room(Cards)
    record = _present(room, _name(params))
    content, status = params.get("Content"), params.get("ModelCardStatus")
    if content is not None and status is not None:
        raise invalid("You cannot update both model card content and model card status in a single call.")
    changed = {**record, "LastModifiedTime": simulator.clock.now(), "LastModifiedBy": {}}
    if content is not None:
        if record["ModelCardStatus"] == "Archived":
            raise ApiError("ConflictException", "Model Card is in Archived state.")
        _check_content(content)
        changed |= {"Content": content, "ModelCardVersion": record["ModelCardVersion"] + 1}
    if status is not None:
        changed["ModelCardStatus"] = status
    room.put(changed)
    return {"ModelCardArn": record["ModelCardArn"]}


@operation("sagemaker", "DescribeModelCard")
def describe_model_card(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """The newest version of a card, or another one."""
    room, name = simulator.room(Cards), _name(params)
    number = params.get("ModelCardVersion")
    found = room.newest.seen(name) if number is None else room.versions.seen(f"{name}/{number:09d}")
    if found is None:
        raise _missing(name)
    return found


@operation("sagemaker", "ListModelCards")
def list_model_cards(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of cards."""
    given = _with_status(params)
    found = chosen(
        simulator.room(Cards).newest.all_seen(), given, name="ModelCardName", status="ModelCardStatus"
    )
    shown, more = page(found, params, lambda one: only(one, *_SUMMARY))
    return {"ModelCardSummaries": shown, **more}


@operation("sagemaker", "ListModelCardVersions")
def list_model_card_versions(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of the versions of a card."""
    room, name = simulator.room(Cards), _name(params)
    versions = [one for one in room.versions.all_seen() if one["ModelCardName"] == name]
    if not versions:
        raise _missing(name)
    given = {**_with_status(params), "SortBy": "Name"}
    found = chosen(versions, given, name="ModelCardVersion", status="ModelCardStatus")
    shown, more = page(found, params, lambda one: only(one, *_VERSION))
    return {"ModelCardVersionSummaryList": shown, **more}


@operation("sagemaker", "DeleteModelCard")
def delete_model_card(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A card with all its versions."""
    room = simulator.room(Cards)
    record = _present(room, _name(params))
    for number in range(1, record["ModelCardVersion"] + 1):
        room.versions.remove(f"{record['ModelCardName']}/{number:09d}")
    room.newest.remove(record["ModelCardName"])
    simulator.room(Tags).forget(record["ModelCardArn"])
    return {}


def _check_content(content: str) -> None:
    """:raises ApiError: if the content is no JSON, or has members that the schema does not have."""
    try:
        read = json.loads(content)
    except ValueError as error:
        raise invalid(f"Model card content is not valid JSON: {error}") from None
    if not isinstance(read, dict):
        raise invalid("Model card content must be a JSON object.")
    for section, value in read.items():
        if section not in _SCHEMA:
            raise invalid(f"Model card content does not match its schema: unknown section {section}")
        members = _SCHEMA[section]
        unknown = sorted(set(value) - members) if members is not None and isinstance(value, dict) else []
        if unknown:
            raise invalid(
                f"Model card content does not match its schema: unknown in {section}: {', '.join(unknown)}"
            )


def _name(params: dict[str, Any]) -> str:
    """The card's name, from its name or ARN."""
    name: str = params["ModelCardName"]
    return name.rpartition("/")[2]


def _with_status(params: dict[str, Any]) -> dict[str, Any]:
    status = params.get("ModelCardStatus")
    return {**params, "StatusEquals": status} if status else dict(params)


def _present(room: Cards, name: str) -> Record:
    record = room.newest.get(name)
    if record is None:
        raise _missing(name)
    return record


def _missing(name: str) -> ApiError:
    return ApiError("ResourceNotFound", f"Model card {name} does not exist.")
