"""What all operators share: no I/O before execution, and a mistake that is told once, in one line, with its numbers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_mlops.core.errors import (
    DataError,
    DeploymentConflict,
    DeploymentFailed,
    EndpointError,
    GateFailed,
    IntegrityError,
    MlopsError,
    StoreError,
    UnsafeStore,
)
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.store import Store
from airflow_mlops.operators.alerting import LookAlertOperator, ReleaseAlertOperator, RollbackAlertOperator
from airflow_mlops.operators.base import MlopsOperator, Work, asked_by, run_key
from airflow_mlops.operators.control import RolloutControlOperator
from airflow_mlops.operators.data import SnapshotOperator, ValidateOperator
from airflow_mlops.operators.erasure import EraseOperator
from airflow_mlops.operators.features import LeakageOperator, SkewOperator
from airflow_mlops.operators.healing import HealOperator
from airflow_mlops.operators.help import HELP
from airflow_mlops.operators.join import JoinOperator
from airflow_mlops.operators.labels import ApplyReviewOperator, AuditLabelsOperator
from airflow_mlops.operators.model import EvaluateOperator, RegisterOperator, TrainOperator
from airflow_mlops.operators.monitoring import DriftOperator, PerformanceOperator, TakeInOperator
from airflow_mlops.operators.privacy import ProtectOperator
from airflow_mlops.operators.reproduction import ReproduceOperator
from airflow_mlops.operators.retention import PruneOperator
from airflow_mlops.operators.retraining import DecideOperator, RequestRetrainingOperator
from airflow_mlops.operators.rollout import (
    BeginReleaseOperator,
    ChallengeOperator,
    ConcludeReleaseOperator,
    PromoteOperator,
    ReconcileOperator,
    RollbackOperator,
)
from airflow_mlops.operators.scoring import ScoreOperator, SnapshotScoringOperator
from airflow_mlops.operators.transform import BatchTransformOperator
from airflow_mlops.sensors.rollout import RolloutSensor
from airflow_mlops.spec import ModelSpec
from tests.core.registry import world
from tests.operators.world import Run

ARGUMENTS: dict[type[MlopsOperator], dict[str, Any]] = {
    SnapshotOperator: {"since": "2024-01-01"},
    ProtectOperator: {"dataset": {}},
    ValidateOperator: {"dataset": {}},
    TrainOperator: {"dataset": {}},
    EvaluateOperator: {"dataset": {}, "trained": {}},
    RegisterOperator: {"dataset": {}, "trained": {}, "evaluation": {}},
    BeginReleaseOperator: {"overrides": {}},
    ChallengeOperator: {"version": 1},
    RolloutSensor: {"version": 1, "stage": "shadow"},
    PromoteOperator: {"version": 1, "verdicts": []},
    ConcludeReleaseOperator: {},
    RolloutControlOperator: {"action": "hold", "reason": "r"},
    RollbackOperator: {"to": 1, "reason": "r"},
    ReconcileOperator: {},
    HealOperator: {},
    TakeInOperator: {"window": "6h"},
    DriftOperator: {"period": {}},
    PerformanceOperator: {"period": {}},
    DecideOperator: {"drift": {}, "performance": {}},
    RequestRetrainingOperator: {},
    LookAlertOperator: {"health": {}},
    ReleaseAlertOperator: {"release": {}},
    RollbackAlertOperator: {"rollback": {}},
    SnapshotScoringOperator: {},
    ScoreOperator: {"dataset": {}},
    JoinOperator: {"dataset": {}},
    LeakageOperator: {"dataset": {}},
    ApplyReviewOperator: {"dataset": {}},
    AuditLabelsOperator: {"dataset": {}},
    SkewOperator: {},
    PruneOperator: {},
    EraseOperator: {"subject": "0" * 64},
    ReproduceOperator: {"version": 1},
    BatchTransformOperator: {"dataset": {}, "version": 1},
}
TEMPLATED = {
    JoinOperator: {"dataset"},
    LeakageOperator: {"dataset"},
    ApplyReviewOperator: {"dataset", "paths"},
    AuditLabelsOperator: {"dataset"},
    SkewOperator: {"requests"},
    SnapshotOperator: {"since", "until", "dataset"},
    ProtectOperator: {"dataset"},
    ValidateOperator: {"dataset"},
    TrainOperator: {"dataset"},
    EvaluateOperator: {"dataset", "trained"},
    RegisterOperator: {"dataset", "trained", "evaluation", "validation", "audit"},
    BeginReleaseOperator: {"overrides"},
    ChallengeOperator: {"version"},
    RolloutSensor: {"version"},
    PromoteOperator: {"version", "verdicts"},
    RolloutControlOperator: {"action", "reason"},
    RollbackOperator: {"to", "fallback", "reason"},
    TakeInOperator: {"until", "window"},
    DriftOperator: {"period"},
    PerformanceOperator: {"period"},
    DecideOperator: {"drift", "performance"},
    LookAlertOperator: {"health"},
    ReleaseAlertOperator: {"release"},
    RollbackAlertOperator: {"rollback", "reason"},
    EraseOperator: {"subject", "reason", "only_look"},
    SnapshotScoringOperator: {"since", "until"},
    ScoreOperator: {"dataset", "version"},
    ReproduceOperator: {"version", "place", "tolerance"},
    BatchTransformOperator: {"dataset", "version"},
}


class Failing(MlopsOperator):
    """Fails with what it is given."""

    def __init__(self, *, error: Exception, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    def work(self, work: Work, context: Any) -> None:
        raise self.error


class Asking(MlopsOperator):
    """Returns who asks, and for what."""

    def work(self, work: Work, context: Any) -> dict[str, Any]:
        return {"who": work.who, "run": work.run, "spec": work.spec.name}


def one(kind: type[MlopsOperator], **arguments: Any) -> MlopsOperator:
    return kind(task_id="t", spec=world.spec(), **{**ARGUMENTS.get(kind, {}), **arguments})


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_a_constructor_takes_keywords_and_does_nothing_else(
    kind: type[MlopsOperator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", "no connection at all")
    operator = one(kind)
    kinds = {
        parameter.kind for name, parameter in inspect.signature(kind).parameters.items() if name != "self"
    }
    assert inspect.Parameter.POSITIONAL_OR_KEYWORD not in kinds
    assert set(kind.template_fields) == {"spec", "mlops_conn_id"} | TEMPLATED.get(kind, set())
    assert all(hasattr(operator, name) for name in operator.template_fields)
    assert operator.mlops_conn_id == "mlops_default"
    assert operator.spec == world.spec()


def test_the_connection_can_be_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MLOPS__CONN_ID", "mlops_prod")
    assert one(Asking).mlops_conn_id == "mlops_prod"
    assert one(Asking, mlops_conn_id="mine").mlops_conn_id == "mine"


def test_the_pause_between_looks_can_be_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert one(RolloutSensor).poll_interval == 10
    monkeypatch.setenv("AIRFLOW__MLOPS__POLL_INTERVAL", "30")
    assert one(RolloutSensor).poll_interval == 30
    assert one(RolloutSensor, poll_interval=2).poll_interval == 2


def test_a_run_is_known_by_its_dag_and_id(store: Store, run: Run) -> None:
    assert run.execute(one(Asking)) == {"who": "ann", "run": "orders.release/r1", "spec": "orders"}
    assert run_key(run.context(one(Asking))) == run.key
    assert asked_by(Run(user=None).context(one(Asking))) == "airflow (manual)"


@pytest.mark.parametrize("spec", [world.spec(), world.spec().to_dict()])
def test_a_spec_may_be_given_in_both_forms(store: Store, run: Run, spec: Any) -> None:
    assert run.execute(Asking(task_id="t", spec=spec))["spec"] == "orders"


@pytest.mark.parametrize(
    "spec, says",
    [
        (None, "not a model spec; given None"),
        ("orders", "not a model spec; given 'orders'"),
        (
            {**world.spec().to_dict(), "training": {"round": 3}},
            "training.round: unknown field; did you mean rounds?",
        ),
    ],
)
def test_a_wrong_spec_fails_at_once(store: Store, run: Run, spec: Any, says: str) -> None:
    with pytest.raises(AirflowFailException, match=says):
        run.execute(Asking(task_id="t", spec=spec))
    assert run.refusal("t")["kind"] == "SpecError"


def test_a_wrong_connection_fails_at_once(connect: Callable[..., None], run: Run) -> None:
    connect(stor="/x")
    with pytest.raises(AirflowFailException, match="mlops connection has an unknown field; given stor"):
        run.execute(one(Asking))
    assert run.refusal("t")["kind"] == "PlatformError"


@pytest.mark.parametrize(
    "error, again",
    [
        (EndpointError("nobody answers"), True),
        (StoreError("slow down"), True),
        (IntegrityError("bytes differ"), True),
        (UnsafeStore("two winners"), False),
        (DataError("no rows"), False),
        (DeploymentConflict("taken"), False),
        (DeploymentFailed("not followed"), False),
        (MlopsError("a\nb"), False),
    ],
)
def test_what_may_pass_is_tried_again_and_a_mistake_is_not(
    store: Store, run: Run, error: MlopsError, again: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AirflowException) as caught:
        run.execute(one(Failing, error=error))
    assert isinstance(caught.value, AirflowFailException) is not again
    assert str(caught.value) == str(error)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__, "no traceback of ours in the task log"
    assert f"{type(error).__name__}: {error}" in capsys.readouterr().out
    assert run.refusal("t") == {
        "task": "t",
        "kind": type(error).__name__,
        "reason": str(error),
        "gate": None,
        "value": None,
        "limit": None,
    }


def test_a_task_that_moves_traffic_tries_again_when_the_endpoint_did_not_follow() -> None:
    for kind in (
        BeginReleaseOperator,
        PromoteOperator,
        ConcludeReleaseOperator,
        RolloutControlOperator,
        RollbackOperator,
        ReconcileOperator,
        RolloutSensor,
    ):
        assert DeploymentFailed in kind.retried
    assert DeploymentFailed not in ChallengeOperator.retried


def test_a_failed_gate_is_named_before_an_undecided_one(store: Store, run: Run) -> None:
    undecided = GateResult(gate=Gate(metric="auc", min=0.7), outcome="inconclusive", reason="?")
    failed = GateResult(
        gate=Gate(metric="brier", max=0.1, slice="a=b"), outcome="fail", value=0.3, limit=0.1, reason="0.3"
    )
    with pytest.raises(AirflowFailException):
        run.execute(one(Failing, error=GateFailed("refused", gates=(undecided, failed))))
    assert run.refusal("t") == {
        "task": "t",
        "kind": "GateFailed",
        "reason": "refused",
        "gate": "brier[a=b]",
        "value": 0.3,
        "limit": 0.1,
    }


def test_an_error_of_ours_that_is_a_bug_is_not_dressed_up(store: Store, run: Run) -> None:
    with pytest.raises(ZeroDivisionError):
        run.execute(one(Failing, error=ZeroDivisionError()))
    assert ("t", "refusal") not in run.xcoms


def test_a_spec_survives_the_templating_of_airflow() -> None:
    spec = world.spec()
    operator = Asking(task_id="t", spec=spec)
    operator.render_template_fields({})
    assert operator.spec == spec.to_dict(), "plain values: they are shown as rendered"
    assert ModelSpec.from_mapping(operator.spec) == spec


@pytest.mark.parametrize("plain", [False, True])
def test_templates_in_a_spec_are_rendered(plain: bool) -> None:
    spec = ModelSpec(**{**world.spec().to_dict(), "description": "Made for {{ ds }}"})
    operator = Asking(task_id="t", spec=spec.to_dict() if plain else spec)
    operator.render_template_fields({"ds": "2013-07-01"})
    assert operator.spec["description"] == "Made for 2013-07-01"
    assert spec.description == "Made for {{ ds }}"


def test_templates_in_a_mapped_spec_are_rendered() -> None:
    spec = ModelSpec(**{**world.spec().to_dict(), "description": "Made for {{ ds }}"})
    with DAG("mapped"):
        mapped = Asking.partial(task_id="t", spec=spec).expand(mlops_conn_id=["one", "two"])
    operator = mapped.unmap({"mlops_conn_id": "one"})
    operator.render_template_fields({"ds": "2013-07-01"})
    assert operator.spec["description"] == "Made for 2013-07-01"


@pytest.mark.parametrize(
    "conf, says",
    [
        ({"untill": "2013-07-01"}, "conf has an unknown field; given 'untill'; expected until?"),
        ({"rounds": 3}, "conf has an unknown field; given 'rounds'; expected since, until"),
    ],
)
def test_a_field_of_the_conf_that_nobody_reads_fails_the_first_task(
    store: Store, run: Run, conf: dict[str, Any], says: str
) -> None:
    task = one(Asking)
    assert given(run, task, conf)["spec"] == "orders", "a DAG of somebody's own may take what it likes"
    task.known_conf = ("since", "until")
    with pytest.raises(AirflowFailException, match=re.escape(says)):
        given(run, task, conf)
    assert given(run, task, {"since": "2013-07-01"})["spec"] == "orders"
    assert given(run, task, {})["spec"] == "orders"


def given(run: Run, task: MlopsOperator, conf: dict[str, Any]) -> Any:
    """Run a task in a run that was triggered with this conf."""
    context = run.context(task)
    context["dag_run"].conf = conf
    return task.execute(context)


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_the_page_of_a_task_says_what_it_does_what_it_returns_and_what_to_do(
    kind: type[MlopsOperator],
) -> None:
    told = str(one(kind).doc_md)
    assert "**Returns** " in told
    assert "**When it fails** " in told
    assert kind.__name__ in HELP, "its own text, not that of its base"
    assert one(kind, doc_md="mine").doc_md == "mine"


def test_an_operator_of_somebodys_own_is_told_as_the_one_it_was_made_from() -> None:
    class Mine(SnapshotOperator):
        """Another snapshot."""

    assert one(SnapshotOperator).doc_md == Mine(task_id="t", spec=world.spec()).doc_md
    assert one(Failing, error=ValueError()).doc_md is None
