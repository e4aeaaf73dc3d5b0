"""The erase DAG: a person taken out of the data of a model, in one task."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.registry.approval.markdown import code
from airflow_mlops.operators.erasure import EraseOperator
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.by_hand import started_by_hand
from airflow_mlops.templates.params import reason_param

#: What a keyed hash looks like.
_NOBODY = "5e" * 32


def erase(spec: ModelSpec, *, mlops_conn_id: str | None = None, **dag_args: Any) -> DAG:
    """Make the DAG ``<model>.erase``: find the rows of a person, and take them out of everything in the store.

    :param spec: the model, with ``data.subject``.
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``.
    :param dag_args: any argument of :class:`airflow.sdk.DAG`, over the template's own.
    :raises SpecError: if the spec does not say which column names people.
    """
    if spec.data.subject is None:
        raise SpecError(
            f"nothing says which column of {spec.name} names people", remedy="set data.subject in the spec"
        )
    settings: dict[str, Any] = {
        "max_active_runs": 1,
        "description": f"Take a person out of the data of {spec.name}",
        "doc_md": _doc(spec),
        "default_args": {"retries": 3},
    }
    with started_by_hand(spec, "erase", settings, _params(), dag_args) as dag:
        task = EraseOperator(
            task_id="erase",
            spec=spec,
            mlops_conn_id=mlops_conn_id,
            subject=dag.param("subject"),
            reason=dag.param("reason"),
            only_look=dag.param("only_look"),
        )
        dag.add_result(task.output)
    return dag


def _params() -> dict[str, Param]:
    return {
        "subject": Param(
            None,
            type=["null", "string"],
            pattern="^[0-9a-f]{64}$",
            title="Keyed hash of the person's id",
            description="Not the id: what is typed here stays in Airflow's database. "
            f"`airflow-mlops erase hash --subject-file -` prints the hash. Example: {_NOBODY}",
        ),
        "only_look": Param(
            True,
            type="boolean",
            title="Only look",
            description="Say what the store holds of the person, and change nothing. Example: true",
        ),
        "reason": reason_param("Why, for the record; without names", "request 4711"),
    }


def _doc(spec: ModelSpec) -> str:
    return f"""### Erase a person from `{spec.name}`

Finds the person by column {code(spec.data.subject)} in dataset versions, captured traffic, labels, answers,
predictions, quarantines and review files. Versions with the other rows are written first; then the old files are
removed. The log says which model versions learned from the rows.

**Returns** what was found and `erased`, what is `left`, and the `dataset` to trigger `{spec.name}.release` with.

**When it fails** run it again; it goes on where it stopped.
"""
