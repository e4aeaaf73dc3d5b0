"""SageMaker's capture lines as records of answers."""

from __future__ import annotations

import base64
import json
import math
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_mlops.core.registry.deployments import Desired
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.loading import Contract
from airflow_mlops.core.serving.sagemaker.capture_lines import Captured, Place, read_capture
from airflow_mlops.core.serving.split import key_of
from airflow_mlops.core.training.artifact import InputColumn
from airflow_mlops.spec import Serving

ROW = {"x": 1.5, "carrier": "UA"}
REQUEST = {"instances": [ROW]}
CONTRACT = Contract(
    (InputColumn(name="x", type="number"), InputColumn(name="carrier", type="string")),
    Serving(key=("carrier",)),
)
CANARY = Desired(number=5, mode="canary", champion=1, challenger=2, weight=0.5)
SHADOW = Desired(number=5, mode="shadow", champion=1, challenger=2)


def part(data: object, kind: str = "application/json", encoding: str = "JSON") -> dict[str, str]:
    text = data if isinstance(data, str) else json.dumps(data)
    return {"observedContentType": kind, "mode": "INPUT", "data": text, "encoding": encoding}


def line(output: Any, request: Any = None, **event: Any) -> bytes:
    given = output if isinstance(output, dict) and "encoding" in output else part(output)
    body = {
        "captureData": {"endpointInput": request or part(REQUEST), "endpointOutput": given},
        "eventMetadata": {"eventId": "e1", "inferenceTime": "2026-07-01T10:00:05Z", **event},
        "eventVersion": "0",
    }
    return json.dumps(body).encode()


def read(raw: bytes, folder: str = "v2", serving: Desired | None = CANARY) -> Captured:
    return read_capture(raw, Place("flight", folder, lambda at: serving, lambda version: CONTRACT))


def only(raw: bytes, folder: str = "v2", serving: Desired | None = CANARY) -> CaptureRecord:
    captured = read(raw, folder, serving)
    assert len(captured.records) == 1
    return captured.records[0]


def answer(**mlops: Any) -> dict[str, Any]:
    return {"predictions": [0.25], "mlops": {"variant": "v2", "latency_ms": 1.5, "status": 200, **mlops}}


def test_an_answer_of_our_container() -> None:
    assert only(line(answer(), inferenceId="mine")) == CaptureRecord(
        event_id="e1",
        inference_id="mine",
        variant="v2",
        role="challenger",
        at=datetime(2026, 7, 1, 10, 0, 5, tzinfo=timezone.utc),
        latency_ms=1.5,
        status=200,
        key=key_of("flight", ROW, ("carrier",), "mine"),
        rows=(ROW,),
        predictions=(0.25,),
        deployment=5,
    )


@pytest.mark.parametrize(
    "output",
    [
        {"predictions": [0.25]},
        [0.25],
        part("0.25\n", "text/csv", "CSV"),
        part(base64.b64encode(b"0.25\n").decode(), "text/csv; charset=utf-8", "BASE64"),
        part(base64.b64encode(b'{"predictions": [0.25]}').decode(), "application/json", "BASE64"),
    ],
)
def test_an_answer_that_says_nothing_of_itself(output: Any) -> None:
    record = only(line(output))
    assert (record.predictions, record.status, record.variant) == ((0.25,), 200, "v2")
    assert math.isnan(record.latency_ms)
    assert record.inference_id == "e1"


@pytest.mark.parametrize(
    "request_",
    [
        part([ROW]),
        part("1.5,UA\n", "text/csv", "CSV"),
        part("carrier,x\nUA,1.5\n", "text/csv", "CSV"),
        part(base64.b64encode(b"1.5,UA\n").decode(), "text/csv", "BASE64"),
        part(base64.b64encode(json.dumps(REQUEST).encode()).decode(), "application/json", "BASE64"),
    ],
)
def test_forms_of_a_request(request_: dict[str, str]) -> None:
    assert only(line(answer(), request_)).rows == (ROW,)


def test_a_request_that_was_not_captured_has_no_rows() -> None:
    raw = json.loads(line(answer()))
    del raw["captureData"]["endpointInput"]
    assert only(json.dumps(raw).encode()).rows == ()


@pytest.mark.parametrize(
    "folder, serving, role",
    [
        ("v1", CANARY, "champion"),
        ("v2", CANARY, "challenger"),
        ("v1", SHADOW, "champion"),
        ("v2", SHADOW, "shadow"),
        ("v3", CANARY, "challenger"),
        ("fallback", CANARY, "fallback"),
        ("v1", None, "champion"),
    ],
)
def test_the_deployment_says_the_role(folder: str, serving: Desired | None, role: str) -> None:
    record = only(line({"predictions": [0.25]}), folder, serving)
    assert (record.variant, record.role) == (folder, role)
    assert record.deployment == (5 if serving else 0)


def test_the_two_answers_to_one_request_are_two_events() -> None:
    live = only(line(answer(variant="v1"), inferenceId="mine"), "v1", SHADOW)
    copy = only(line(answer(), inferenceId="mine"), "v2", SHADOW)
    assert live.inference_id == copy.inference_id
    assert live.event_id != copy.event_id
    assert (live.chosen, copy.chosen) == ("split", "shadow")


def test_a_request_that_names_its_variant_is_no_fair_sample() -> None:
    raw = line(answer(), customAttributes=["mlops-chosen=target"])
    assert only(raw).chosen == "target"
    assert only(line(answer(), customAttributes=["theirs"])).chosen == "split"


def test_where_the_rule_steps_in_both_are_told() -> None:
    captured = read(line(answer(variant="fallback", status=500)))
    own, rule = captured.records
    assert not captured.failed
    assert (own.variant, own.status, own.predictions, own.role) == ("v2", 500, None, "challenger")
    assert (rule.variant, rule.status, rule.predictions, rule.role) == ("fallback", 200, (0.25,), "fallback")
    assert rule.chosen == "failover"
    assert own.event_id != rule.event_id


def test_a_failed_shadow_is_captured_as_failed() -> None:
    output = {
        "predictions": None,
        "mlops": {"variant": "v2", "latency_ms": 2, "status": 500, "error": "broken"},
    }
    captured = read(line(output), serving=SHADOW)
    assert not captured.failed
    assert (captured.records[0].status, captured.records[0].predictions) == (500, None)


def test_an_error_that_reached_the_caller_is_marked() -> None:
    captured = read(line({"message": "model is broken"}))
    assert captured.failed
    assert (captured.records[0].status, captured.records[0].predictions) == (500, None)


def test_behind_the_constant_name_the_answer_says_its_version() -> None:
    champion = Desired(number=5, mode="champion", champion=2)
    assert only(line(answer(variant="v3")), "live", champion).variant == "v3"
    assert only(line({"predictions": [0.25]}), "live", champion).variant == "v2"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        line({"something": 1}),
        line({"predictions": ["a"]}),
        line(part("a,b", "text/csv", "CSV")),
        line(part("%%%", "text/csv", "BASE64")),
        line(part("x", "application/json", "OTHER")),
        line(answer(), part("{")),
        line(answer(), part("1,2,3", "text/csv", "CSV")),
        line(answer(), part("x", "application/x-parquet")),
        line(answer(), inferenceTime="2026-07-01T10:00:05"),
        line(answer(), inferenceTime="yesterday"),
    ],
)
def test_broken_lines_are_said(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read(raw)
