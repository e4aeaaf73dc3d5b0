"""``dag.test()`` on every template, against a real endpoint server: one model's life from first release to rollback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.utils.session import create_session

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.ground_truth import read_ground_truth
from airflow_mlops.demo.flights import month_of
from airflow_mlops.demo.traffic import Traffic
from airflow_mlops.templates import monitor, release, rollback, rollout
from tests.templates.conftest import Ground, small_spec
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow]
MODEL = "flight_delay"


def play(dag: DAG, conf: dict[str, Any] | None = None) -> Any:
    """Run a DAG in this process, as its author would."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    bag = DagBag(collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    return dag.test(run_conf=conf)


def state(run: Any, task_id: str) -> str:
    return str(run.get_task_instance(task_id).state)


def result(run: Any, task_id: str) -> Any:
    with create_session() as session:
        query = XComModel.get_many(
            key="return_value", task_ids=task_id, dag_ids=run.dag_id, run_id=run.run_id
        )
        return XComModel.deserialize_value(session.scalars(query).one())


@pytest.fixture(scope="module")
def champion(ground: Ground) -> Any:
    """The first release."""
    return play(release(small_spec(), poll_interval=1.0))


def test_the_first_release_has_no_rival_and_is_promoted(ground: Ground, champion: Any) -> None:
    assert str(champion.state) == "success"
    assert state(champion, "rollout.shadow") == "skipped"
    assert state(champion, "promote") == "success"
    told = result(champion, "conclude")
    assert (told["outcome"], told["version"], told["champion"]) == ("promoted", 1, 1)
    record = Registry(ground.store, MODEL).get(1)
    assert record.run is not None
    assert record.run.run_id == champion.run_id
    assert record.trained.signature.features[0] == "minute_of_day"


def test_a_rival_proves_itself_in_shadow_and_canary(ground: Ground, champion: Any) -> None:
    dag = release(small_spec(), poll_interval=1.0)
    with Traffic(ground.endpoint, MODEL, month_of(2).head(3000), name="rival", rate=100) as traffic:
        run = play(dag, {"overrides": {"training": {"rounds": 14}}})
    assert str(run.state) == "success"
    told = result(run, "conclude")
    assert (told["outcome"], told["version"], told["champion"]) == ("promoted", 2, 2)
    assert not traffic.failures
    assert {"v1", "v2"} <= set(traffic.answers)
    actions = [entry.action for _, entry in DeploymentLog(ground.store, MODEL).log.entries()]
    assert actions == ["promote", "shadow", "canary", "promote"]


def test_a_failed_gate_is_named_and_the_champion_stays(ground: Ground, champion: Any) -> None:
    before = DeploymentLog(ground.store, MODEL).desired()
    strict = {"evaluation": {"gates": [{"metric": "auc", "min": 0.99}]}}
    run = play(release(small_spec()), {"overrides": strict})
    assert str(run.state) == "failed"
    assert state(run, "evaluate") == "failed"
    assert state(run, "register") == "upstream_failed"
    told = result(run, "conclude")
    assert (told["outcome"], told["task"], told["gate"], told["limit"]) == (
        "refused",
        "evaluate",
        "auc",
        0.99,
    )
    assert 0.4 < told["value"] < 0.99
    assert DeploymentLog(ground.store, MODEL).desired() == before


@pytest.fixture(scope="module")
def idle(ground: Ground, champion: Any) -> Any:
    """A release that meets no traffic."""
    hurried = {"rollout": {"shadow": {"max_duration": "3s"}}}
    return play(release(small_spec(), poll_interval=1.0), {"overrides": hurried})


def test_a_rival_without_traffic_is_never_promoted(ground: Ground, idle: Any) -> None:
    before = champion_before(ground, idle)
    assert str(idle.state) == "failed"
    told = result(idle, "conclude")
    assert told["task"] == "rollout.judge_shadow"
    assert "INCONCLUSIVE" in told["reason"]
    desired = DeploymentLog(ground.store, MODEL).desired()
    assert (desired.mode, desired.champion) == ("champion", before)


def champion_before(ground: Ground, run: Any) -> int | None:
    """The champion that this run's challenger was compared with."""
    entries = [entry for _, entry in DeploymentLog(ground.store, MODEL).log.entries()]
    return next(entry.champion for entry in entries if entry.run == f"{run.dag_id}/{run.run_id}")


def test_a_person_holds_resumes_and_aborts_a_rollout(ground: Ground, idle: Any) -> None:
    log = DeploymentLog(ground.store, MODEL)
    before = log.champion()
    version = result(idle, "conclude")["version"]
    log.challenge(version, weight=0.5, lease=timedelta(hours=1), who="test", why="test", run="test")
    told = {}
    for action in ("hold", "resume", "abort"):
        run = play(rollout(small_spec()), {"action": action, "reason": "a sale"})
        assert str(run.state) == "success"
        told[action] = result(run, "control")
        newest = log.log.newest()
        assert newest is not None
        assert newest[0] == told[action]["entry"]
        assert newest[1].why.endswith("a sale")
    assert [(one["mode"], one["held"], one["challenger"]) for one in told.values()] == [
        ("canary", True, version),
        ("canary", False, version),
        ("champion", False, None),
    ]
    assert told["abort"]["champion"] == log.champion() == before


def test_without_a_rollout_there_is_nothing_to_hold(ground: Ground, champion: Any) -> None:
    before = DeploymentLog(ground.store, MODEL).desired()
    run = play(rollout(small_spec()), {"action": "hold"})
    assert str(run.state) == "failed"
    assert DeploymentLog(ground.store, MODEL).desired() == before


def test_an_unknown_override_is_one_clear_line(ground: Ground, champion: Any) -> None:
    run = play(release(small_spec()), {"overrides": {"training": {"round": 3}}})
    assert state(run, "begin") == "failed"
    assert state(run, "snapshot") == "upstream_failed"


@pytest.fixture(scope="module")
def warmth(ground: Ground, champion: Any) -> Iterator[Traffic]:
    """Requests that no champion has learned from, answered; their truth is told at the end."""
    warm = month_of(7).head(400).assign(temp=lambda frame: frame["temp"] + 40, distance=42, carrier="AA")
    start = utc_now()
    with Traffic(ground.endpoint, MODEL, warm, name="warm", rate=200, limit=300, late=True) as traffic:
        traffic.finish()
        wait_until(lambda: len(list(read_captures(ground.store, MODEL, start))) >= 300)
        yield traffic


def test_the_monitor_finds_drift_and_asks_for_retraining_once(ground: Ground, warmth: Traffic) -> None:
    # These requests and no others: how many a rival was asked before depends on the speed of the machine.
    until = utc_now()
    period = {"until": until.isoformat(), "window": f"{(until - warmth.begun).total_seconds():f}s"}
    run = play(monitor(small_spec()), period)
    assert str(run.state) == "success"
    told = result(run, "decide")
    assert told["retrain"], told["said"]
    assert {"temp", "carrier"} <= set(told["columns"])
    assert told["judged_on"] == "estimated"
    assert told["labelled"] < told["rows"] / 2, "the truth is kept back"
    assert told["estimated"]["log_loss"]["value"] > 0
    assert state(run, "request_retraining") == "success"
    assert {"drift", "retraining"} <= set(result(run, "alert")["sent"])
    again = play(monitor(small_spec()), period)
    assert not result(again, "decide")["retrain"]
    assert "asked already" in result(again, "decide")["said"]
    assert state(again, "request_retraining") == "skipped"
    assert str(again.state) == "success"


def test_labels_that_came_later_are_measured(ground: Ground, warmth: Traffic) -> None:
    warmth.tell_truth()
    wait_until(
        lambda: len(list(read_ground_truth(ground.store, MODEL, utc_now() - timedelta(hours=1)))) >= 300
    )
    told = result(play(monitor(small_spec())), "decide")
    assert told["labelled"] >= 300
    assert told["judged_on"] == "measured"
    assert told["measured"]["log_loss"]["low"] <= told["measured"]["log_loss"]["value"]


def test_a_period_is_the_same_whenever_it_is_looked_at(ground: Ground, warmth: Traffic) -> None:
    until = utc_now().isoformat()
    runs = [play(monitor(small_spec()), {"until": until, "window": "2h"}) for _ in range(2)]
    drifts = [result(run, "drift")["ref"] for run in runs]
    assert drifts[0] == drifts[1]


def test_a_look_with_nothing_to_look_at_says_so(ground: Ground, champion: Any) -> None:
    run = play(monitor(small_spec()), {"until": "2013-01-01T00:00:00Z"})
    assert str(run.state) == "success"
    told = result(run, "decide")
    assert (told["outcome"], told["champion"], told["retrain"]) == ("inconclusive", None, False)


def test_rollback_goes_to_the_version_before(ground: Ground, champion: Any) -> None:
    run = play(rollback(small_spec()), {"to": 1, "reason": "test"})
    assert str(run.state) == "success"
    told = result(run, "rollback")
    assert (told["champion"], told["mode"]) == (1, "champion")
    newest = DeploymentLog(ground.store, MODEL).log.newest()
    assert newest is not None
    assert newest[1].why == "test"


def test_rollback_to_the_fallback_rule_and_back(ground: Ground, champion: Any) -> None:
    assert result(play(rollback(small_spec()), {"fallback": True}), "rollback")["mode"] == "fallback"
    assert result(play(rollback(small_spec())), "rollback")["mode"] == "champion"


def test_rollback_to_an_unknown_version_fails_and_changes_nothing(ground: Ground, champion: Any) -> None:
    before = DeploymentLog(ground.store, MODEL).desired()
    run = play(rollback(small_spec()), {"to": 99})
    assert str(run.state) == "failed"
    assert DeploymentLog(ground.store, MODEL).desired() == before
