"""The reproduce DAG: a version built again from its record, in one task."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param

from airflow_mlops.operators.reproduction import ReproduceOperator
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.by_hand import started_by_hand
from airflow_mlops.templates.params import version_param

_PLACES = ("auto", "here", "locked")


def reproduce(spec: ModelSpec, *, mlops_conn_id: str | None = None, **dag_args: Any) -> DAG:
    """Make the DAG ``<model>.reproduce``: train a version again from its record and compare the bytes.

    :param spec: the model.
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``.
    :param dag_args: any argument of :class:`airflow.sdk.DAG`, over the template's own.
    """
    settings: dict[str, Any] = {
        "description": f"Build a version of {spec.name} again and compare it",
        "doc_md": _doc(spec),
        "default_args": {"retries": 1},
    }
    with started_by_hand(spec, "reproduce", settings, _params(spec), dag_args) as dag:
        task = ReproduceOperator(
            task_id="reproduce",
            spec=spec,
            mlops_conn_id=mlops_conn_id,
            version=dag.param("version"),
            place=dag.param("place"),
            tolerance=dag.param("tolerance"),
        )
        dag.add_result(task.output)
    return dag


def _params(spec: ModelSpec) -> dict[str, Param]:
    return {
        "version": version_param(spec, "Version", "Version to build again; empty for the champion."),
        "place": Param(
            "auto",
            type="string",
            enum=list(_PLACES),
            title="Environment",
            description="`here`: the worker's own. `locked`: made by uv from the version's lock. "
            "`auto`: the worker's own if nothing in it differs from the lock. Example: locked",
        ),
        "tolerance": Param(
            1e-6,
            type="number",
            minimum=0,
            title="Tolerance",
            description="Up to which metrics and predictions count as equal where the bytes differ; 0 or more. "
            "Example: 0.000001",
        ),
    }


def _doc(spec: ModelSpec) -> str:
    return f"""### Reproduce a version of `{spec.name}`

Hashes every byte that the version was made of, trains it again with its own stored code, and compares the result.
Nothing is deployed; the outcome stands in the store, and on the page of the version.

**Returns** the `outcome` (`identical`, `equal`, `different`, `impossible`) and its `reason`.

**When it fails** the log's last line names what is gone, what was changed, or by how much the answers differ.
"""
