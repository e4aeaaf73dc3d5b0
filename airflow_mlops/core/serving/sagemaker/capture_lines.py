"""One line of SageMaker's data capture as our records of answers.

SageMaker knows the request, the answer and the second. The rest stands in the answers of our container, under
``mlops``; an answer without that part counts as given by the variant in whose folder it lies.
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from airflow_mlops.core.errors import RequestError
from airflow_mlops.core.registry.deployments import Desired
from airflow_mlops.core.serving.capture import CaptureRecord, Chosen, Role
from airflow_mlops.core.serving.fallback import VARIANT as FALLBACK
from airflow_mlops.core.serving.loading import Contract
from airflow_mlops.core.serving.sagemaker.layout import LIVE, variant_of, version_of
from airflow_mlops.core.serving.split import key_of
from airflow_mlops.core.serving.wire import CSV, JSON, parse_rows

#: What our client says, in the request's custom attributes, of a request that names its variant.
TARGETED = "mlops-chosen=target"


class _Data(msgspec.Struct, rename="camel"):
    data: str = ""
    observed_content_type: str = ""
    encoding: Literal["JSON", "CSV", "BASE64"] = "JSON"


class _CaptureData(msgspec.Struct, rename="camel"):
    endpoint_output: _Data
    endpoint_input: _Data | None = None


class _Event(msgspec.Struct, rename="camel"):
    event_id: str
    inference_time: datetime
    inference_id: str | None = None
    custom_attributes: list[str] = msgspec.field(default_factory=list)


class _Line(msgspec.Struct, rename="camel"):
    capture_data: _CaptureData
    event_metadata: _Event


class _Extra(msgspec.Struct):
    """What our container says of an answer."""

    variant: str | None = None
    latency_ms: float = math.nan
    status: int = 200


class _Output(msgspec.Struct):
    predictions: tuple[float, ...] | None = None
    mlops: _Extra | None = None
    message: str | None = None


_line = msgspec.json.Decoder(_Line)
_output = msgspec.json.Decoder(_Output)
_numbers = msgspec.json.Decoder(tuple[float, ...])


@dataclass(frozen=True)
class Place:
    """What is known of a line beside itself.

    :param folder: the variant in whose folder it lies.
    :param serving: what was served at a moment, None before the first proof.
    :param contract: of a version, for the columns of CSV and of the key.
    """

    model: str
    folder: str
    serving: Callable[[datetime], Desired | None]
    contract: Callable[[int | None], Contract]


@dataclass(frozen=True)
class Captured:
    """What a line tells: the answer of the variant; where that failed and the rule stepped in, the rule's too.

    :param failed: whether the caller got an error, which CloudWatch counts as well.
    """

    records: tuple[CaptureRecord, ...]
    failed: bool


def read_capture(line: bytes, place: Place) -> Captured:
    """The records in a line. :raises ValueError: if it is broken."""
    try:
        found = _line.decode(line)
        event, data = found.event_metadata, found.capture_data
        if event.inference_time.tzinfo is None:
            raise ValueError("line has no time with a zone")
        output = _read_output(data.endpoint_output)
        serving = place.serving(event.inference_time)
        variant = _variant(place.folder, output, serving)
        contract = place.contract(version_of(variant))
        rows = _read_rows(data.endpoint_input, contract)
    except (msgspec.MsgspecError, RecursionError, RequestError, binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    return _records(place, event, output, serving, variant, rows, contract)


def _records(
    place: Place,
    event: _Event,
    output: _Output,
    serving: Desired | None,
    variant: str,
    rows: list[dict[str, Any]],
    contract: Contract,
) -> Captured:
    extra = output.mlops or _Extra(status=200 if output.predictions is not None else 500)
    inference_id = event.inference_id or event.event_id
    role = role_of(variant, serving)
    own = CaptureRecord(
        event_id=event.event_id if role != "shadow" else f"{event.event_id}-shadow",
        inference_id=inference_id,
        variant=variant,
        role=role,
        at=event.inference_time,
        latency_ms=extra.latency_ms,
        status=extra.status,
        key=key_of(place.model, rows[0] if rows else {}, contract.serving.key, inference_id),
        rows=tuple(rows),
        predictions=output.predictions if extra.status == 200 else None,
        deployment=serving.number if serving is not None else 0,
        chosen=_chosen(role, event),
    )
    by_rule = extra.variant == FALLBACK and variant != FALLBACK and output.predictions is not None
    if not by_rule:
        return Captured((own,), failed=output.predictions is None and role != "shadow")
    instead = own.model_copy(
        update={
            "event_id": f"{own.event_id}-{FALLBACK}",
            "variant": FALLBACK,
            "role": "fallback",
            "status": 200,
            "predictions": output.predictions,
            "chosen": "failover",
        }
    )
    return Captured((own, instead), failed=False)


def role_of(variant: str, serving: Desired | None) -> Role:
    """The part that a variant has in a deployment; one that has none any more, or not yet, is a challenger."""
    if variant == FALLBACK:
        return "fallback"
    if serving is None or variant == f"v{serving.champion}":
        return "champion"
    shadow = serving.mode == "shadow" and variant == f"v{serving.challenger}"
    return "shadow" if shadow else "challenger"


def _variant(folder: str, output: _Output, serving: Desired | None) -> str:
    """Who answered: the folder's variant; behind the constant name, who says so itself."""
    if folder != LIVE:
        return folder
    said = output.mlops.variant if output.mlops is not None else None
    if said is not None and version_of(said) is not None:
        return said
    return variant_of(serving.champion if serving is not None else None)


def _chosen(role: Role, event: _Event) -> Chosen:
    if role == "shadow":
        return "shadow"
    return "target" if any(TARGETED in one for one in event.custom_attributes) else "split"


def _read_output(data: _Data) -> _Output:
    body = _bytes(data)
    kind = data.observed_content_type.partition(";")[0].strip().lower()
    if kind == CSV or (not kind and data.encoding == "CSV"):
        return _Output(predictions=tuple(map(float, body.decode().replace(",", "\n").split())))
    if body.lstrip()[:1] == b"[":
        return _Output(predictions=_numbers.decode(body))
    found = _output.decode(body)
    if found.predictions is None and found.mlops is None and found.message is None:
        raise ValueError("answer holds no predictions")
    return found


def _read_rows(data: _Data | None, contract: Contract) -> list[dict[str, Any]]:
    """The request's rows; none where SageMaker was told not to capture requests."""
    if data is None:
        return []
    kind = data.observed_content_type or (CSV if data.encoding == "CSV" else JSON)
    return parse_rows(_bytes(data), kind, contract)


def _bytes(data: _Data) -> bytes:
    return base64.b64decode(data.data, validate=True) if data.encoding == "BASE64" else data.data.encode()
