"""The params of a DAG: the form in the UI, and what the ``conf`` of a REST call may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow.sdk import Param

from airflow_mlops.links.addresses import model_page
from airflow_mlops.operators.base import MlopsOperator

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from airflow_mlops.spec import ModelSpec


def add_params(dag: DAG, params: Mapping[str, Param]) -> None:
    """Give a finished DAG its params; those that the caller of the template gave win.

    The DAG's first tasks refuse a ``conf`` with another field: Airflow itself takes it and says nothing.

    Airflow copies the params that a DAG has into each task that is made in it. None of ours needs them, and a file of a
    hundred models would spend a third of its import on copying.
    """
    dag.params.update({name: param for name, param in params.items() if name not in dag.params})
    known = tuple(dag.params)
    for task in dag.roots:
        if isinstance(task, MlopsOperator):
            task.known_conf = known


def version_param(spec: ModelSpec, title: str, description: str) -> Param:
    """A version of the model, or none.

    Which versions there are is not asked while a DAG file is parsed: a store may be a bucket, every release would make
    a new version of the DAG, and a list that is some minutes old would refuse the version of this minute. So the form
    links to the model's page, and a number that is none is refused by the task, which says which there are.
    """
    return Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title=title,
        description_md=f"{description} [Which versions there are]({model_page(spec.name, 'versions')}). Example: 3",
    )


def reason_param(description: str, example: str) -> Param:
    """Why somebody does it; null, because Airflow's form asks for every text that is empty and may not be null."""
    return Param(
        None,
        type=["null", "string"],
        maxLength=500,
        title="Reason",
        description=f"{description}; at most 500 characters. Example: {example}",
    )


def time_param(title: str, description: str, example: str) -> Param:
    """A moment, or none."""
    return Param(
        None,
        type=["null", "string"],
        format="date-time",
        title=title,
        description=f"{description} ISO 8601 with a zone. Example: {example}",
    )
