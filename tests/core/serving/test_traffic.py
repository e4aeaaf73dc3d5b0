"""Who answers: split, target variant, failover, fallback, shadow; and what is captured of it."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving import batching
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store import Store
from tests.core.serving.fakes import (
    DEMANDING,
    FAILING,
    HANGING,
    MODEL,
    NAN,
    POISONED,
    ROW,
    SOON,
    FakeSource,
    answer_of,
    client,
    deploy,
    running,
)
from tests.waiting import PATIENCE, wait_until

PATH = f"/endpoints/{MODEL}/invocations"


def captured(store: Store, count: int) -> list[CaptureRecord]:
    """All captures, as soon as there are so many."""
    since = utc_now() - timedelta(minutes=10)
    wait_until(lambda: len(list(read_captures(store, MODEL, since))) >= count)
    records = list(read_captures(store, MODEL, since))
    assert len(records) == count
    return records


def row(key: int) -> dict[str, object]:
    return {**ROW, "id": key}


def test_weight_splits_and_keys_only_move_to_the_challenger(endpoint: LocalEndpoint, store: Store) -> None:
    took: list[set[int]] = []
    for weight in (0.1, 0.5):
        endpoint.reconcile(deploy(store, "canary", 1, 2, weight=weight), SOON)
        variants = {key: endpoint.invoke([row(key)]).variant for key in range(400)}
        assert {key: endpoint.invoke([row(key)]).variant for key in range(50)} == {
            key: variants[key] for key in range(50)
        }
        took.append({key for key, variant in variants.items() if variant == "v2"})
    assert 20 <= len(took[0]) <= 65  # binomial(400, 0.1): mean 40, sd 6
    assert 160 <= len(took[1]) <= 240
    assert took[0] < took[1]


def test_key_is_the_same_from_csv_and_json(http: httpx.Client, endpoint: LocalEndpoint, store: Store) -> None:
    endpoint.reconcile(deploy(store, "canary", 1, 2, weight=0.5), SOON)
    for key in range(30):
        csv = http.post(PATH, content=f"x,carrier,id\n1,UA,{key}\n", headers={"content-type": "text/csv"})
        assert csv.headers["x-amzn-invoked-production-variant"] == endpoint.invoke([row(key)]).variant


def test_target_variant_overrides_the_split(endpoint: LocalEndpoint, store: Store) -> None:
    endpoint.reconcile(deploy(store, "canary", 1, 2, weight=0.01), SOON)
    assert endpoint.invoke([ROW], variant="v2").predictions == (answer_of(2, ROW),)
    assert endpoint.invoke([ROW], variant="v1").predictions == (answer_of(1, ROW),)
    assert {record.chosen for record in captured(store, 2)} == {"target"}


@pytest.mark.parametrize("challenger", [FAILING, NAN, DEMANDING])
def test_failing_challenger_costs_no_caller_an_answer(
    endpoint: LocalEndpoint, store: Store, challenger: int
) -> None:
    endpoint.reconcile(deploy(store, "canary", 1, challenger, weight=0.99999), SOON)
    answer = endpoint.invoke([row(1)], inference_id="one")
    assert (answer.variant, answer.predictions) == ("v1", (answer_of(1, ROW),))
    champion, failed = sorted(captured(store, 2), key=lambda record: record.status)
    assert (failed.role, failed.variant, failed.status) == ("challenger", f"v{challenger}", 500)
    assert failed.predictions is None
    assert (champion.role, champion.status, champion.chosen) == ("champion", 200, "failover")
    assert champion.inference_id == failed.inference_id == "one"
    assert champion.key == failed.key
    assert champion.rows == failed.rows == (row(1),)


def test_bad_request_is_not_the_challengers_failure(
    http: httpx.Client, endpoint: LocalEndpoint, store: Store
) -> None:
    endpoint.reconcile(deploy(store, "canary", 1, 2, weight=0.99999), SOON)
    assert http.post(PATH, json=[{"x": "one", "carrier": "UA"}]).status_code == 400
    endpoint.invoke([ROW])
    assert [record.status for record in captured(store, 1)] == [200]


def test_failing_champion_gives_way_to_the_rule(
    endpoint: LocalEndpoint, store: Store, http: httpx.Client, source: FakeSource
) -> None:
    endpoint.reconcile(deploy(store, "rollback", FAILING), SOON)
    answer = endpoint.invoke([{"x": 1, "carrier": "UA"}, {"x": 1, "carrier": "DL"}])
    assert (answer.variant, answer.predictions) == ("fallback", (-2.0, -1.0))
    failed, rule = sorted(captured(store, 2), key=lambda record: -record.status)
    assert (failed.variant, failed.role, failed.status) == (f"v{FAILING}", "champion", 500)
    assert (rule.variant, rule.role, rule.chosen) == ("fallback", "fallback", "failover")


def test_without_a_rule_callers_are_told(store: Store, tmp_path) -> None:
    deploy(store, "promote", FAILING)
    with running(store, spool=tmp_path / "spool") as url, client(url) as http:
        failed = http.post(PATH, json=[ROW])
        assert failed.status_code == 500
        assert (
            "v13 failed: ArithmeticError: model is broken; there is no fallback rule"
            in failed.json()["message"]
        )
        LocalEndpoint(url, MODEL, store).reconcile(deploy(store, "fallback", 1), SOON)
        nobody = http.post(PATH, json=[ROW])
        assert nobody.status_code == 503
        assert "no model is deployed" in nobody.json()["message"]
        assert http.get("/ping").status_code == 200


def test_log_can_say_fallback(endpoint: LocalEndpoint, store: Store) -> None:
    endpoint.reconcile(deploy(store, "fallback", 1), SOON)
    answer = endpoint.invoke([{"carrier": "DL"}])
    assert (answer.variant, answer.predictions) == ("fallback", (-1.0,))
    assert captured(store, 1)[0].role == "fallback"


def test_one_bad_request_does_not_fail_its_neighbours(store: Store, tmp_path) -> None:
    """They share a micro-batch, here made by the thread that predicts while others wait."""
    from concurrent.futures import ThreadPoolExecutor

    deploy(store, "promote", POISONED)
    with running(store, FakeSource(inline=False), spool=tmp_path / "spool") as url:
        endpoint = LocalEndpoint(url, MODEL, store)

        def status(x: int) -> int:
            body = [{"x": x, "carrier": "UA"}]
            return httpx.post(endpoint.url, json=body, timeout=PATIENCE, trust_env=False).status_code

        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(status, [666 if i % 5 == 0 else i for i in range(100)]))
    assert statuses == [500 if i % 5 == 0 else 200 for i in range(100)]


@pytest.mark.parametrize("inline", [True, False])
def test_shadow_is_captured_and_paired_and_never_seen(store: Store, tmp_path, inline: bool) -> None:
    deploy(store, "shadow", 1, 2)
    with running(store, FakeSource(inline=inline), spool=tmp_path / "spool") as url:
        endpoint = LocalEndpoint(url, MODEL, store)
        for x in range(50):
            assert endpoint.invoke([{"x": x, "carrier": "UA"}], inference_id=f"id{x}").variant == "v1"
        records = captured(store, 100)
        with pytest.raises(Exception, match="no such variant serves; given v2; expected v1"):
            endpoint.invoke([ROW], variant="v2")
    live = {record.inference_id: record for record in records if record.role == "champion"}
    shadow = {record.inference_id: record for record in records if record.role == "shadow"}
    assert live.keys() == shadow.keys() == {f"id{x}" for x in range(50)}
    for inference_id, record in shadow.items():
        assert record.rows == live[inference_id].rows
        assert record.key == live[inference_id].key
        assert record.predictions == (answer_of(2, record.rows[0]),)
        assert record.deployment == live[inference_id].deployment == 1
        assert record.variant == "v2"


@pytest.mark.parametrize("challenger", [FAILING, DEMANDING])
def test_failing_shadow_is_captured(endpoint: LocalEndpoint, store: Store, challenger: int) -> None:
    endpoint.reconcile(deploy(store, "shadow", 1, challenger), SOON)
    assert endpoint.invoke([ROW]).variant == "v1"
    shadow = next(record for record in captured(store, 2) if record.role == "shadow")
    assert (shadow.status, shadow.predictions) == (500, None)


def test_hanging_challenger_is_given_up(store: Store, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "CALL_TIMEOUT", 0.3)
    deploy(store, "canary", 1, HANGING, weight=0.99999)
    source = FakeSource()
    with running(store, source, spool=tmp_path / "spool") as url:
        endpoint = LocalEndpoint(url, MODEL, store)
        assert endpoint.invoke([ROW]).variant == "v1"
        # Only the first one waits: another one that did would give up before its answer came.
        monkeypatch.setattr(batching, "CALL_TIMEOUT", 3600.0)
        assert [endpoint.invoke([ROW]).variant for _ in range(3)] == ["v1"] * 3
        assert source.calls.count(HANGING) == 1
        records = captured(store, 8)
        source.released.set()
        wait_until(lambda: endpoint.invoke([ROW]).variant == f"v{HANGING}")
    failed = [record for record in records if record.variant == f"v{HANGING}"]
    assert [record.status for record in failed] == [500] * 4
    # the timer's clock and the latency's are two, so they may differ by a tick
    assert min(record.latency_ms for record in failed) >= 290
