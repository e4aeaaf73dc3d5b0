"""The replay task: it keeps its verdict, succeeds on PROMOTE alone and goes on when it is cleared."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import recall
from airflow_mlops.operators.replay import ReplayOperator
from airflow_mlops.operators.rollout import (
    BeginReleaseOperator,
    ChallengeOperator,
    ConcludeReleaseOperator,
    PromoteOperator,
)
from airflow_mlops.sensors.rollout import RolloutSensor
from airflow_mlops.spec import ModelSpec
from tests.core.rollout import past
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.core.rollout.past import MODEL, answered, requests, spec
from tests.operators.world import Run


@pytest.fixture
def ground(store: Store, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Version 1 is the champion; the endpoint's captures are those in the store, as long as nobody is in shadow."""
    past.promote(store, past.register(store))
    past.register(store, past.NUMBERS)
    made_up = endpoint.captures

    def captures(since: Any, *more: Any, **named: Any) -> Any:
        if endpoint.serves.challenger or endpoint.fault:
            return map(with_key, made_up(since, *more, **named))
        return read_captures(store, MODEL, since)

    monkeypatch.setattr(endpoint, "captures", captures)
    return store


def with_key(record: CaptureRecord) -> CaptureRecord:
    """Each request is another caller's."""
    return record.model_copy(update={"key": sha256(record.inference_id.encode()).hexdigest()[:16]})


@pytest.fixture
def release() -> Run:
    """The run that registered version 2."""
    run = Run("r2")
    run.xcoms["register", "return_value"] = {"model": MODEL, "version": 2}
    return run


def keep(store: Store, count: int, name: str = "a", asked: Any = None, first: int = 0) -> None:
    """Requests that were answered a moment ago."""
    records = answered(store, asked or requests(count), first=first, at=utc_now())
    past.keep(store, records, name)


def replay(run: Run, with_spec: ModelSpec | None = None, version: Any = 2) -> Any:
    return run.execute(ReplayOperator(task_id="replay", spec=with_spec or spec(), version=version))


def conclude(run: Run) -> Any:
    return run.execute(ConcludeReleaseOperator(task_id="conclude", spec=spec(), tasks=["replay", "promote"]))


def entries(store: Store) -> list[str]:
    return [entry.action for _, entry in DeploymentLog(store, MODEL).log.entries()]


def test_what_passes_is_kept_and_returned(ground: Store, release: Run) -> None:
    keep(ground, 300)
    told = replay(release, version={"model": MODEL, "version": 2})
    assert set(told) == {"ref", "decision", "stage", "reason", "picture"}
    assert (told["decision"], told["stage"]) == ("PROMOTE", "replay")
    kept = recall(ground, told["ref"], Verdict)
    assert (kept.version, kept.run, kept.deployment, kept.counts["samples"]) == (2, release.key, None, 300)
    assert release.xcoms["replay", "verdict"] == told
    assert replay(release) == told, "tried again"
    assert entries(ground) == ["promote"]


def test_a_release_with_a_replay(ground: Store, release: Run, endpoint: FakeEndpoint) -> None:
    keep(ground, 300)
    assert ModelSpec(**release.execute(BeginReleaseOperator(task_id="begin", spec=spec()))) == spec()
    replayed = replay(release)
    release.execute(challenge_operator())
    shadow = release.execute(RolloutSensor(task_id="judge_shadow", spec=spec(), stage="shadow", version=2))
    promote = PromoteOperator(task_id="promote", spec=spec(), version=2, verdicts=[replayed, shadow])
    assert release.execute(promote)["version"] == 2
    assert conclude(release)["outcome"] == "promoted"
    assert entries(ground) == ["promote", "shadow", "promote"]


def challenge_operator() -> ChallengeOperator:
    return ChallengeOperator(task_id="shadow", spec=spec(), version=2)


def test_without_its_replay_nothing_is_promoted(ground: Store, release: Run) -> None:
    release.execute(challenge_operator())
    shadow = release.execute(RolloutSensor(task_id="judge_shadow", spec=spec(), stage="shadow", version=2))
    with pytest.raises(AirflowFailException, match=r"lacks evidence; given shadow; expected replay, shadow"):
        release.execute(PromoteOperator(task_id="promote", spec=spec(), version=2, verdicts=[None, shadow]))


def test_a_failed_gate_ends_the_release_with_gate_value_and_limit(ground: Store, release: Run) -> None:
    keep(ground, 0, asked=[({"amount": 1.0},)] * 300)
    with pytest.raises(AirflowFailException, match=r"^ROLLBACK in replay: failed: error_rate is 1"):
        replay(release)
    told = conclude(release)
    assert (told["outcome"], told["task"], told["kind"]) == ("refused", "replay", "GateFailed")
    assert (told["gate"], told["value"], told["limit"]) == ("error_rate", 1.0, 0.05)
    assert "300 of them with: row 0 lacks weight" in told["reason"]
    assert release.xcoms["replay", "verdict"]["decision"] == "ROLLBACK"
    assert entries(ground) == ["promote"]


def test_an_undecided_replay_ends_the_release_and_may_be_cleared_later(ground: Store, release: Run) -> None:
    keep(ground, 150)
    with pytest.raises(AirflowFailException, match=r"INCONCLUSIVE in replay: 150 captured requests to v1"):
        replay(release)
    assert conclude(release)["outcome"] == "refused"
    keep(ground, 400, "later", first=500)
    assert replay(release)["decision"] == "PROMOTE"
    release.execute(challenge_operator())
    assert entries(ground) == ["promote", "shadow"]


def test_the_first_version_has_no_rival(store: Store, run: Run) -> None:
    past.register(store)
    with pytest.raises(AirflowSkipException, match="nothing to prove: orders has no champion"):
        replay(run, version=1)
    promote = PromoteOperator(task_id="promote", spec=spec(), version=1, verdicts=[None, None])
    assert run.execute(promote)["version"] == 1


def test_an_endpoint_that_is_away_is_tried_again(ground: Store, release: Run, endpoint: FakeEndpoint) -> None:
    endpoint.fault = EndpointError("nobody answers")
    with pytest.raises(AirflowException) as caught:
        replay(release)
    assert not isinstance(caught.value, AirflowFailException)


def test_stages_can_not_be_overridden(ground: Store, release: Run) -> None:
    overrides = {"rollout": {"replay": None}}
    with pytest.raises(AirflowFailException, match=r"given shadow; expected replay, shadow; change the spec"):
        release.execute(BeginReleaseOperator(task_id="begin", spec=spec(), overrides=overrides))


def test_begin_refuses_a_latency_gate_in_replay(ground: Store, release: Run) -> None:
    gate = {"metric": "latency", "threshold": 50, "max": 0.1}
    with pytest.raises(AirflowFailException, match="latency can't be judged in replay: no traffic passed"):
        release.execute(BeginReleaseOperator(task_id="begin", spec=spec(gate)))


def test_progress_stands_in_the_log(ground: Store, release: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(ground, 300)
    operator = ReplayOperator(task_id="replay", spec=spec(), version=2)
    lines: list[str] = []
    monkeypatch.setattr(operator, "progress", lines.append)
    release.execute(operator)
    assert lines[0] == "reading the requests that v1 has answered"
    assert lines[1].startswith("300 captured requests of v1 since ")
    assert lines[2] == "v2 has answered 300 of 300, 0 failed"
    assert lines[-1].startswith("PROMOTE in replay: ")


def test_the_verdict_is_declared_as_lineage(ground: Store, release: Run) -> None:
    keep(ground, 300)
    operator = ReplayOperator(task_id="replay", spec=spec(), version=2)
    release.execute(operator)
    lineage = operator.get_openlineage_facets_on_failure(None)
    assert lineage.run_facets["mlops_verdict"].stage == "replay"
    assert [one.name for one in lineage.inputs] == [f"{MODEL}/captures", f"{MODEL}/versions"]
