"""Captured answers and ground truth as JSON lines in the forms of SageMaker's Model Monitor.

The input is captured as the rows that the model saw (``{"instances": [...]}``), also when they came as CSV.
What SageMaker does not know stands under ``mlops``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from airflow_mlops.core.serving.capture import CaptureRecord, Chosen, GroundTruth, Role

JSON = "application/json"


class _Data(msgspec.Struct, rename="camel"):
    observed_content_type: str
    mode: str
    data: str
    encoding: str = "JSON"


class _CaptureData(msgspec.Struct, rename="camel"):
    endpoint_input: _Data
    endpoint_output: _Data


class _Event(msgspec.Struct, rename="camel", omit_defaults=True):
    event_id: str
    inference_id: str | None = None
    inference_time: datetime | None = None


class _CaptureExtra(msgspec.Struct, rename="camel", omit_defaults=True):
    model: str
    variant: str
    role: Role
    latency_ms: float
    status: int
    key: str
    deployment: int
    chosen: Chosen = "split"


class _CaptureLine(msgspec.Struct, rename="camel"):
    capture_data: _CaptureData
    event_metadata: _Event
    mlops: _CaptureExtra
    event_version: str = "0"


class Captured(msgspec.Struct):
    """An answer on its way to a line: the fields of :class:`CaptureRecord`, not validated.

    The server made or checked them all; pydantic would take as long as a row's share of a prediction.
    """

    event_id: str
    inference_id: str
    variant: str
    role: Role
    at: datetime
    latency_ms: float
    status: int
    key: str
    rows: Sequence[Mapping[str, Any]]
    predictions: Sequence[float] | None
    deployment: int
    chosen: Chosen


class _Input(msgspec.Struct):
    instances: tuple[dict[str, Any], ...]


class _Output(msgspec.Struct):
    predictions: tuple[float, ...]


class _Truth(msgspec.Struct):
    data: str
    encoding: str = "CSV"


class _TruthExtra(msgspec.Struct):
    row: int
    at: datetime


class _TruthLine(msgspec.Struct, rename="camel"):
    ground_truth_data: _Truth
    event_metadata: _Event
    mlops: _TruthExtra
    event_version: str = "0"


_encode = msgspec.json.Encoder().encode
_capture = msgspec.json.Decoder(_CaptureLine)
_truth = msgspec.json.Decoder(_TruthLine)
_input = msgspec.json.Decoder(_Input)
_output = msgspec.json.Decoder(_Output)


def capture_line(model: str, record: CaptureRecord | Captured, error: str = "") -> bytes:
    """One answer as a line with its newline.

    :param error: what is captured as the output when there are no predictions.
    """
    output: Any = {"message": error} if record.predictions is None else {"predictions": record.predictions}
    line = _CaptureLine(
        _CaptureData(
            _Data(JSON, "INPUT", _encode({"instances": record.rows}).decode()),
            _Data(JSON, "OUTPUT", _encode(output).decode()),
        ),
        _Event(record.event_id, record.inference_id, record.at),
        _CaptureExtra(
            model,
            record.variant,
            record.role,
            round(record.latency_ms, 3),
            record.status,
            record.key,
            record.deployment,
            record.chosen,
        ),
    )
    return _encode(line) + b"\n"


def read_capture(line: bytes) -> CaptureRecord:
    """The record in a line of :func:`capture_line`. :raises ValueError: if it is broken."""
    try:
        found = _capture.decode(line)
        data, event, extra = found.capture_data, found.event_metadata, found.mlops
        ok = extra.status == 200
        return CaptureRecord(
            event_id=event.event_id,
            inference_id=event.inference_id or event.event_id,
            variant=extra.variant,
            role=extra.role,
            at=_aware(event.inference_time),
            latency_ms=extra.latency_ms,
            status=extra.status,
            key=extra.key,
            rows=_input.decode(data.endpoint_input.data).instances,
            predictions=_output.decode(data.endpoint_output.data).predictions if ok else None,
            deployment=extra.deployment,
            chosen=extra.chosen,
        )
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


def truth_line(record: GroundTruth) -> bytes:
    """One label as a line with its newline; SageMaker joins it to a capture by ``eventId``."""
    label = int(record.label) if record.label.is_integer() else record.label
    line = _TruthLine(
        _Truth(str(label)),
        _Event(record.inference_id, record.inference_id),
        _TruthExtra(record.row, record.at),
    )
    return _encode(line) + b"\n"


def read_truth(line: bytes) -> GroundTruth:
    """The record in a line of :func:`truth_line`. :raises ValueError: if it is broken."""
    try:
        found = _truth.decode(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None
    event = found.event_metadata
    return GroundTruth(
        inference_id=event.inference_id or event.event_id,
        row=found.mlops.row,
        label=float(found.ground_truth_data.data),
        at=_aware(found.mlops.at),
    )


def _aware(at: datetime | None) -> datetime:
    if at is None or at.tzinfo is None:
        raise ValueError("line has no time with a zone")
    return at
