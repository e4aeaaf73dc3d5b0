"""The tasks of a release that ask people, between the registration and the rollout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, chain

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier

    from airflow_mlops.spec import ModelSpec


def approve(
    spec: ModelSpec,
    version: BaseOperator,
    common: Mapping[str, Any],
    notifiers: Sequence[BaseNotifier] = (),
) -> Sequence[BaseOperator]:
    """``approve`` after the task that registers, and ``approve_second`` under the two-person rule.

    :param version: the task that registers the version.
    :param common: arguments of every task of the release.
    :param notifiers: told that an answer is waited for.
    :returns: the tasks in their order; none where the spec asks for no approval.
    """
    if spec.approval is None:
        return ()
    # A DAG that asks nobody should not pay for importing Airflow's human-in-the-loop.
    from airflow_mlops.operators.approval import ApproveOperator

    names = ("approve", "approve_second")[: spec.approval.people]
    tasks = [
        ApproveOperator(task_id=name, version=version.output, person=person, notifiers=notifiers, **common)
        for person, name in enumerate(names, start=1)
    ]
    chain(version, *tasks)
    return tasks
