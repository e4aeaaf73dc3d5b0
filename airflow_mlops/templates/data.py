"""The part of a release that makes the data ready: pinned, joined, reviewed, protected, tested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import XComArg, chain

from airflow_mlops.operators.data import SnapshotOperator, ValidateOperator
from airflow_mlops.operators.features import LeakageOperator
from airflow_mlops.operators.join import JoinOperator
from airflow_mlops.operators.labels import ApplyReviewOperator, AuditLabelsOperator
from airflow_mlops.operators.privacy import ProtectOperator

if TYPE_CHECKING:
    from airflow.sdk import DAG, BaseOperator

    from airflow_mlops.spec import ModelSpec


def prepare_data(spec: ModelSpec, dag: DAG, common: dict[str, Any]) -> ValidateOperator:
    """Make the tasks from the snapshot to the validation, and the checks after it, in the order in which they run.

    The spec says which there are. Each task before the validation takes a dataset version and gives one; what goes on
    is the XCom ``dataset`` of the validation, which may have dropped rows.

    :param common: arguments of every operator.
    :return: the validation, and after it all of them are done.
    """
    making: list[BaseOperator] = [
        SnapshotOperator(
            task_id="snapshot",
            since=dag.param("since"),
            until=dag.param("until"),
            dataset=dag.param("dataset"),
            **common,
        )
    ]
    if "join" in spec.data_steps:
        making.append(JoinOperator(task_id="join", dataset=making[-1].output, **common))
    if "apply_review" in spec.data_steps:
        making.append(ApplyReviewOperator(task_id="apply_review", dataset=making[-1].output, **common))
    if "protect" in spec.data_steps:
        making.append(ProtectOperator(task_id="protect", dataset=making[-1].output, **common))
    validate = ValidateOperator(task_id="validate", dataset=making[-1].output, **common)
    chain(*making, validate)
    return validate


def tested_data(validate: ValidateOperator) -> XComArg:
    """The dataset version that goes on after a validation."""
    return XComArg(validate, key="dataset")


def check_data(spec: ModelSpec, validate: ValidateOperator, common: dict[str, Any]) -> BaseOperator:
    """Make the tasks that look for leakage and label errors in validated data; return the last, or the validation."""
    checks: list[BaseOperator] = [validate]
    data = tested_data(validate)
    if "check_features" in spec.data_steps:
        checks.append(LeakageOperator(task_id="check_features", dataset=data, **common))
    if "audit_labels" in spec.data_steps:
        checks.append(AuditLabelsOperator(task_id="audit_labels", dataset=data, **common))
    if len(checks) > 1:
        chain(*checks)
    return checks[-1]
