"""The shape of the template DAGs, as Airflow sees it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError

from airflow_mlops.notifications.deadline import release_deadline
from airflow_mlops.notifications.webhook import WebhookNotifier
from airflow_mlops.templates import lifecycle, monitor, release, rollback, rollout, score
from tests.templates.conftest import small_spec


@pytest.fixture(scope="module")
def dags() -> dict[str, DAG]:
    return {dag.dag_id: dag for dag in lifecycle(small_spec())}


def test_lifecycle_makes_one_dag_for_each_purpose(dags: dict[str, DAG]) -> None:
    names = ("release", "monitor", "rollout", "rollback", "reproduce")
    assert set(dags) == {f"flight_delay.{name}" for name in names}


def test_release_runs_its_stages_in_order(dags: dict[str, DAG]) -> None:
    order = [task.task_id for task in dags["flight_delay.release"].topological_sort()]
    names = [
        *("begin", "snapshot", "validate", "train", "evaluate", "register"),
        *("rollout.shadow", "rollout.judge_shadow", "rollout.canary_50", "rollout.judge_canary_50"),
        *("promote", "conclude", "alert"),
    ]
    assert [name for name in order if name in names] == names
    assert set(order) == set(names)


def test_conclude_is_the_teardown_of_begin(dags: dict[str, DAG]) -> None:
    conclude = dags["flight_delay.release"].get_task("conclude")
    assert conclude.is_teardown
    assert dags["flight_delay.release"].get_task("begin").is_setup
    assert "begin" in conclude.upstream_task_ids
    assert set(conclude.tasks) >= {"snapshot", "validate", "rollout.judge_shadow", "promote"}


def test_a_spec_without_shadow_has_no_shadow_task() -> None:
    spec = small_spec()
    spec = spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"shadow": None})})
    dag = release(spec)
    assert [name for name in dag.task_ids if name.startswith("rollout.")] == [
        "rollout.canary_50",
        "rollout.judge_canary_50",
    ]
    assert dag.get_task("rollout.canary_50").upstream_task_ids >= {"register"}


@pytest.mark.parametrize("people, asking", [(1, ["approve"]), (2, ["approve", "approve_second"])])
def test_people_are_asked_between_the_registration_and_the_rollout(people: int, asking: list[str]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    dag = release(small_spec(approval={"people": people}))
    order = [task.task_id for task in dag.topological_sort()]
    first = order.index("register") + 1
    assert order[first : first + people + 1] == [*asking, "rollout.shadow"]
    assert asking[-1] in dag.get_task("rollout.shadow").upstream_task_ids
    assert set(asking) <= set(dag.get_task("conclude").tasks)
    assert "asks people to approve it" in str(dag.doc_md)
    DagSerialization.from_dict(DagSerialization.to_dict(dag))


EVERYTHING: dict[str, Any] = {
    "data": {
        "joins": [
            {"name": "weather", "source": "weather/*.parquet", "event_time": "hour", "columns": ["snow"]}
        ]
    },
    "privacy": {},
    "labels": {"review": "reviewed"},
    "features": {"leakage": {}},
    "monitoring": {"skew_requests": 100},
    "retention": {},
}


def test_the_data_take_the_steps_that_the_spec_asks_for() -> None:
    dag = release(small_spec().with_overrides(EVERYTHING))
    order = [task.task_id for task in dag.topological_sort()]
    steps = ["join", "apply_review", "protect", "validate", "check_features", "audit_labels", "train"]
    assert [name for name in order if name in steps] == steps
    for before, after in pairwise(["snapshot", *steps]):
        assert before in dag.get_task(after).upstream_task_ids, f"{before} comes right before {after}"


def test_what_is_trained_on_is_what_the_validation_let_go_on() -> None:
    dag = release(small_spec())
    for name in ("train", "evaluate", "register"):
        assert (dag.get_task(name).dataset.operator.task_id, dag.get_task(name).dataset.key) == (
            "validate",
            "dataset",
        )


def test_the_record_of_a_version_names_the_audit_of_its_labels() -> None:
    audited = release(small_spec().with_overrides(EVERYTHING)).get_task("register")
    assert audited.audit.operator.task_id == "audit_labels"
    assert release(small_spec()).get_task("register").audit is None


def test_the_monitor_has_the_tasks_that_the_spec_asks_for() -> None:
    plain, full = (monitor(spec) for spec in (small_spec(), small_spec().with_overrides(EVERYTHING)))
    assert set(full.task_ids) - set(plain.task_ids) == {"skew", "prune"}
    order = [task.task_id for task in plain.topological_sort()]
    steps = ["take_in", "drift", "decide", "request_retraining", "alert"]
    assert [name for name in order if name in steps] == steps
    assert plain.get_task("decide").upstream_task_ids == {"drift", "performance"}


@pytest.mark.parametrize("make", [release, monitor, rollback])
def test_people_are_told_whatever_becomes_of_the_run(make: Any) -> None:
    notifier = WebhookNotifier(conn_id="chat")
    alert = make(small_spec(), notifiers=[notifier]).get_task("alert")
    assert alert.is_teardown
    assert not alert.downstream_task_ids
    assert list(alert.notifiers) == [notifier]


def test_an_endpoint_that_does_not_follow_fails_the_monitor() -> None:
    dag = monitor(small_spec())
    assert dag.get_task("heal").downstream_task_ids == {"alert"}


def test_a_release_has_a_deadline_where_people_can_be_told_unless_its_author_takes_it_away() -> None:
    notifiers = [WebhookNotifier(conn_id="chat")]
    (deadline,) = release(small_spec(), notifiers=notifiers).deadline or ()
    assert deadline.interval == release_deadline(small_spec())
    assert not release(small_spec()).deadline
    assert not release(small_spec(), notifiers=notifiers, deadline=None).deadline


def test_a_spec_with_scoring_has_a_score_dag() -> None:
    dags = lifecycle(small_spec(scoring={"source": "ahead/*.parquet"}))
    assert [dag.dag_id for dag in dags][-1] == "flight_delay.score"


def test_a_spec_with_a_subject_has_an_erase_dag() -> None:
    dags = lifecycle(small_spec().with_overrides({"data": {"subject": "flight_id"}}))
    assert [dag.dag_id for dag in dags][-1] == "flight_delay.erase"


def test_new_rows_to_score_start_the_scoring() -> None:
    dag = score(small_spec(scoring={"source": "ahead/*.parquet", "arrival": {}}))
    condition: Any = dag.timetable.asset_condition
    assert [asset.uri for asset in condition.objects] == [
        "mldataset://flight_delay__scoring/",
        "mldataset://flight_delay__scoring/arrival",
    ]
    assert [watcher.trigger.source for asset in condition.objects for watcher in asset.watchers] == [
        "ahead/*.parquet"
    ]


def test_new_files_start_a_release_where_the_spec_says_when_they_are_complete() -> None:
    spec = small_spec().with_overrides({"data": {"arrival": {"complete": "success"}}})
    condition = release(spec).timetable.asset_condition  # type: ignore[attr-defined]
    assert "mldataset://flight_delay/arrival" in {asset.uri for asset in condition.objects}


def test_the_docs_of_a_release_name_its_steps() -> None:
    told = release(small_spec().with_overrides(EVERYTHING)).doc_md
    assert told is not None
    for words in ("joins weather", "applies reviewed labels", "personal data", "leakage", "label errors"):
        assert words in told
        assert words not in str(release(small_spec()).doc_md)


def test_release_listens_to_new_data_and_to_the_retrain_asset(dags: dict[str, DAG]) -> None:
    condition = dags["flight_delay.release"].timetable.asset_condition  # type: ignore[attr-defined]
    assert {asset.uri for asset in condition.objects} == {
        "mlmodel://flight_delay/retrain",
        "mldataset://flight_delay/",
    }
    retrain = dags["flight_delay.monitor"].get_task("request_retraining").outlets
    assert [asset.uri for asset in retrain] == ["mlmodel://flight_delay/retrain"]


@pytest.mark.parametrize(
    "make,conf,word",
    [
        (release, {"since": "yesterday"}, "since"),
        (release, {"overrides": {"trainings": {}}}, "trainings"),
        (release, {"dataset": "flights of June"}, "flights of June"),
        (rollout, {"action": "stop"}, "stop"),
        (rollout, {"action": "hold", "reason": 7}, "7"),
        (rollback, {"to": "three"}, "three"),
        (rollback, {"to": 0}, "0"),
        (monitor, {"window": "6 hours"}, "6 hours"),
        (monitor, {"until": "yesterday"}, "until"),
    ],
)
def test_a_conf_with_a_mistake_is_refused(make: Any, conf: dict[str, Any], word: str) -> None:
    params = make(small_spec()).params
    with pytest.raises(ParamValidationError, match=word):
        params.update(conf)


def test_a_rollout_is_controlled_only_by_who_says_how() -> None:
    with pytest.raises(ParamValidationError, match="action"):
        rollout(small_spec()).params.validate()


def test_dags_survive_airflows_serialization(dags: dict[str, DAG]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in dags.values():
        DagSerialization.validate_schema(DagSerialization.to_dict(dag))


def test_arguments_of_the_caller_win() -> None:
    dag = release(small_spec(), schedule=None, tags=["mine"], default_args={"retries": 7})
    assert dag.tags == {"mine"}
    assert dag.get_task("train").retries == 7
    assert dag.get_task("train").owner == "operations"
