"""Labels as callers send them."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from airflow_mlops.core.errors import RequestError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving.capture import GroundTruth
from airflow_mlops.core.serving.wire import parse_json

_FORM = '{"records": [{"inference_id": "...", "row": 0, "label": 1}]}'


class _Label(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inference_id: str = Field(min_length=1, max_length=64)
    row: int = Field(0, ge=0, strict=True)
    label: float = Field(allow_inf_nan=False, strict=True)
    at: AwareDatetime | None = None


def parse_labels(body: bytes) -> list[GroundTruth]:
    """The labels of a request: ``{"records": [...]}`` or the bare list; ``row`` is 0 and ``at`` is now unless
    given.

    :raises RequestError: if the body is malformed, naming the record and the field.
    """
    value = parse_json(body)
    if isinstance(value, dict) and value.keys() == {"records"}:
        value = value["records"]
    if not isinstance(value, list) or not value:
        raise RequestError("body has another form", given=type(value).__name__, expected=_FORM)
    now = utc_now()
    labels = [_label(number, one) for number, one in enumerate(value)]
    return [
        GroundTruth(inference_id=one.inference_id, row=one.row, label=one.label, at=one.at or now)
        for one in labels
    ]


def _label(number: int, value: Any) -> _Label:
    try:
        return _Label.model_validate(_plain(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "record"
        raise RequestError(
            f"record {number}: {place}", given=repr(first["input"])[:80], expected=first["msg"]
        ) from None


def _plain(value: Any) -> Any:
    """Labels of a classification may come as true and false."""
    if isinstance(value, dict) and isinstance(value.get("label"), bool):
        return {**value, "label": int(value["label"])}
    return value
