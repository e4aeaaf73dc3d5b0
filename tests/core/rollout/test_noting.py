"""Looks at a stage are written down for who watches it, and never in the way of the judge."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.rollout.conduct import Conductor
from airflow_mlops.core.rollout.noting import Notes, point_of
from airflow_mlops.core.rollout.progress import StageNow, expected, progress_log
from airflow_mlops.core.rollout.trace import Trace
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.store import Store, open_store
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
GATES = [{"metric": "error_rate", "margin": 0.3}]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def verdict(samples: int = 100, **fields: Any) -> Verdict:
    base: dict[str, Any] = {
        "stage": "canary",
        "decision": "CONTINUE",
        "reason": "more data may decide",
        "gates": (result(),),
        "counts": {"samples": samples},
        "alpha": 0.05,
        "version": 2,
        "deployment": 7,
    }
    return Verdict(**{**base, **fields})


def result(**fields: Any) -> GateResult:
    base: dict[str, Any] = {
        "gate": Gate(metric="error_rate", margin=0.01),
        "outcome": "inconclusive",
        "value": 0.03,
        "champion": 0.02,
        "limit": 0.01,
        "interval": (-0.01, 0.03),
        "reason": "undecided",
    }
    return GateResult(**{**base, **fields})


def noted(store: Store) -> list[StageNow]:
    return [entry for _, entry in progress_log(store, world.MODEL, 7).entries()]


def test_a_release_is_written_down_stage_by_stage(store: Store) -> None:
    world.register_many(store, 2)
    shadow = {"min_samples": 50, "max_duration": "1h", "gates": GATES}
    spec = world.spec(rollout={"shadow": shadow})

    endpoint = FakeEndpoint()

    def conductor(run: str) -> Conductor:
        return Conductor(store=store, endpoint=endpoint, spec=spec, run=run, who="ann")

    conductor("one").promote(1, [])
    second = conductor("two")
    second.challenge(2, 0.0)
    said = second.assess("shadow", 2)
    (point,) = [entry for _, entry in progress_log(store, world.MODEL, said.deployment or 0).entries()]
    assert (point.stage, point.version, point.decision) == ("shadow", 2, "PROMOTE")
    assert point.samples == said.counts["samples"] > 0
    (gate,) = point.gates
    assert (gate.name, gate.outcome, gate.limit) == ("error_rate", "pass", 0.3)
    assert gate.low is not None
    assert gate.high is not None
    assert gate.low < gate.high < 0.3
    # who begins anew says the same once more, and that is no news
    again = conductor("two")
    again.assess("shadow", 2)
    assert progress_log(store, world.MODEL, said.deployment or 0).last_number() == 1


def test_a_look_without_news_is_not_written(store: Store) -> None:
    notes = Notes(store, world.MODEL)
    for samples in (100, 100, 101, 102, 103, 200):
        notes.note(verdict(samples), None, NOW)
    assert [point.samples for point in noted(store)] == [100, 102, 200]
    notes.note(verdict(200, gates=(result(outcome="fail"),)), None, NOW)
    notes.note(verdict(200, decision="ROLLBACK", gates=(result(outcome="fail"),)), None, NOW)
    assert [point.decision for point in noted(store)][-2:] == ["CONTINUE", "ROLLBACK"]


def test_what_is_about_no_place_is_not_written(store: Store) -> None:
    Notes(store, world.MODEL).note(verdict(deployment=None), None, NOW)
    Notes(store, world.MODEL).note(verdict(version=None), None, NOW)
    assert list(store.list("")) == []


def test_two_who_look_do_not_disturb_each_other(store: Store) -> None:
    one, other = Notes(store, world.MODEL), Notes(store, world.MODEL)
    one.note(verdict(100), None, NOW)
    other.note(verdict(110), None, NOW)
    one.note(verdict(120), None, NOW)  # somebody else was there: this one is lost
    one.note(verdict(130), None, NOW)
    assert [point.samples for point in noted(store)] == [100, 110, 130]


def test_a_store_that_fails_does_not_disturb_the_judge(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes(store, world.MODEL)

    def full(key: str, data: bytes) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "create", full)
        notes.note(verdict(100), None, NOW)
    notes.note(verdict(100), None, NOW)
    assert len(noted(store)) == 1


def test_a_damaged_log_does_not_disturb_the_judge(store: Store) -> None:
    store.create(progress_log(store, world.MODEL, 7).key(1), b"{broken")
    Notes(store, world.MODEL).note(verdict(), None, NOW)
    assert progress_log(store, world.MODEL, 7).last_number() == 1


@pytest.mark.parametrize(
    "found, value",
    [
        (result(), 0.01),
        (
            result(
                gate=Gate(metric="accuracy", margin=0.01),
                value=0.9,
                champion=0.92,
            ),
            0.02,
        ),
        (result(gate=Gate(metric="error_rate", max=0.05), champion=None), 0.03),
        (result(gate=Gate(metric="latency_quantile", margin=20)), None),
        (result(champion=None), None),
    ],
)
def test_the_value_is_in_the_unit_of_the_limit(found: GateResult, value: float | None) -> None:
    (gate,) = point_of(verdict(gates=(found,)), None, NOW).gates
    assert gate.value == (None if value is None else pytest.approx(value))


def test_the_limit_is_in_the_unit_of_the_interval() -> None:
    memory = result(gate=Gate(metric="memory", max=80), limit=80.0, interval=None)
    trace = Trace((("error_rate", 0.25),))
    first, second = point_of(verdict(gates=(result(limit=20.0), memory)), trace, NOW).gates
    assert (first.limit, second.limit) == (0.25, 80.0)
    assert (second.low, second.high) == (None, None)


def test_no_bound_is_none() -> None:
    (gate,) = point_of(verdict(gates=(result(interval=(float("-inf"), 0.5)),)), None, NOW).gates
    assert (gate.low, gate.high) == (None, 0.5)


def at(minute: int, samples: int, needed: int | None = 100, decision: str = "CONTINUE") -> StageNow:
    return StageNow(
        at=NOW + timedelta(minutes=minute),
        stage="canary",
        version=2,
        decision=decision,
        reason="",
        samples=samples,
        needed=needed,
        gates=(),
    )


@pytest.mark.parametrize(
    "points, minute",
    [
        ([], None),
        ([at(0, 10)], None),
        ([at(0, 100), at(10, 100)], None),
        ([at(0, 100), at(10, 200)], 20),
        ([at(0, 0), at(100, 100), at(110, 200)], 120),
        ([at(0, 100), at(10, 200, 1)], 15),
        ([at(0, 100), at(10, 200, None)], None),
        ([at(0, 100), at(10, 200, 10**12)], None),
        ([at(0, 100), at(10, 200, 0, "PROMOTE")], None),
    ],
)
def test_when_it_will_be_decided(points: list[StageNow], minute: int | None) -> None:
    now = NOW + timedelta(minutes=15)
    assert expected(points, now) == (None if minute is None else NOW + timedelta(minutes=minute))
