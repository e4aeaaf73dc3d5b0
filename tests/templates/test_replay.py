"""``dag.test()`` of releases with a replay: what past requests say stands before any traffic."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.store.results import recall
from airflow_mlops.demo.flights import month_of
from airflow_mlops.demo.traffic import Traffic
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates import release
from tests.templates.conftest import GATES, Ground, small_spec
from tests.templates.test_runs import play, result, state
from tests.waiting import wait_until

MODEL = "flight_delay"
REPLAY = {"window": "1h", "max_requests": 5000, "min_samples": 200, "gates": GATES}
SHADOW = {"min_samples": 100, "max_duration": "30m", "gates": GATES}


def spec_of(**replay: Any) -> ModelSpec:
    return small_spec(rollout={"replay": {**REPLAY, **replay}, "shadow": SHADOW, "canary": None})


def actions(ground: Ground) -> list[str]:
    return [entry.action for _, entry in DeploymentLog(ground.store, MODEL).log.entries()]


def captured(ground: Ground, start: Any) -> int:
    return sum(1 for _ in read_captures(ground.store, MODEL, start))


@pytest.fixture(scope="module")
def first(ground: Ground) -> Any:
    """The first release; its data has a column ``seats`` that no request carries."""
    for file in (ground.data / "flights").glob("*.parquet"):
        pd.read_parquet(file).assign(seats=180.0).to_parquet(file, index=False)
    return play(release(spec_of(), poll_interval=1.0))


@pytest.fixture(scope="module")
def past(ground: Ground, first: Any) -> int:
    """Requests that version 1 has answered, with the truth about them."""
    start = utc_now()
    with Traffic(ground.endpoint, MODEL, month_of(2).head(3000), name="past", rate=200) as traffic:
        wait_until(lambda: captured(ground, start) >= 400)
    answers = traffic.answers.total()
    wait_until(lambda: captured(ground, start) == answers)
    return answers


def refused(ground: Ground, overrides: dict[str, Any], **replay: Any) -> tuple[Any, dict[str, Any]]:
    """A release whose replay stops it; no entry of the deployment log is its own."""
    before = actions(ground)
    run = play(release(spec_of(**replay), poll_interval=1.0), {"overrides": overrides})
    assert str(run.state) == "failed"
    assert state(run, "register") == "success"
    assert state(run, "rollout.replay") == "failed"
    assert state(run, "rollout.shadow") == "upstream_failed"
    assert actions(ground) == before
    told = result(run, "conclude")
    assert (told["outcome"], told["task"], told["champion"]) == ("refused", "rollout.replay", 1)
    return run, told


def test_the_replay_stands_before_all_that_touches_traffic() -> None:
    dag = release(small_spec(rollout={"replay": REPLAY}))
    replay = dag.get_task("rollout.replay")
    assert replay.upstream_task_ids >= {"register"}
    assert replay.downstream_task_ids >= {"rollout.shadow", "promote"}
    order = [task.task_id for task in dag.topological_sort() if task.task_id.startswith("rollout.")]
    assert order[:3] == ["rollout.replay", "rollout.shadow", "rollout.judge_shadow"]
    judges = sum(name.startswith("rollout.judge") for name in order)
    promote: Any = dag.get_task("promote")
    assert len(promote.verdicts) == judges + 1
    assert "replay, then shadow, then canary" in str(dag.doc_md)


def test_without_a_replay_in_the_spec_there_is_no_task() -> None:
    dag = release(small_spec())
    assert "rollout.replay" not in dag.task_ids
    assert "replay" not in str(dag.doc_md)


@pytest.mark.slow
def test_the_first_release_has_nothing_to_replay_and_is_promoted(ground: Ground, first: Any) -> None:
    assert str(first.state) == "success"
    assert [state(first, f"rollout.{name}") for name in ("replay", "shadow", "judge_shadow")] == [
        "skipped"
    ] * 3
    assert result(first, "conclude")["outcome"] == "promoted"


@pytest.mark.slow
def test_a_young_champion_has_too_few_requests_and_the_reason_says_what_to_do(
    ground: Ground, past: int
) -> None:
    _, told = refused(ground, {"training": {"rounds": 9}}, min_samples=4900)
    assert told["reason"].startswith(f"INCONCLUSIVE in replay: {past} captured requests to v1 since")
    assert "lower rollout.replay.min_samples (4900), or widen rollout.replay.window (1h)" in told["reason"]


@pytest.mark.slow
def test_a_bad_model_is_stopped_by_past_requests_alone(ground: Ground, past: int) -> None:
    _, told = refused(ground, {"training": {"params": {"scale_pos_weight": 500}}})
    assert told["gate"] == "brier"
    assert told["reason"].startswith("ROLLBACK in replay: failed: brier")
    assert told["value"] > 0.4


@pytest.mark.slow
def test_a_feature_that_requests_do_not_carry_stops_the_model(ground: Ground, past: int) -> None:
    columns = [*spec_of().features.columns, "seats"]
    _, told = refused(ground, {"features": {"columns": columns}})
    assert (told["gate"], told["value"]) == ("error_rate", 1.0)
    assert f"failed on {past} of {past} requests, {past} of them with: row 0 lacks seats" in told["reason"]


@pytest.mark.slow
def test_a_good_model_passes_and_goes_on_to_shadow(ground: Ground, past: int) -> None:
    before = actions(ground)
    with Traffic(ground.endpoint, MODEL, month_of(2).head(3000), name="during", rate=100):
        run = play(release(spec_of(), poll_interval=1.0), {"overrides": {"training": {"rounds": 14}}})
    assert str(run.state) == "success"
    told = result(run, "rollout.replay")
    assert (told["decision"], told["stage"]) == ("PROMOTE", "replay")
    verdict = recall(ground.store, told["ref"], Verdict)
    assert verdict.counts["samples"] >= past
    assert (verdict.version, verdict.deployment) == (result(run, "conclude")["version"], None)
    assert actions(ground) == [*before, "shadow", "promote"]
