"""The main job, end to end: a real Airflow, driven through REST under live traffic, does what the demo tells.

The acts build on one another, so they run in the order of this file; one that fails fails those after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.monitoring.alerts.log import alert_log
from airflow_mlops.core.registry.approvals import approval_log
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.reproduction.record import reproduction_log
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import fetch_file, get_bytes
from airflow_mlops.demo import proof
from airflow_mlops.demo.flights import COLUMNS, month_of
from airflow_mlops.demo.stage import Stage
from airflow_mlops.demo.story import MODEL, Act, Story
from airflow_mlops.demo.traffic import Traffic
from airflow_mlops.demo.transport import RestError
from tests.e2e.demo.onlooker import Onlooker
from tests.lineage_events import check_events, read_events
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]
RELEASE = f"{MODEL}.release"


def states(stage: Stage, act: Act) -> dict[str, str | None]:
    """State of each task of an act's release."""
    return {task.task_id: task.state for task in stage.airflow.rest.tasks(RELEASE, act.result["run_id"])}


def actions(store: Store) -> list[tuple[str, int | None, int | None]]:
    """The whole deployment log: action, champion, challenger."""
    return [
        (one.action, one.champion, one.challenger) for _, one in DeploymentLog(store, MODEL).log.entries()
    ]


def test_airflow_knows_the_dags_without_import_errors(stage: Stage, story: Story) -> None:
    assert stage.airflow.rest.import_problems() == []


def test_a_conf_with_a_mistake_is_answered_with_400(stage: Stage, story: Story) -> None:
    with pytest.raises(RestError, match="yesterday") as refused:
        stage.airflow.rest.trigger(RELEASE, {"since": "yesterday"})
    assert refused.value.status == 400


def test_a_first_release_becomes_the_champion(stage: Stage, story: Story, store: Store) -> None:
    act = story.first_release()
    tasks = states(stage, act)
    assert tasks["approve"] == "success"
    assert tasks["rollout.shadow"] == "skipped"
    assert tasks["promote"] == tasks["conclude"] == "success"
    record = Registry(store, MODEL).get(1)
    version = load_version(store, record.dataset.name, record.dataset.id)
    assert [file.source for file in version.files] == [
        f"flights/2013-{month:02d}.parquet" for month in range(1, 7)
    ]
    assert record.run is not None
    assert record.run.run_id == act.result["run_id"]
    assert actions(store) == [("promote", 1, None)]
    ((_, asked),) = approval_log(store, MODEL).entries()
    assert (asked.version, asked.outcome, [one.user for one in asked.answers]) == (1, "approved", ["admin"])
    assert asked.evidence is not None
    assert "auc" in get_bytes(store, asked.evidence).decode(), "what they saw"


def test_b_broken_batch_is_stopped_and_quarantined(
    stage: Stage, story: Story, store: Store, tmp_path: Path
) -> None:
    import pandas as pd

    act = story.broken_batch()
    tasks = states(stage, act)
    assert tasks["validate"] == "failed"
    assert tasks["train"] == "upstream_failed"
    told = stage.airflow.rest.xcom(RELEASE, act.result["run_id"], "validate", key="validation")
    bad = pd.read_parquet(fetch_file(store, told["quarantine"], tmp_path))
    assert len(bad) == told["quarantined_rows"] > 1000
    assert set(COLUMNS) <= set(bad.columns)
    reasons = " ".join(bad["_reasons"].astype(str).unique())
    assert "carrier" in reasons
    assert "distance" in reasons
    assert "temp" in reasons
    assert set(bad["_source"]) == {"flights/2013-07.parquet"}
    assert actions(store) == [("promote", 1, None)]


def test_c_good_release_goes_through_shadow_and_canary(
    stage: Stage, story: Story, store: Store, onlooker: Onlooker
) -> None:
    with onlooker.watching():
        act = story.good_release()
    assert set(states(stage, act).values()) == {"success"}
    assert actions(store)[1:] == [("shadow", 1, 2), ("canary", 1, 2), ("canary", 1, 2), ("promote", 2, None)]
    assert story.answers["v1"] > 0
    assert story.answers["v2"] > 0


def test_d_model_that_only_shines_offline_is_stopped(stage: Stage, story: Story, store: Store) -> None:
    act = story.bad_release()
    bad, champion = Registry(store, MODEL).get(3), Registry(store, MODEL).get(2)
    assert bad.evaluation.metrics["auc"] > champion.evaluation.metrics["auc"] + 0.1
    assert act.result["gate"] == "brier"
    assert act.result["value"] is not None
    log = stage.airflow.rest.log(RELEASE, act.result["run_id"], act.result["task"])
    assert "brier" in log
    desired = DeploymentLog(store, MODEL).desired()
    assert (desired.mode, desired.champion) == ("champion", 2)


def test_e_one_call_rolls_back(story: Story, store: Store) -> None:
    act = story.roll_back()
    newest = DeploymentLog(store, MODEL).log.newest()
    assert newest is not None
    assert (newest[1].action, newest[1].champion, newest[1].who) == ("rollback", 1, "admin")
    assert act.result["mode"] == "champion"


def test_f_drift_starts_a_release_by_itself(stage: Stage, story: Story, store: Store) -> None:
    act = story.drift()
    assert act.result["kind"] == "asset_triggered"
    assert "temp" in act.result["columns"]
    events = stage.airflow.rest.asset_events(f"mlmodel://{MODEL}/retrain")
    assert [event.source_dag for event in events] == [f"{MODEL}.monitor"]
    assert events[0].extra["columns"] == list(act.result["columns"])
    assert act.result["run_id"] in events[0].created_runs
    assert DeploymentLog(store, MODEL).champion() == 4
    looks = act.result["looks"]
    assert looks["estimated"]["judged_on"] == "estimated"
    assert (looks["measured"]["judged_on"], looks["measured"]["retrain"]) == ("measured", False)
    assert "asked already" in looks["measured"]["said"]
    before, after = (looks[name]["measured"]["log_loss"]["value"] for name in ("measured", "after"))
    assert after < before, "the same flights, before and after retraining"
    told = [entry.alert.kind for _, entry in alert_log(store, MODEL).entries()]
    assert {"blocked release", "rollback", "drift", "retraining"} <= set(told)


def test_g_a_version_is_built_again(stage: Stage, story: Story, store: Store) -> None:
    act = story.build_again()
    ((_, made),) = reproduction_log(store, MODEL).entries()
    assert (made.version, made.outcome) == (2, "identical")
    assert made.rebuilt == act.result["rebuilt"] == Registry(store, MODEL).get(2).trained.artifact


def test_no_live_request_failed(story: Story) -> None:
    assert not story.failures
    assert sum(story.answers.values()) > 5000


def test_lineage_names_every_version(stage: Stage, story: Story, store: Store) -> None:
    events = read_events(stage.lineage)
    check_events(events)
    finished = [event for event in events if event["eventType"] in ("COMPLETE", "FAIL")]
    jobs = {event["job"]["name"] for event in finished}
    wanted = {"snapshot", "validate", "train", "evaluate", "register", "promote", "rollout.judge_shadow"}
    assert {f"{RELEASE}.{task}" for task in wanted} <= jobs
    text = stage.lineage.read_text()
    for number in (1, 2, 3, 4):
        assert Registry(store, MODEL).get(number).dataset.id in text
    failed = [event for event in finished if event["eventType"] == "FAIL"]
    assert any(event["job"]["name"] == f"{RELEASE}.validate" for event in failed)


def test_no_secret_lies_in_logs_or_lineage(stage: Stage, story: Story) -> None:
    password = stage.airflow.password
    for path in [stage.lineage, *stage.home.glob("processes/*.log"), *stage.home.glob("logs/**/*.log")]:
        assert password not in path.read_text(errors="replace"), path


def test_a_version_drawn_by_chance_answers_for_itself(
    stage: Stage, story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    code = proof.main([stage.store])
    told = capsys.readouterr().out
    assert code == 0, told
    for harm in ("a changed data byte", "a swapped model file", "an edited record", "a removed log entry"):
        assert f"{harm}: " in told
    assert "a different library version: " in told


@pytest.mark.whole
def test_h_an_aborted_release_gives_the_traffic_back(stage: Stage, story: Story, store: Store) -> None:
    run = _release_in_shadow(stage)
    stage.airflow.rest.abort(RELEASE, run)
    wait_until(lambda: _task(stage, run, "conclude") == "success", 600, 0.5)
    told = stage.airflow.rest.xcom(RELEASE, run, "conclude")
    assert (told["outcome"], told["champion"]) == ("refused", 4)
    _require_champion_alone(stage, store, 4)


@pytest.mark.whole
def test_i_a_rollback_during_a_release_ends_the_release(stage: Stage, story: Story, store: Store) -> None:
    run = _release_in_shadow(stage)
    rollback = stage.airflow.rest.trigger(f"{MODEL}.rollback", {"to": 2, "reason": "complaints"})
    assert stage.airflow.rest.wait_for_run(rollback.dag_id, rollback.run_id).state == "success"
    assert stage.airflow.rest.wait_for_run(RELEASE, run).state == "failed"
    told = stage.airflow.rest.xcom(RELEASE, run, "conclude")
    assert told["task"] == "rollout.judge_shadow"
    assert "complaints" in told["reason"]
    _require_champion_alone(stage, store, 2)


@pytest.mark.whole
def test_j_a_held_release_waits_for_a_person_and_goes_on(stage: Stage, story: Story, store: Store) -> None:
    rest = stage.airflow.rest
    run = _release_in_shadow(stage, shadow={"min_samples": 200}, canary={"min_samples": 50})
    held = _control(stage, "hold")
    assert (held["mode"], held["held"]) == ("shadow", True)
    with Traffic(stage.endpoint, MODEL, month_of(12), name="held", rate=300) as traffic:
        wait_until(
            lambda: "by now: all gates passed" in rest.log(RELEASE, run, "rollout.judge_shadow"), 600, 1
        )
        assert _task(stage, run, "rollout.judge_shadow") == "deferred"
        assert DeploymentLog(store, MODEL).desired().number == held["entry"]
        assert not _control(stage, "resume")["held"]
        assert rest.wait_for_run(RELEASE, run).state == "success"
    assert not traffic.failures
    told = rest.xcom(RELEASE, run, "conclude")
    assert (told["outcome"], told["champion"]) == ("promoted", told["version"])
    own = [entry for _, entry in DeploymentLog(store, MODEL).log.entries() if entry.run == f"{RELEASE}/{run}"]
    assert [(entry.action, entry.held, entry.who) for entry in own] == [
        ("shadow", False, "admin"),
        ("shadow", True, "admin"),
        ("shadow", False, "admin"),
        ("canary", False, "admin"),
        ("canary", False, "admin"),
        ("promote", False, "admin"),
    ]


def _control(stage: Stage, action: str) -> dict[str, Any]:
    """A person's hand on the rollout, by REST; what it says."""
    run = stage.airflow.rest.trigger(f"{MODEL}.rollout", {"action": action, "reason": "a sale"})
    assert stage.airflow.rest.wait_for_run(run.dag_id, run.run_id).state == "success"
    told: dict[str, Any] = stage.airflow.rest.xcom(run.dag_id, run.run_id, "control")
    return told


def _release_in_shadow(stage: Stage, **rollout: Any) -> str:
    """A release whose shadow stage waits, if not told otherwise for more requests than will come."""
    patient = {"shadow": {"min_samples": 1_000_000}}
    run = stage.airflow.rest.trigger(RELEASE, {"overrides": {"rollout": rollout or patient}}).run_id
    wait_until(lambda: _task(stage, run, "rollout.judge_shadow") == "deferred", 600, 0.5)
    return run


def _task(stage: Stage, run: str, task_id: str) -> str | None:
    return {task.task_id: task.state for task in stage.airflow.rest.tasks(RELEASE, run)}.get(task_id)


def _require_champion_alone(stage: Stage, store: Store, version: int) -> None:
    """The log says so, and the endpoint does so."""
    desired = DeploymentLog(store, MODEL).desired()
    assert (desired.mode, desired.champion) == ("champion", version)
    assert LocalEndpoint(stage.endpoint, MODEL, store).describe() == desired
