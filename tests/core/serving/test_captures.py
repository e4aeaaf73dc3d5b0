from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone

import httpx
import pytest

from airflow_mlops.core.errors import RequestError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.ground_truth import append_ground_truth, read_ground_truth
from airflow_mlops.core.serving.hours import children
from airflow_mlops.core.serving.lines import capture_line, read_capture
from airflow_mlops.core.store import Store
from tests.core.serving.fakes import MODEL, ROW
from tests.waiting import wait_until

NOON = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)


def record(at: datetime = NOON, **changes: object) -> CaptureRecord:
    fields = {
        "event_id": "e1",
        "inference_id": "i1",
        "variant": "v3",
        "role": "challenger",
        "at": at,
        "latency_ms": 1.25,
        "status": 200,
        "key": "00ff00ff00ff00ff",
        "rows": ({"x": 1.5, "carrier": 'a "quoted"\nü', "gone": None},),
        "predictions": (0.25,),
        "deployment": 4,
    }
    return CaptureRecord(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes", [{}, {"status": 500, "predictions": None}, {"chosen": "failover"}, {"role": "shadow"}]
)
def test_line_reads_back_as_it_was(changes: dict[str, object]) -> None:
    line = capture_line(MODEL, record(**changes), "broke")
    assert line.count(b"\n") == 1
    assert read_capture(line) == record(**changes)


def test_line_is_sagemakers() -> None:
    line = json.loads(capture_line(MODEL, record()))
    assert line["eventVersion"] == "0"
    assert line["eventMetadata"] == {
        "eventId": "e1",
        "inferenceId": "i1",
        "inferenceTime": "2026-03-01T12:30:15.123456Z",
    }
    assert line["captureData"]["endpointInput"] == {
        "observedContentType": "application/json",
        "mode": "INPUT",
        "data": '{"instances":[{"x":1.5,"carrier":"a \\"quoted\\"\\nü","gone":null}]}',
        "encoding": "JSON",
    }
    assert line["captureData"]["endpointOutput"]["data"] == '{"predictions":[0.25]}'
    assert line["captureData"]["endpointOutput"]["mode"] == "OUTPUT"
    failed = json.loads(capture_line(MODEL, record(status=500, predictions=None), "broke"))
    assert failed["captureData"]["endpointOutput"]["data"] == '{"message":"broke"}'


def put(store: Store, variant: str, hour: str, name: str, *lines: bytes) -> None:
    store.create(f"captures/{MODEL}/{variant}/{hour}/{name}.jsonl", b"".join(lines))


def test_reading_is_bounded_by_time_and_knows_all_variants(store: Store) -> None:
    for variant in ("v1", "v10", "v2", "fallback"):
        for minutes in (-150, -1, 0, 45):
            at = NOON + timedelta(minutes=minutes)
            line = capture_line(MODEL, record(at, variant=variant))
            put(store, variant, f"{at:%Y/%m/%d/%H}", f"{at:%Y%m%dT%H%M%S}", line)
    assert list(children(store, f"captures/{MODEL}/")) == ["fallback", "v1", "v10", "v2"]
    found = list(read_captures(store, MODEL, NOON))
    assert Counter(one.variant for one in found) == dict.fromkeys(("fallback", "v1", "v10", "v2"), 2)
    assert all(one.at >= NOON for one in found)
    assert [one.at for one in found if one.variant == "v1"] == [NOON, NOON + timedelta(minutes=45)]
    assert list(read_captures(store, MODEL, NOON + timedelta(days=1))) == []
    assert list(read_captures(store, "other", NOON)) == []


def test_old_hours_are_not_even_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "v1", "2026/03/01/11", "a", b"not even JSON")
    put(store, "v1", "2026/03/01/12", "b", capture_line(MODEL, record()))
    assert len(list(read_captures(store, MODEL, NOON))) == 1


def test_file_of_the_hour_before_may_hold_the_first_answers(store: Store) -> None:
    """A file is named by the time of its first line, and takes lines for some seconds more."""
    at = datetime(2026, 3, 1, 13, 0, 0, tzinfo=timezone.utc)
    put(store, "v1", "2026/03/01/12", "a", capture_line(MODEL, record(at)))
    assert len(list(read_captures(store, MODEL, at))) == 1


def test_broken_lines_are_left_out_and_reported(store: Store) -> None:
    good = capture_line(MODEL, record())
    put(store, "v1", "2026/03/01/12", "a", good, b"{}\n", b"\xff\n", b"[" * 5000 + b"\n", good, good[:50])
    broken: list[tuple[str, int]] = []
    found = list(read_captures(store, MODEL, NOON, on_broken=lambda key, line: broken.append((key, line))))
    assert len(found) == 2
    assert [line for _, line in broken] == [2, 3, 4, 6]
    assert len(list(read_captures(store, MODEL, NOON))) == 2


def label(**changes: object) -> GroundTruth:
    return GroundTruth(**{"inference_id": "i1", "row": 0, "label": 1.0, "at": NOON, **changes})


def test_labels_come_back_and_a_retry_is_stored_once(store: Store) -> None:
    labels = [label(), label(row=1, label=0.5), label(inference_id="i2", at=NOON + timedelta(hours=2))]
    for _ in range(2):
        assert append_ground_truth(store, MODEL, labels) == 3
    assert len(list(store.list("ground_truth/"))) == 2
    assert list(read_ground_truth(store, MODEL, NOON)) == labels
    assert list(read_ground_truth(store, MODEL, NOON + timedelta(hours=1))) == labels[2:]


def test_label_line_is_sagemakers(store: Store) -> None:
    append_ground_truth(store, MODEL, [label()])
    line = json.loads(store.read(next(store.list("ground_truth/")).key))
    assert line["groundTruthData"] == {"data": "1", "encoding": "CSV"}
    assert line["eventMetadata"] == {"eventId": "i1", "inferenceId": "i1"}
    assert line["eventVersion"] == "0"


@pytest.mark.parametrize(
    "wrong",
    [{"label": float("nan")}, {"row": -1}, {"at": datetime(2026, 1, 1)}],  # noqa: DTZ001
)
def test_wrong_labels_store_nothing(store: Store, wrong: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        append_ground_truth(store, MODEL, [label(), label(**wrong)])
    assert list(store.list("ground_truth/")) == []


def test_labels_over_http(http: httpx.Client, store: Store) -> None:
    path = f"/endpoints/{MODEL}/ground-truth"
    before = utc_now()
    body = {"records": [{"inference_id": "i1", "label": 1}, {"inference_id": "i1", "row": 1, "label": False}]}
    assert http.post(path, json=body).json() == {"accepted": 2}
    found = list(read_ground_truth(store, MODEL, before))
    assert [(one.inference_id, one.row, one.label) for one in found] == [("i1", 0, 1.0), ("i1", 1, 0.0)]


@pytest.mark.parametrize(
    "body, says",
    [
        (b"", "not JSON"),
        (b"[]", "another form"),
        (b'{"records": 3}', "another form"),
        (b'[{"inference_id": "i"}]', "record 0: label"),
        (b'[{"inference_id": "i", "label": "1"}]', "record 0: label; given '1'"),
        (b'[{"inference_id": "i", "label": 1}, {"inference_id": "", "label": 1}]', "record 1: inference_id"),
        (b'[{"inference_id": "i", "label": 1, "at": "2026-01-01T00:00:00"}]', "record 0: at"),
        (b'[{"inference_id": "i", "label": 1, "rov": 1}]', "record 0: rov"),
    ],
)
def test_bad_labels_are_refused(http: httpx.Client, store: Store, body: bytes, says: str) -> None:
    response = http.post(f"/endpoints/{MODEL}/ground-truth", content=body)
    assert response.status_code == 400
    assert says in response.json()["message"]
    assert list(store.list("ground_truth/")) == []


def test_metrics(http: httpx.Client, store: Store) -> None:
    for _ in range(3):
        http.post(f"/endpoints/{MODEL}/invocations", json=[ROW])
    http.post(f"/endpoints/{MODEL}/invocations", content=b"")
    labels = f'{{endpoint="{MODEL}",role="champion",variant="v1"}}'
    wait_until(lambda: f'mlops_captures_written_total{{endpoint="{MODEL}"}} 3.0' in http.get("/metrics").text)
    page = http.get("/metrics").text
    assert f"mlops_requests_total{labels} 3.0" in page
    assert f"mlops_errors_total{labels} 0.0" in page
    assert f"mlops_latency_seconds_count{labels} 3.0" in page
    assert 'mlops_refused_total{status="415"} 1.0' in page
