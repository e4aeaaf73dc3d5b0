"""The params of a DAG: the form in the UI, and what the ``conf`` of a REST call may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import DAG, Param


def add_params(dag: DAG, params: Mapping[str, Param]) -> None:
    """Give a finished DAG its params; those that the caller of the template gave win.

    Airflow copies the params that a DAG has into each task that is made in it. None of ours needs them, and a file of a
    hundred models would spend a third of its import on copying.
    """
    dag.params.update({name: param for name, param in params.items() if name not in dag.params})
