"""Gates on the machine count in every verdict of a rollout, and cost the other gates nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import EndpointError, SpecError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.rollout.conduct import Conductor
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.base import Resources
from airflow_mlops.core.store import Store, open_store
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint

ERRORS = {"metric": "error_rate", "margin": 0.3}
MEMORY = {"metric": "memory", "max": 80}
MINUTE = timedelta(minutes=1)


class Measured(FakeEndpoint):
    """Also implements ``Instruments``.

    :ivar memory: of the challenger, minute by minute since the stage started.
    :ivar readings: how often it was asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.memory: list[float] = []
        self.readings = 0

    def resources(self, since: datetime, until: datetime) -> Resources:
        self._reach()
        self.readings += 1
        mine = tuple((since + number * MINUTE, value) for number, value in enumerate(self.memory))
        return {"memory": {"v1": ((since, 99.0),) * 9, "v2": mine}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(str(tmp_path / "store"))
    world.register_many(store, 2)
    return store


@pytest.fixture
def endpoint() -> Measured:
    return Measured()


def release(store: Store, endpoint: FakeEndpoint, **rollout: Any) -> Conductor:
    """Version 1 is the champion, and this is the release of version 2."""

    def conductor(run: str) -> Conductor:
        return Conductor(store=store, endpoint=endpoint, spec=world.spec(rollout=rollout), run=run, who="ann")

    conductor("release/1").promote(1, [])
    return conductor("release/2")


def shadow(*gates: dict[str, Any]) -> dict[str, Any]:
    return {"min_samples": 50, "max_duration": "2h", "gates": list(gates)}


def judged(store: Store, endpoint: Measured, memory: list[float], *gates: dict[str, Any]) -> Verdict:
    """The verdict after as many minutes of shadow as there are values."""
    endpoint.memory = memory
    conductor = release(store, endpoint, shadow=shadow(*(gates or (ERRORS, MEMORY))))
    conductor.begin()
    conductor.challenge(2, 0.0)
    return conductor.assess("shadow", 2, utc_now() + len(memory) * MINUTE)


@pytest.mark.parametrize(
    "memory, decision",
    [
        ([40.0] * 6, "PROMOTE"),
        ([40.0] * 4, "CONTINUE"),
        ([], "CONTINUE"),
        ([90.0] * 6, "ROLLBACK"),
        ([30.0 + number for number in range(25)], "ROLLBACK"),
    ],
)
def test_a_gate_on_memory_counts(
    store: Store, endpoint: Measured, memory: list[float], decision: str
) -> None:
    verdict = judged(store, endpoint, memory)
    assert [gate.gate.metric for gate in verdict.gates] == ["error_rate", "memory"]
    assert verdict.gates[0].outcome == "pass"
    assert verdict.decision == decision
    if decision != "CONTINUE":
        assert "memory over" in verdict.reason


def test_without_readings_the_end_is_inconclusive(store: Store, endpoint: Measured) -> None:
    conductor = release(store, endpoint, shadow=shadow(ERRORS, MEMORY))
    conductor.challenge(2, 0.0)
    assert conductor.assess("shadow", 2, utc_now() + timedelta(hours=2)).decision == "INCONCLUSIVE"


def test_it_takes_no_part_of_the_error_budget(store: Store, endpoint: Measured) -> None:
    alone = judged(store, endpoint, [40.0] * 6, ERRORS)
    both = judged(open_again(store), endpoint, [40.0] * 6)
    assert both.gates[0].interval == alone.gates[0].interval


def open_again(store: Store) -> Store:
    """Another store with the same versions."""
    other = open_store(store.uri.removeprefix("file://") + "-again")
    world.register_many(other, 2)
    return other


def test_a_stage_may_have_such_gates_alone(store: Store, endpoint: Measured) -> None:
    verdict = judged(store, endpoint, [40.0] * 6, MEMORY)
    assert verdict.decision == "PROMOTE"
    assert verdict.counts["samples"] >= 50


def test_the_picture_shows_the_series(store: Store, endpoint: Measured) -> None:
    verdict = judged(store, endpoint, [85.0] * 6)
    assert verdict.picture is not None
    picture = store.read(verdict.picture).decode()
    assert "memory: failed, limit 80, last between 85 and 85, 6 samples." in picture
    assert "per cent of the instance; at most 80" in picture


def test_the_instruments_are_read_once_a_minute(store: Store, endpoint: Measured) -> None:
    endpoint.memory = [40.0] * 3
    conductor = release(store, endpoint, shadow=shadow(ERRORS, MEMORY))
    conductor.challenge(2, 0.0)
    now = utc_now() + 3 * MINUTE
    for seconds in range(0, 120, 10):
        conductor.assess("shadow", 2, now + timedelta(seconds=seconds))
    assert endpoint.readings == 2


def test_instruments_that_can_not_be_read_are_a_passing_fault(store: Store, endpoint: Measured) -> None:
    conductor = release(store, endpoint, shadow=shadow(ERRORS, MEMORY))
    conductor.challenge(2, 0.0)
    endpoint.fault = EndpointError("down")
    with pytest.raises(EndpointError, match="down"):
        conductor.assess("shadow", 2)


@pytest.mark.parametrize(
    "rollout",
    [
        {"shadow": shadow(ERRORS, MEMORY)},
        {"canary": {"gates": [ERRORS, MEMORY]}},
        {"canary": {"gates": [ERRORS], "steps": [{"weight": 0.1, "gates": [MEMORY]}]}},
    ],
)
def test_an_endpoint_without_instruments_is_refused_at_the_beginning(
    store: Store, rollout: dict[str, Any]
) -> None:
    with pytest.raises(SpecError, match="a gate of the rollout is on memory, and this endpoint does not say"):
        release(store, FakeEndpoint(), **rollout).begin()
    release(store, FakeEndpoint(), shadow=shadow(ERRORS)).begin()


@pytest.mark.parametrize(
    "gate, words",
    [
        (
            {"metric": "memory", "margin": 5},
            "rollout.shadow.gates.0: margin of memory: the champion's instances",
        ),
        ({"metric": "cpu", "min": 5}, "rollout.shadow.gates.0: min of cpu: less cpu is better"),
        ({"metric": "cpu", "max": 100}, "rollout.shadow.gates.0: max of cpu is out of its range"),
        ({"metric": "memory", "max": 0}, "rollout.shadow.gates.0: max of memory is out of its range"),
        (
            {"metric": "memory", "max": 80, "slice": "a=b"},
            "rollout.shadow.gates.0: memory is of the whole machine",
        ),
    ],
)
def test_other_limits_are_refused(store: Store, endpoint: Measured, gate: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        release(store, endpoint, shadow=shadow(gate)).begin()


def test_a_replay_has_no_machine(store: Store, endpoint: Measured) -> None:
    conductor = release(store, endpoint, shadow=shadow(ERRORS), replay={"gates": [MEMORY]})
    with pytest.raises(SpecError, match=r"rollout.replay.gates.0: memory can't be judged in replay"):
        conductor.begin()


def test_it_is_no_gate_of_an_evaluation(store: Store, endpoint: Measured) -> None:
    spec = world.spec(evaluation={"gates": [MEMORY]})
    conductor = Conductor(store=store, endpoint=endpoint, spec=spec, run="r", who="ann")
    with pytest.raises(SpecError, match="memory can't be measured on the test part"):
        conductor.begin()
