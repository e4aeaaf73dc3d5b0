"""The trigger waits through passing faults, fires once, and promotes nothing by itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent

from airflow_mlops.core.errors import EndpointError, MlopsError, SpecError, StoreError
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout.conduct import Conductor
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.store import Store
from airflow_mlops.triggers import rollout
from airflow_mlops.triggers.rollout import RolloutTrigger
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint

SPEC = world.spec(rollout={"shadow": {"min_samples": 50, "gates": [{"metric": "error_rate", "margin": 0.3}]}})
RUN = "orders.release/r2"


def trigger(**over: Any) -> RolloutTrigger:
    arguments: dict[str, Any] = {
        "spec": SPEC.to_dict(),
        "mlops_conn_id": "mlops_default",
        "run": RUN,
        "stage": "shadow",
        "version": 2,
        "poll_interval": 0.0,
    }
    return RolloutTrigger(**{**arguments, **over})


def events(trigger: RolloutTrigger) -> list[Any]:
    """All that it fires, as it goes through Airflow's database."""

    async def collect() -> list[TriggerEvent]:
        return [event async for event in trigger.run()]

    return [json.loads(json.dumps(event.payload)) for event in asyncio.run(asyncio.wait_for(collect(), 300))]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the judge says, look by look; an exception is raised. Looks beyond the end are an error."""
    said: list[Any] = []

    def assess(conductor: Conductor, stage: Any, version: int) -> Verdict:
        one = said.pop(0)
        if isinstance(one, Exception):
            raise one
        return Verdict(stage=stage, decision=one, reason=f"it is {one}", gates=(), counts={}, alpha=0.05)

    monkeypatch.setattr(Conductor, "assess", assess)
    return said


def test_it_is_serialized_to_plain_values_and_back() -> None:
    path, arguments = trigger(poll_interval=10.0).serialize()
    assert path == f"{RolloutTrigger.__module__}.{RolloutTrigger.__qualname__}"
    plain = json.loads(json.dumps(arguments))
    assert plain == arguments
    assert RolloutTrigger(**plain).serialize() == (path, arguments)


@pytest.mark.parametrize("decision", ["PROMOTE", "ROLLBACK", "INCONCLUSIVE"])
def test_it_fires_once_on_a_decision(store: Store, script: list[Any], decision: str) -> None:
    script += ["CONTINUE", "CONTINUE", decision, "PROMOTE"]
    (event,) = events(trigger())
    assert event["status"] == "decided"
    assert Verdict.model_validate(event["verdict"]).decision == decision
    assert script == ["PROMOTE"], "it does not look again"


def test_passing_faults_are_waited_out(store: Store, script: list[Any]) -> None:
    patience = rollout.PATIENCE - 1
    script += (
        [EndpointError("away")] * patience + ["CONTINUE"] + [StoreError("slow down")] * patience + ["PROMOTE"]
    )
    (event,) = events(trigger())
    assert event["verdict"]["decision"] == "PROMOTE"


def test_it_gives_up_after_a_long_outage(store: Store, script: list[Any]) -> None:
    script += [EndpointError("nobody answers")] * rollout.PATIENCE + ["PROMOTE"]
    assert events(trigger()) == [{"status": "failed", "message": "nobody answers", "passing": True}]
    assert script == ["PROMOTE"]


@pytest.mark.parametrize("error", [MlopsError("no way"), SpecError("no way")])
def test_a_mistake_is_told_at_once(store: Store, script: list[Any], error: MlopsError) -> None:
    script += [error, "PROMOTE"]
    assert events(trigger()) == [{"status": "failed", "message": "no way", "passing": False}]


def test_a_wrong_spec_is_told(store: Store) -> None:
    (event,) = events(trigger(spec={**SPEC.to_dict(), "training": {"round": 1}}))
    assert (event["status"], event["passing"]) == ("failed", False)
    assert "training.round: unknown field" in event["message"]


def test_it_looks_at_the_real_log_and_the_real_captures(store: Store, endpoint: FakeEndpoint) -> None:
    for number in (1, 2):
        world.register(store, f"model {number}", run=f"r{number}", spec=SPEC)
    log = DeploymentLog(store, world.MODEL)
    log.promote(1, who="ann", why="first", run="orders.release/r0")
    conductor = Conductor(store=store, endpoint=endpoint, spec=SPEC, run=RUN, who="ann")
    conductor.challenge(2, 0.0)
    (event,) = events(trigger())
    said = Verdict.model_validate(event["verdict"])
    assert (said.decision, said.version, said.run, said.deployment) == ("PROMOTE", 2, RUN, 2)
    assert conductor.promote(2, [said]).champion == 2, "what went through the trigger is evidence"


def test_a_rollback_while_it_waits_ends_the_wait(
    store: Store, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.requests = 0
    for number in (1, 2):
        world.register(store, f"model {number}", run=f"r{number}", spec=SPEC)
    log = DeploymentLog(store, world.MODEL)
    log.promote(1, who="ann", why="first", run="orders.release/r0")
    Conductor(store=store, endpoint=endpoint, spec=SPEC, run=RUN, who="ann").challenge(2, 0.0)
    seen: list[str] = []
    assess = Conductor.assess

    def watched(conductor: Conductor, stage: Any, version: int) -> Verdict:
        verdict = assess(conductor, stage, version)
        seen.append(verdict.decision)
        return verdict

    monkeypatch.setattr(Conductor, "assess", watched)

    async def roll_back_in_the_midst() -> list[TriggerEvent]:
        fired: list[TriggerEvent] = []

        async def wait() -> None:
            fired.extend([event async for event in trigger(poll_interval=0.01).run()])

        waiting = asyncio.create_task(wait())
        while len(seen) < 3 and not waiting.done():
            await asyncio.sleep(0.01)
        assert not waiting.done()
        log.rollback(to=1, who="bob", why="complaints", run="rb")
        await asyncio.wait_for(waiting, 300)
        return fired

    (event,) = asyncio.run(roll_back_in_the_midst())
    assert set(seen[:3]) == {"CONTINUE"}
    assert event.payload["verdict"]["decision"] == "ROLLBACK"
    assert "complaints" in event.payload["verdict"]["reason"]
