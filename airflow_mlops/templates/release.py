"""The release DAG: snapshot, validate, train, evaluate, register, approve, replay, shadow, canary, promote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, Param, TaskGroup, TriggerRule, chain

from airflow_mlops.assets import ENDPOINT, create_dataset_asset, create_model_asset, watched_dataset_asset
from airflow_mlops.core.registry.approval.markdown import text
from airflow_mlops.notifications.deadline import late_release
from airflow_mlops.operators.alerting import ReleaseAlertOperator
from airflow_mlops.operators.base import connection_named
from airflow_mlops.operators.model import EvaluateOperator, RegisterOperator, TrainOperator
from airflow_mlops.operators.replay import ReplayOperator
from airflow_mlops.operators.rollout import (
    BeginReleaseOperator,
    ChallengeOperator,
    ConcludeReleaseOperator,
    PromoteOperator,
)
from airflow_mlops.sensors.rollout import RolloutSensor
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.approval import approve
from airflow_mlops.templates.data import check_data, prepare_data, tested_data
from airflow_mlops.templates.ownership import described, owned_settings, page_of_model
from airflow_mlops.templates.params import add_params, time_param

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier

#: Sections that one run may change; the rest is the model itself.
OVERRIDABLE = (
    "data",
    "privacy",
    "validation",
    "features",
    "split",
    "training",
    "labels",
    "evaluation",
    "rollout",
)


def release(
    spec: ModelSpec,
    *,
    mlops_conn_id: str | None = None,
    poll_interval: float | None = None,
    notifiers: Sequence[BaseNotifier] = (),
    default_args: Mapping[str, Any] | None = None,
    **dag_args: Any,
) -> DAG:
    """Make the DAG ``<model>.release``.

    It runs on an event of the model's dataset or retrain asset, on new files where the spec says ``data.arrival``,
    from the UI form and by REST. A gate that fails ends it with the reason, the champion untouched; wherever it dies,
    its teardown takes the challenger out. With notifiers, one that hangs is told by Airflow's deadline.

    :param spec: the model.
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``.
    :param poll_interval: seconds between two looks at a rollout; without one, ``[mlops] poll_interval``.
    :param notifiers: of any provider, told what people should know; templates find it as ``mlops_alert``.
    :param default_args: arguments for every task, over the template's own.
    :param dag_args: any argument of :class:`airflow.sdk.DAG`, over the template's own.
    """
    settings = {**_settings(spec, default_args or {}, mlops_conn_id), **dag_args}
    # Airflow 3.3's dag.test() can't end a DAG that has a deadline, so there is none where nobody would be told.
    if notifiers and "deadline" not in settings:
        settings["deadline"] = late_release(spec, notifiers, mlops_conn_id=mlops_conn_id)
    place: dict[str, Any] = {"mlops_conn_id": connection_named(mlops_conn_id)}
    with DAG(f"{spec.name}.release", **settings) as dag:
        begin = BeginReleaseOperator(task_id="begin", spec=spec, overrides=dag.param("overrides"), **place)
        # From here on the spec is the one that this run began with.
        common = {"spec": begin.output, **place}
        version = _build(spec, dag, common)
        approved = approve(spec, version, common, notifiers)
        verdicts = _roll_out(spec, common, version, poll_interval, after=[version, *approved][-1])
        promote = _promote(spec, place, version, verdicts, poll_interval)
        _conclude(spec, dag, begin, promote, common, notifiers)
    add_params(dag, _params())
    return dag


def _settings(spec: ModelSpec, default_args: Mapping[str, Any], mlops_conn_id: str | None) -> dict[str, Any]:
    """The template's own arguments of the DAG."""
    schedule = create_model_asset(model=spec.name, part="retrain") | create_dataset_asset(dataset=spec.name)
    if spec.data.arrival is not None:
        schedule |= watched_dataset_asset(spec, mlops_conn_id)
    settings: dict[str, Any] = {
        "schedule": schedule,
        "catchup": False,
        "max_active_runs": 1,
        "description": f"Release {spec.name}: from data to champion",
        "doc_md": _doc(spec),
        "default_args": {
            "retries": 2,
            "retry_delay": timedelta(seconds=20),
            **default_args,
        },
    }
    return owned_settings(spec, settings)


def _build(spec: ModelSpec, dag: DAG, common: dict[str, Any]) -> RegisterOperator:
    """From data to a registered version."""
    # The groups fold tasks in Airflow's grid and graph, and leave their ids alone.
    with TaskGroup("data", prefix_group_id=False, tooltip="The data: pinned, joined, protected, tested"):
        validate = prepare_data(spec, dag, common)
        checked = check_data(spec, validate, common)
    data = tested_data(validate)
    with TaskGroup("model", prefix_group_id=False, tooltip="The model: trained, evaluated, registered"):
        train = TrainOperator(task_id="train", dataset=data, **common)
        evaluate = EvaluateOperator(task_id="evaluate", dataset=data, trained=train.output, **common)
        register = RegisterOperator(
            task_id="register",
            dataset=data,
            trained=train.output,
            evaluation=evaluate.output,
            validation=validate.output,
            audit=checked.output if "audit_labels" in spec.data_steps else None,
            **common,
        )
    chain(checked, train, evaluate, register)
    return register


def _roll_out(
    spec: ModelSpec,
    common: dict[str, Any],
    version: RegisterOperator,
    poll_interval: float | None,
    after: BaseOperator,
) -> Sequence[BaseOperator]:
    """Replay, then shadow, then each step of the canary; return the tasks that give a verdict, in order."""
    verdicts: list[BaseOperator] = []
    waiting = {**common, "poll_interval": poll_interval}
    last = after
    with TaskGroup("rollout", tooltip="Replay, shadow and canary: the challenger has to prove itself"):
        for stage, weight in spec.rollout.stages:
            if stage == "replay":
                replay = ReplayOperator(task_id="replay", version=version.output, **common)
                chain(last, replay)
                verdicts.append(replay)
                last = replay
                continue
            name = "shadow" if stage == "shadow" else f"canary_{weight * 100:g}".replace(".", "_")
            challenge = ChallengeOperator(task_id=name, version=version.output, weight=weight, **waiting)
            sensor = RolloutSensor(task_id=f"judge_{name}", stage=stage, version=version.output, **waiting)
            chain(last, challenge, sensor)
            verdicts.append(sensor)
            last = sensor
    return verdicts


def _promote(
    spec: ModelSpec,
    place: Mapping[str, Any],
    version: RegisterOperator,
    verdicts: Sequence[BaseOperator],
    poll_interval: float | None,
) -> PromoteOperator:
    """Make the version the champion, after the last verdict."""
    promote = PromoteOperator(
        task_id="promote",
        version=version.output,
        verdicts=[one.output for one in verdicts],
        trigger_rule=TriggerRule.NONE_FAILED,
        # An inlet starts nothing: it draws the line from the data to the model in Airflow's graph of assets.
        inlets=[create_dataset_asset(dataset=spec.name)],
        outlets=[create_model_asset(model=spec.name), create_model_asset(model=spec.name, part=ENDPOINT)],
        # Airflow allows no other trigger rule than all_success right after a setup task, so not from begin.
        spec=spec,
        poll_interval=poll_interval,
        **place,
    )
    chain(verdicts[-1], promote)
    return promote


def _conclude(
    spec: ModelSpec,
    dag: DAG,
    begin: BaseOperator,
    last: BaseOperator,
    common: Mapping[str, Any],
    notifiers: Sequence[BaseNotifier],
) -> None:
    """The teardown, whose result is that of the DAG, and who is told."""
    tasks = list(dag.task_ids)
    conclude = ConcludeReleaseOperator(task_id="conclude", tasks=tasks, **common)
    alert = ReleaseAlertOperator(
        task_id="alert",
        release=conclude.output,
        tasks=tasks,
        notifiers=notifiers,
        # Not that of begin, which may have failed.
        **{**common, "spec": spec},
    )
    chain(last, conclude, alert)
    conclude.as_teardown(setups=begin)
    alert.as_teardown()
    dag.add_result(conclude.output)


def _params() -> dict[str, Param]:
    return {
        "since": time_param("Since", "First event time of the data; empty for all.", "2013-01-01T00:00:00Z"),
        "until": time_param(
            "Until", "Event time before which data is taken; empty for all.", "2013-07-01T00:00:00Z"
        ),
        "dataset": Param(
            None,
            type=["null", "string"],
            pattern=r"^[0-9a-f]{8,64}$",
            title="Dataset version",
            description="Id of a dataset version that is there (`airflow-mlops datasets` lists them); empty to take "
            "a snapshot. Example: 3f2a9c4be1d07f6a52c81b90",
        ),
        "overrides": Param(
            {},
            type="object",
            title="Overrides of the spec",
            description=f"Fields of the spec to replace in this run, by section: {', '.join(OVERRIDABLE)}. "
            'Example: {"training": {"rounds": 300}}',
            properties={section: {"type": "object"} for section in OVERRIDABLE},
            additionalProperties=False,
        ),
    }


def _steps(spec: ModelSpec) -> str:
    """What happens before the rollout, in words."""
    steps = ["Pins the data"]
    steps += [f"joins {', '.join(text(join.name) for join in spec.data.joins)}"] if spec.data.joins else []
    steps += ["applies reviewed labels"] if spec.labels and spec.labels.review else []
    steps += ["looks for personal data"] if spec.privacy else []
    steps += ["tests it"]
    steps += ["looks for leakage"] if spec.features.leakage else []
    steps += ["looks for label errors"] if spec.labels else []
    steps += ["trains", "evaluates", "registers a version"]
    steps += ["asks people to approve it"] if spec.approval else []
    return ", ".join(steps)


def _doc(spec: ModelSpec) -> str:
    stages = ", then ".join(dict.fromkeys(stage for stage, _ in spec.rollout.stages))
    return f"""### Release of `{spec.name}`

{described(spec)}

{_steps(spec)}, and lets it prove itself in {stages} before it becomes
the champion. `{spec.name}.rollout` holds, resumes or aborts the rollout meanwhile; {page_of_model(spec)} shows it.

**Returns** the result of `conclude`: `outcome`, `version`, `champion`, and what refused the release.

**When a task fails** its log and the result of `conclude` say which gate refused, with value and
limit. The champion keeps serving; nothing has to be cleaned up. Mend the cause and trigger a new run.
"""
