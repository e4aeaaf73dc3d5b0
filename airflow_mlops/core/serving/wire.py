"""Requests and answers on the wire: JSON and CSV in, JSON and CSV out.

Request bodies, with ``Content-Type`` ``application/json``::

    {"instances": [{"a": 1, "b": "x"}, ...]}
    [{"a": 1, "b": "x"}, ...]
    {"columns": ["a", "b"], "data": [[1, "x"], ...]}

or ``text/csv``: a header line with column names, then one line per row. Without a header the columns stand in
the order of the model's inputs. The first line is a header when it names an input; ``text/csv;
header=present`` or ``header=absent`` (RFC 4180) says so outright. An empty CSV field and a JSON null are
missing values.

Answers: ``{"predictions": [0.1, ...]}``, or with ``Accept: text/csv`` one number per line.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from airflow_mlops.core.errors import RequestError
from airflow_mlops.core.serving.loading import Contract
from airflow_mlops.core.serving.refusal import RefusedError

JSON = "application/json"
CSV = "text/csv"
_FORMS = '{"instances": [{...}]}, [{...}] or {"columns": [...], "data": [[...]]}'

_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


def parse_rows(body: bytes, content_type: str, contract: Contract) -> list[dict[str, Any]]:
    """The rows of a request body, at least one and at most the contract's ``max_rows``.

    Whether they are what the model is called with is for the model to check.

    :raises RequestError: if the body is malformed or has too many rows.
    :raises RefusedError: 415 for another content type.
    """
    if content_type == JSON:
        rows = _json_rows(body)
    else:
        kind, _, parameters = content_type.lower().partition(";")
        if kind.strip() == JSON:
            rows = _json_rows(body)
        elif kind.strip() == CSV:
            rows = _csv_rows(body, parameters, contract)
        else:
            raise RefusedError(
                415, "content type is unknown", given=content_type or "none", expected=f"{JSON} or {CSV}"
            )
    if not rows:
        raise RequestError("request has no rows", expected="at least one row")
    if len(rows) > contract.serving.max_rows:
        raise RequestError(
            "request has too many rows",
            given=len(rows),
            expected=f"at most {contract.serving.max_rows}",
            remedy="send several requests, or raise serving.max_rows in the spec",
        )
    return rows


def accepted(accept: str) -> str:
    """The content type of the answer. :raises RefusedError: 406 if the caller takes neither JSON nor CSV."""
    if accept in ("", "*/*", JSON):
        return JSON
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for kind in kinds:
        if kind in (JSON, "*/*", "application/*"):
            return JSON
        if kind in (CSV, "text/*"):
            return CSV
    raise RefusedError(406, "no such answer", given=f"Accept: {accept}"[:100], expected=f"{JSON} or {CSV}")


def answer_body(predictions: Sequence[float], content_type: str) -> bytes:
    """The predictions in the form of ``content_type``."""
    if content_type == CSV:
        return "".join(f"{value!r}\n" for value in predictions).encode()
    return encode({"predictions": predictions})


def parse_json(body: bytes) -> Any:
    """Any JSON value. :raises RequestError: if the body is not JSON."""
    try:
        return _decode(body)
    except RecursionError:
        raise RequestError("body is nested too deeply") from None
    except UnicodeDecodeError:
        raise RequestError("body is not JSON", given="bytes that are not UTF-8") from None
    except msgspec.MsgspecError as error:
        given = "an empty body" if not body.strip() else str(error)
        raise RequestError(
            "body is not JSON",
            given=given,
            remedy="NaN and Infinity are not JSON either: send null for a missing value",
        ) from None


def _json_rows(body: bytes) -> list[dict[str, Any]]:
    value = parse_json(body)
    if type(value) is dict:
        if value.keys() == {"instances"}:
            value = value["instances"]
        elif value.keys() == {"columns", "data"}:
            return _table_rows(value["columns"], value["data"])
    if type(value) is not list:
        given = f"fields {', '.join(map(str, value))}"[:100] if type(value) is dict else type(value).__name__
        raise RequestError("body has another form", given=given, expected=_FORMS)
    for number, row in enumerate(value):
        if type(row) is not dict:
            raise RequestError(f"row {number} is not an object", given=type(row).__name__, expected=_FORMS)
    return value


def _table_rows(columns: Any, data: Any) -> list[dict[str, Any]]:
    if type(columns) is not list or type(data) is not list or not all(type(name) is str for name in columns):
        raise RequestError("columns and data are lists, columns of names", expected=_FORMS)
    _check_distinct(columns)
    rows = []
    for number, values in enumerate(data):
        if type(values) is not list or len(values) != len(columns):
            given = f"{len(values)} values" if type(values) is list else type(values).__name__
            raise RequestError(
                f"row {number} does not fit the columns", given=given, expected=f"{len(columns)} values"
            )
        rows.append(dict(zip(columns, values, strict=True)))
    return rows


def _csv_rows(body: bytes, parameters: str, contract: Contract) -> list[dict[str, Any]]:
    try:
        lines = [
            line
            for line in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
            if line
        ]
    except UnicodeDecodeError:
        raise RequestError("body is not CSV", given="bytes that are not UTF-8") from None
    except csv.Error as error:
        raise RequestError("body is not CSV", given=str(error)) from None
    if not lines:
        raise RequestError("request has no rows", given="an empty body", expected="at least one row")
    names = [column.name for column in contract.inputs]
    if _has_header(lines[0], parameters, names):
        names = [name.strip() for name in lines.pop(0)]
        _check_distinct(names)
    types = {column.name: column.type for column in contract.inputs}
    rows = []
    for number, fields in enumerate(lines):
        if len(fields) != len(names):
            raise RequestError(
                f"row {number} does not fit the columns",
                given=f"{len(fields)} fields",
                expected=f"{len(names)}: {', '.join(names)}"[:300],
            )
        pairs = zip(names, fields, strict=True)
        rows.append({name: _typed(number, name, text, types.get(name, "string")) for name, text in pairs})
    return rows


def _has_header(first: list[str], parameters: str, names: Sequence[str]) -> bool:
    said = parameters.replace(" ", "")
    if "header=present" in said:
        return True
    if "header=absent" in said:
        return False
    return any(field.strip() in names for field in first)


def _check_distinct(names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise RequestError("a column is named twice", given=", ".join(twice)[:100])


def _typed(row: int, name: str, text: str, kind: str) -> Any:
    """A CSV field as the JSON value that it stands for."""
    if text == "":
        return None
    if kind == "number":
        return _number(row, name, text)
    if kind == "boolean":
        flag = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
        if flag is None:
            raise RequestError(
                f"row {row}: {name} is not a boolean", given=text[:60], expected="true or false"
            )
        return flag
    return text


def _number(row: int, name: str, text: str) -> float | int:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RequestError(
            f"row {row}: {name} is not a number",
            given=text[:60],
            expected="a finite number, or an empty field for a missing value",
        )
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
