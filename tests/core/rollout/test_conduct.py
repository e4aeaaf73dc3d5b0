"""Every step of a rollout is one log entry and one proof of what serves; without evidence nothing is promoted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import (
    DeploymentConflict,
    DeploymentFailed,
    DeploymentPending,
    DeploymentRolledBack,
    EndpointError,
    GateFailed,
    RegistryError,
    SpecError,
    UnsafeStore,
)
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import NOTHING, DeploymentLog
from airflow_mlops.core.rollout import conduct
from airflow_mlops.core.rollout.conduct import LEASE_SLACK, Conductor
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.base import Endpoint
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.spec import ModelSpec
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint

GATE = {"metric": "error_rate", "margin": 0.3}
SHADOW = {"min_samples": 50, "max_duration": "1h", "gates": [GATE]}
CANARY = {
    "steps": [0.1, 0.5],
    "min_samples": 20,
    "max_duration": "1h",
    "gates": [{"metric": "error_rate", "max": 0.5}],
}
MODEL = world.MODEL


def spec(**sections: Any) -> ModelSpec:
    return world.spec(**{"rollout": {"shadow": SHADOW, "canary": CANARY}, **sections})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(str(tmp_path / "store"))
    world.register_many(store, 4)
    return store


@pytest.fixture
def endpoint() -> FakeEndpoint:
    return FakeEndpoint()


@pytest.fixture
def conductor(store: Store, endpoint: FakeEndpoint) -> Callable[..., Conductor]:
    def make(run: str = "release/2", who: str = "ann", spec: ModelSpec = spec()) -> Conductor:  # noqa: B008
        return Conductor(store=store, endpoint=endpoint, spec=spec, run=run, who=who)

    return make


@pytest.fixture
def release(conductor: Callable[..., Conductor]) -> Conductor:
    """The release that made version 1 the champion is over; this is the next one."""
    conductor("release/1").promote(1, [])
    return conductor()


def actions(store: Store) -> list[tuple[str, int | None, int | None]]:
    return [(e.action, e.champion, e.challenger) for _, e in DeploymentLog(store, MODEL).log.entries()]


def roll_out(conductor: Conductor, version: int = 2) -> list[Verdict]:
    """All stages, each with its verdict."""
    verdicts = []
    for stage, weight in conductor.spec.rollout.stages:
        assert conductor.challenge(version, weight) is not None
        verdicts.append(conductor.assess(stage, version))
    return verdicts


def test_the_fake_is_an_endpoint(endpoint: FakeEndpoint) -> None:
    assert isinstance(endpoint, Endpoint)


def test_a_whole_release(release: Conductor, store: Store, endpoint: FakeEndpoint) -> None:
    assert release.begin().champion == 1
    verdicts = roll_out(release)
    assert [verdict.decision for verdict in verdicts] == ["PROMOTE"] * 3
    served = release.promote(2, verdicts)
    assert (served.mode, served.champion, served.challenger) == ("champion", 2, None)
    assert endpoint.serves == served
    assert release.conclude("over") == served
    assert actions(store) == [
        ("promote", 1, None),
        ("shadow", 1, 2),
        ("canary", 1, 2),
        ("canary", 1, 2),
        ("promote", 2, None),
    ]


# --- begin ---


def test_begin_before_the_first_release(conductor: Callable[..., Conductor]) -> None:
    assert conductor().begin() == NOTHING


@pytest.mark.parametrize(
    "sections, says",
    [
        (
            {"rollout": {"shadow": {"gates": [{"metric": "auc", "min": 0.5}]}}},
            "rollout.shadow.gates.0: auc can't be judged on live traffic",
        ),
        (
            {"rollout": {"canary": {"gates": [{"metric": "mae", "margin": 0, "threshold": 1}]}}},
            "rollout.canary.gates.0: mae is not a metric of a binary model",
        ),
        (
            {
                "training": {"objective": "regression"},
                "evaluation": {"gates": [{"metric": "mae", "max": 1}]},
                "rollout": {"shadow": {"gates": [{"metric": "brier", "margin": 0.1}]}},
            },
            "brier is not a metric of a regression model",
        ),
        (
            {"evaluation": {"gates": [{"metric": "rmse", "max": 1}]}},
            "rmse can't be measured on the test part of a binary model",
        ),
        (
            {"evaluation": {"gates": [{"metric": "auc", "min": 0.5, "slice": "carrier"}]}},
            "slice is malformed",
        ),
    ],
)
def test_begin_refuses_gates_that_can_not_be_judged(
    conductor: Callable[..., Conductor], sections: dict[str, Any], says: str
) -> None:
    with pytest.raises(SpecError, match=says):
        conductor(spec=spec(**sections)).begin()


def test_begin_refuses_a_store_that_lets_two_win(release: Conductor, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsafe(store: Store) -> None:
        raise UnsafeStore("two winners")

    monkeypatch.setattr(conduct, "probe", unsafe)
    with pytest.raises(UnsafeStore):
        release.begin()


def test_begin_refuses_an_endpoint_that_is_not_there(release: Conductor, endpoint: FakeEndpoint) -> None:
    endpoint.fault = EndpointError("nobody answers")
    with pytest.raises(EndpointError):
        release.begin()


def test_begin_refuses_while_the_fallback_rule_stands_in(
    conductor: Callable[..., Conductor], release: Conductor, store: Store
) -> None:
    ruled = spec(serving={"fallback": {"default": 0.5}})
    conductor("rollback/1", "bob", ruled).rollback(to=None, fallback=True, why="all models are off")
    with pytest.raises(DeploymentConflict) as caught:
        release.begin()
    assert str(caught.value) == (
        "orders is on its fallback rule: a new version would be compared with nothing; "
        "given fallback by bob: all models are off; roll back to a champion first, for example to version 1"
    )
    with pytest.raises(DeploymentConflict, match="on its fallback rule"):
        release.challenge(2, 0.0)
    with pytest.raises(GateFailed, match="lacks evidence; given no verdict"):
        release.promote(2, [])
    conductor("rollback/2", "bob", ruled).rollback(to=None, fallback=False, why="again")
    assert release.begin().champion == 1


def test_a_fallback_before_the_first_champion_stops_no_release(conductor: Callable[..., Conductor]) -> None:
    ruled = spec(serving={"fallback": {"default": 0.5}})
    conductor("rollback/1", "bob", ruled).rollback(to=None, fallback=True, why="not yet")
    conductor().begin()
    assert conductor().challenge(1, 0.0) is None
    assert conductor().promote(1, []).champion == 1


# --- rival ---


def test_the_rival_is_the_champion(conductor: Callable[..., Conductor], store: Store) -> None:
    assert conductor().rival("x" * 64) is None
    conductor("release/1").promote(1, [])
    rival = conductor().rival("x" * 64)
    assert rival is not None
    assert rival[0] == 1
    assert rival[1] == world.trained(store, "model 0")


def test_the_rival_stays_in_mind_during_a_fallback(
    conductor: Callable[..., Conductor], release: Conductor
) -> None:
    ruled = spec(serving={"fallback": {"default": 0.5}})
    conductor("rollback/1", "bob", ruled).rollback(to=None, fallback=True, why="off")
    rival = release.rival("x" * 64)
    assert rival is not None
    assert rival[0] == 1


def test_a_cleared_release_is_held_against_the_champion_of_its_time(
    conductor: Callable[..., Conductor], release: Conductor, store: Store
) -> None:
    second = world.trained(store, "model 1").artifact
    release.promote(2, roll_out(release))
    rival = release.rival(second)
    assert rival is not None
    assert rival[0] == 1, "its own model is no rival"
    other = conductor("release/3").rival(second)
    assert other is not None
    assert other[0] == 2, "for another run, the same bytes are the champion's"
    changed = release.rival(world.trained(store, "model 2").artifact)
    assert changed is not None
    assert changed[0] == 2, "a cleared run with another model meets the present champion"


def test_a_cleared_first_release_has_no_rival_again(
    conductor: Callable[..., Conductor], store: Store
) -> None:
    first = conductor("release/1")
    first.promote(1, [])
    assert first.rival(world.trained(store, "model 0").artifact) is None


def test_a_cleared_release_that_was_promoted_has_nothing_to_prove(
    conductor: Callable[..., Conductor], release: Conductor, store: Store, endpoint: FakeEndpoint
) -> None:
    served = release.promote(2, roll_out(release))
    before = actions(store)
    assert release.begin() == served
    assert release.challenge(2, 0.0) is None
    assert release.challenge(2, 0.1) is None
    assert release.promote(2, []) == served
    assert release.conclude("over") == served
    assert actions(store) == before
    with pytest.raises(DeploymentConflict, match="version 2 of orders is the champion already"):
        conductor("release/3").challenge(2, 0.0)


def test_a_cleared_release_does_not_come_back_after_others(
    conductor: Callable[..., Conductor], release: Conductor, store: Store
) -> None:
    release.promote(2, roll_out(release))
    conductor("rollback/1", "bob").rollback(to=1, fallback=False, why="complaints")
    before = actions(store)
    with pytest.raises(DeploymentConflict, match="start a new release"):
        release.challenge(2, 0.0)
    with pytest.raises(GateFailed):
        release.promote(2, [])
    assert actions(store) == before


# --- challenge ---


def test_without_a_champion_there_is_no_challenge(conductor: Callable[..., Conductor], store: Store) -> None:
    assert conductor().challenge(1, 0.0) is None
    assert actions(store) == []


def test_a_challenger_gets_its_place_once_with_a_lease(release: Conductor, store: Store) -> None:
    first = release.challenge(2, 0.0)
    assert first is not None
    assert (first.mode, first.champion, first.challenger) == ("shadow", 1, 2)
    assert release.challenge(2, 0.0) == first, "a retried task"
    assert actions(store) == [("promote", 1, None), ("shadow", 1, 2)]
    newest = release.log.log.newest()
    assert newest is not None
    entry = newest[1]
    assert entry.lease_until is not None
    assert entry.lease_until - entry.at == timedelta(hours=1) + LEASE_SLACK
    assert (entry.who, entry.run) == ("ann", "release/2")


def test_a_stage_that_the_spec_does_not_have(conductor: Callable[..., Conductor], release: Conductor) -> None:
    shadowless = conductor(spec=spec(rollout={"canary": CANARY}))
    with pytest.raises(
        DeploymentConflict, match=r"the spec of orders has no shadow stage; add rollout.shadow"
    ):
        shadowless.challenge(2, 0.0)


def test_an_endpoint_that_does_not_follow_gets_rid_of_the_challenger(
    release: Conductor, store: Store, endpoint: FakeEndpoint
) -> None:
    before = endpoint.serves
    endpoint.refuses = lambda desired: desired.challenger is not None
    with pytest.raises(DeploymentFailed, match="can't load it"):
        release.challenge(2, 0.1)
    assert actions(store)[-1] == ("rollback", 1, None)
    newest = release.log.log.newest()
    assert newest is not None
    assert "endpoint did not follow: can't load it" in newest[1].why
    assert release.reconcile().champion == before.champion


def test_an_endpoint_that_is_away_keeps_the_place_for_the_retry(
    release: Conductor, store: Store, endpoint: FakeEndpoint
) -> None:
    endpoint.fault = EndpointError("nobody answers")
    with pytest.raises(EndpointError):
        release.challenge(2, 0.1)
    assert actions(store)[-1] == ("canary", 1, 2)
    endpoint.fault = None
    served = release.challenge(2, 0.1)
    assert served is not None
    assert served.number == 2


def test_a_second_release_has_to_wait(conductor: Callable[..., Conductor], release: Conductor) -> None:
    release.challenge(2, 0.0)
    with pytest.raises(DeploymentConflict, match="version 2 of orders is in shadow by release/2"):
        conductor("release/3").challenge(3, 0.0)


# --- assess ---


def test_a_verdict_says_what_it_is_about(release: Conductor) -> None:
    release.challenge(2, 0.0)
    verdict = release.assess("shadow", 2)
    assert (verdict.version, verdict.run, verdict.deployment) == (2, "release/2", 2)
    assert Verdict.from_bytes(verdict.to_bytes()) == verdict


def test_without_traffic_the_judge_waits_and_then_gives_up(
    release: Conductor, endpoint: FakeEndpoint
) -> None:
    endpoint.requests = 0
    release.challenge(2, 0.0)
    assert release.assess("shadow", 2).decision == "CONTINUE"
    later = datetime.now(timezone.utc) + timedelta(hours=1, seconds=1)
    assert release.assess("shadow", 2, now=later).decision == "INCONCLUSIVE"


def test_a_bad_challenger_is_rolled_back(release: Conductor, endpoint: FakeEndpoint, store: Store) -> None:
    endpoint.errors = 0.9
    release.challenge(2, 0.0)
    verdict = release.assess("shadow", 2)
    assert verdict.decision == "ROLLBACK"
    assert verdict.gates[0].outcome == "fail"
    with pytest.raises(
        GateFailed, match=r"given ROLLBACK in shadow; expected shadow, canary at 0.1, canary at 0.5"
    ):
        release.promote(2, [verdict])
    assert release.conclude("refused").champion == 1
    assert actions(store)[-1] == ("rollback", 1, None)


def test_a_challenger_that_somebody_took_out_is_rolled_back_with_their_reason(
    conductor: Callable[..., Conductor], release: Conductor
) -> None:
    release.challenge(2, 0.0)
    conductor("rollback/1", "bob").rollback(to=1, fallback=False, why="complaints")
    verdict = release.assess("shadow", 2)
    assert verdict.decision == "ROLLBACK"
    assert verdict.reason == "version 2 is not the challenger any more: rollback by bob: complaints"
    assert verdict.version == 2


def test_nothing_to_assess(conductor: Callable[..., Conductor], release: Conductor, store: Store) -> None:
    assert release.assess("shadow", 2).decision == "ROLLBACK"
    release.challenge(2, 0.0)
    assert release.assess("shadow", 3).decision == "ROLLBACK"
    assert conductor("release/3").assess("shadow", 2).decision == "ROLLBACK"


def test_nothing_deployed_is_nothing_to_assess(conductor: Callable[..., Conductor]) -> None:
    verdict = conductor().assess("shadow", 1)
    assert (verdict.decision, verdict.deployment) == ("ROLLBACK", None)
    assert "nothing is deployed" in verdict.reason


def test_a_canary_waits_until_its_failures_are_known(release: Conductor, endpoint: FakeEndpoint) -> None:
    endpoint.uncertain = timedelta(minutes=5)
    release.challenge(2, 0.0)
    assert release.assess("shadow", 2).decision == "PROMOTE"  # there an answer that failed has no pair
    release.challenge(2, 0.1)
    now = utc_now()
    first = release.assess("canary", 2, now=now)
    assert first.decision == "CONTINUE"
    assert "waiting for the count of requests that failed" in first.reason
    assert release.assess("canary", 2, now=now + timedelta(minutes=4)).decision == "CONTINUE"
    assert release.assess("canary", 2, now=now + timedelta(minutes=6)).decision == "PROMOTE"
    # Whoever starts anew has not seen it pass.
    again = dataclasses.replace(release)
    assert again.assess("canary", 2, now=now + timedelta(minutes=6)).decision == "CONTINUE"
    assert again.assess("canary", 2, now=now + timedelta(minutes=12)).decision == "PROMOTE"


def test_shadow_traffic_is_no_evidence_for_a_canary(release: Conductor) -> None:
    release.challenge(2, 0.0)
    verdict = release.assess("canary", 2)
    assert (verdict.decision, verdict.reason) == ("ROLLBACK", "version 2 is in shadow, not in canary")


# --- promote ---


def test_the_first_version_needs_no_rollout(conductor: Callable[..., Conductor], store: Store) -> None:
    assert conductor("release/1").promote(1, []).champion == 1
    assert conductor("release/1").promote(1, []).number == 1, "a retried task"
    assert actions(store) == [("promote", 1, None)]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_stage(release: Conductor, store: Store, missing: int) -> None:
    verdicts = roll_out(release)
    del verdicts[missing]
    with pytest.raises(GateFailed, match="version 2 of orders lacks evidence"):
        release.promote(2, verdicts)
    assert DeploymentLog(store, MODEL).champion() == 1


def test_evidence_of_another_version_is_none(release: Conductor, store: Store) -> None:
    verdicts = roll_out(release, 3)
    release.challenge(2, 0.5)
    with pytest.raises(
        GateFailed, match="given shadow of version 3, canary of version 3, canary of version 3"
    ):
        release.promote(2, verdicts)
    assert DeploymentLog(store, MODEL).champion() == 1


def test_evidence_of_another_run_is_none(
    conductor: Callable[..., Conductor], release: Conductor, store: Store
) -> None:
    verdicts = roll_out(release)
    release.conclude("died")
    other = conductor("release/3")
    other.challenge(2, 0.5)
    with pytest.raises(GateFailed, match="given shadow of run release/2"):
        other.promote(2, verdicts)
    assert DeploymentLog(store, MODEL).champion() == 1


def test_one_canary_step_does_not_count_twice(release: Conductor) -> None:
    release.challenge(2, 0.0)
    shadow = release.assess("shadow", 2)
    release.challenge(2, 0.1)
    canary = release.assess("canary", 2)
    with pytest.raises(
        GateFailed, match=r"given shadow, canary at 0.1, canary at 0.1; expected .*canary at 0.5"
    ):
        release.promote(2, [shadow, canary, canary])


@pytest.mark.parametrize(
    "change",
    [
        {"version": None},
        {"run": None},
        {"deployment": None},
        {"deployment": 1},
        {"deployment": 99},
        {"stage": "canary"},
        {"decision": "INCONCLUSIVE"},
        {"decision": "CONTINUE"},
    ],
)
def test_a_verdict_without_its_proof_is_none(
    release: Conductor, store: Store, change: dict[str, Any]
) -> None:
    shadow, *rest = roll_out(release)
    with pytest.raises(GateFailed, match="lacks evidence"):
        release.promote(2, [shadow.model_copy(update=change), *rest])
    with pytest.raises(GateFailed, match="lacks evidence"):
        release.promote(2, [*rest, shadow])
    assert DeploymentLog(store, MODEL).champion() == 1
    assert release.promote(2, [shadow, *rest]).champion == 2


def test_a_rollback_after_the_last_verdict_wins(
    conductor: Callable[..., Conductor], release: Conductor, store: Store
) -> None:
    verdicts = roll_out(release)
    conductor("rollback/1", "bob").rollback(to=1, fallback=False, why="complaints")
    with pytest.raises(DeploymentConflict, match="rollback by bob: complaints"):
        release.promote(2, verdicts)
    assert release.conclude("over").champion == 1
    assert actions(store)[-1] == ("rollback", 1, None)


def test_a_promotion_that_the_endpoint_did_not_follow_is_not_decided_twice(
    release: Conductor, store: Store, endpoint: FakeEndpoint
) -> None:
    verdicts = roll_out(release)
    endpoint.refuses = lambda desired: desired.champion == 2
    with pytest.raises(DeploymentFailed):
        release.promote(2, verdicts)
    assert release.has_promoted(2)
    before = actions(store)
    endpoint.refuses = lambda desired: False
    assert release.promote(2, verdicts).champion == 2
    assert endpoint.serves.champion == 2
    assert actions(store) == before


def test_a_promotion_that_the_endpoint_took_back_is_none(
    release: Conductor, store: Store, endpoint: FakeEndpoint
) -> None:
    verdicts = roll_out(release)
    endpoint.goes_back = lambda desired: desired.champion == 2
    with pytest.raises(DeploymentRolledBack, match="alarm rang"):
        release.promote(2, verdicts)
    assert actions(store)[-2:] == [("promote", 2, None), ("rollback", 1, None)]
    undone = release.log.log.newest()
    assert undone is not None
    assert (undone[1].who, "alarm rang" in undone[1].why) == ("endpoint", True)
    assert not release.has_promoted(2)
    assert release.conclude("the endpoint went back").champion == 1
    with pytest.raises(DeploymentConflict):
        release.promote(2, verdicts)


def test_a_first_version_that_the_endpoint_took_back_can_be_tried_again(
    conductor: Callable[..., Conductor], store: Store, endpoint: FakeEndpoint
) -> None:
    endpoint.goes_back = lambda desired: True
    with pytest.raises(DeploymentRolledBack):
        conductor().promote(1, [])
    endpoint.goes_back = lambda desired: False
    assert conductor().promote(1, []).champion == 1
    assert actions(store) == [("promote", 1, None)]


@pytest.mark.parametrize("patience", [None, timedelta(seconds=10)])
def test_a_step_that_waits_may_be_taken_again(
    conductor: Callable[..., Conductor],
    release: Conductor,
    store: Store,
    endpoint: FakeEndpoint,
    patience: timedelta | None,
) -> None:
    step = dataclasses.replace(release, patience=patience)
    endpoint.pending, endpoint.slowest = 2, timedelta(hours=1)
    before = actions(store)
    for _ in range(2):
        with pytest.raises(DeploymentPending):
            step.challenge(2, 0.0)
    served = step.challenge(2, 0.0)
    assert served is not None
    assert served.challenger == 2
    assert actions(store) == [*before, ("shadow", 1, 2)]
    assert set(endpoint.waited[-3:]) == {patience or endpoint.slowest}


# --- conclude, rollback, reconcile ---


def test_conclude_takes_out_only_its_own_challenger(
    conductor: Callable[..., Conductor], release: Conductor
) -> None:
    release.challenge(2, 0.0)
    assert conductor("release/3").conclude("over").challenger == 2
    assert release.conclude("over").challenger is None


def test_conclude_before_anything(conductor: Callable[..., Conductor], endpoint: FakeEndpoint) -> None:
    endpoint.fault = EndpointError("must not be called")
    assert conductor().conclude("died") == NOTHING


def test_rollback_goes_where_it_is_told(conductor: Callable[..., Conductor], release: Conductor) -> None:
    release.promote(2, roll_out(release))
    back = conductor("rollback/1", "bob")
    served = back.rollback(to=None, fallback=False, why="worse")
    assert (served.mode, served.champion) == ("champion", 1)
    assert back.rollback(to=None, fallback=False, why="worse") == served, "a retried task"
    assert conductor("rollback/2").rollback(to=2, fallback=False, why="better").champion == 2
    with pytest.raises(RegistryError, match="orders has no version 9"):
        conductor("rollback/3").rollback(to=9, fallback=False, why="oops")


def test_a_fallback_needs_a_rule(release: Conductor, store: Store) -> None:
    before = actions(store)
    with pytest.raises(RegistryError, match=r"orders has no fallback rule; add serving.fallback to the spec"):
        release.rollback(to=None, fallback=True, why="off")
    assert actions(store) == before


def test_nothing_to_roll_back_to(conductor: Callable[..., Conductor], store: Store) -> None:
    with pytest.raises(RegistryError):
        conductor().rollback(to=None, fallback=False, why="?")
    assert actions(store) == []


def test_a_decision_in_the_midst_of_a_reconcile_is_the_one_that_is_proved(
    conductor: Callable[..., Conductor], release: Conductor, endpoint: FakeEndpoint
) -> None:
    back = conductor("rollback/1", "bob").log
    endpoint.during = lambda: back.rollback(to=1, who="bob", why="complaints", run="rollback/1")
    served = release.challenge(2, 0.0)
    assert served is not None
    assert (served.mode, served.champion) == ("champion", 1)
    assert endpoint.serves == served
    assert release.assess("shadow", 2).decision == "ROLLBACK"


def test_an_endpoint_that_never_follows_is_told(release: Conductor, endpoint: FakeEndpoint) -> None:
    endpoint.refuses = lambda desired: True
    with pytest.raises(DeploymentFailed):
        release.reconcile()
