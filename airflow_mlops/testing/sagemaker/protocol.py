"""From an HTTP request to an operation's parameters, and back; both are checked by botocore's service models."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl

from airflow_mlops.testing.sagemaker.api import ApiError
from airflow_mlops.testing.sagemaker.validation import problems

_TARGETS = {
    "SageMaker": "sagemaker",
    "Logs_20140328": "logs",
    "AnyScaleFrontendService": "application-autoscaling",
    "GraniteServiceVersion20100801": "cloudwatch",
}
#: How a service calls a request that does not fit, where it is not ``ValidationException``.
_INVALID = {"logs": "InvalidParameterException", "cloudwatch": "ValidationError"}
#: Members that the model requires of an answer and AWS may leave out, with a value that fits: a version in the model
#: registry has no name (https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-details.html).
_LEFT_OUT = {"DescribeModelPackage": {"ModelPackageName": "none"}}
CBOR = "application/cbor"


@dataclass(frozen=True)
class Call:
    """One request to a control plane.

    :param form: ``json``, ``cbor`` or ``query``: how it came and is answered.
    """

    service: str
    operation: str
    params: dict[str, Any]
    form: str


@functools.cache
def model_of(service: str) -> Any:
    """Botocore's model of a service."""
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


def parse_call(headers: Mapping[str, str], path: str, body: bytes) -> Call:
    """The call in a request.

    :param headers: with names in lower case.
    :raises ApiError: if it is none that is known, or the parameters do not fit the operation's model.
    """
    if target := headers.get("x-amz-target"):
        prefix, _, name = target.partition(".")
        service, form, raw = _TARGETS.get(prefix, prefix), "json", json.loads(body or b"{}")
    elif path.startswith("/service/"):
        import cbor2

        _, _, prefix, _, name = path.split("/", 4)
        service, form, raw = _TARGETS.get(prefix, prefix), "cbor", cbor2.loads(body) if body else {}
    else:
        fields = dict(parse_qsl(body.decode()))
        name, service, form = fields.pop("Action", ""), "sts", "query"
        raw = {key: value for key, value in fields.items() if key != "Version"}
    try:
        shape = model_of(service).operation_model(name).input_shape
    except Exception:
        raise ApiError("UnknownOperationException", f"{service}:{name} is unknown", 404) from None
    params = _read(shape, raw) if shape is not None else raw
    _check(shape, params, _INVALID.get(service, "ValidationException"))
    return Call(service, name, params, form)


def check_answer(call: Call, answer: dict[str, Any]) -> None:
    """:raises ApiError: 500, if an operation's answer does not fit its model: a defect of the simulator."""
    shape = model_of(call.service).operation_model(call.operation).output_shape
    left_out = {
        name: value for name, value in _LEFT_OUT.get(call.operation, {}).items() if name not in answer
    }
    _check(shape, {**answer, **left_out}, "InternalFailure", 500)


def encode(call: Call, answer: dict[str, Any]) -> tuple[bytes, str]:
    """The body and its content type."""
    if call.form == "cbor":
        import cbor2

        return cbor2.dumps(answer, timezone=timezone.utc), CBOR
    if call.form == "query":
        inner = "".join(f"<{key}>{value}</{key}>" for key, value in answer.items())
        name = call.operation
        text = f"<{name}Response><{name}Result>{inner}</{name}Result></{name}Response>"
        return text.encode(), "text/xml"
    return json.dumps(answer, default=_plain).encode(), "application/x-amz-json-1.1"


def encode_error(form: str, error: ApiError) -> tuple[bytes, str]:
    """The body and content type of an error."""
    if form == "cbor":
        import cbor2

        return cbor2.dumps({"__type": error.code, "message": error.message, **error.fields}), CBOR
    if form == "query":
        inner = f"<Code>{error.code}</Code><Message>{error.message}</Message>"
        return f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>".encode(), "text/xml"
    body = {"__type": error.code, "message": error.message, "Message": error.message, **error.fields}
    return json.dumps(body).encode(), "application/x-amz-json-1.1"


def _read(shape: Any, value: Any) -> Any:
    """The value with times as datetimes."""
    if value is None:
        return None
    if shape.type_name == "structure" and isinstance(value, dict):
        return {
            key: _read(shape.members[key], one) if key in shape.members else one
            for key, one in value.items()
            if one is not None
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_read(shape.member, one) for one in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _read(shape.value, one) for key, one in value.items()}
    if shape.type_name == "timestamp" and isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, timezone.utc)
    return value


def _check(shape: Any, params: dict[str, Any], code: str, status: int = 400) -> None:
    report = problems(shape, params)
    if report is not None:
        raise ApiError(code, report, status)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{type(value).__name__} can't be sent")
