"""DAGs that people start: no schedule, a form, and the result of one task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG

from airflow_mlops.templates.ownership import owned_settings
from airflow_mlops.templates.params import add_params

if TYPE_CHECKING:
    from airflow.sdk import Param

    from airflow_mlops.spec import ModelSpec


@contextmanager
def started_by_hand(
    spec: ModelSpec,
    name: str,
    settings: Mapping[str, Any],
    params: Mapping[str, Param],
    over: Mapping[str, Any],
) -> Iterator[DAG]:
    """The DAG ``<model>.<name>``, for its tasks to be made in; after them it has its params.

    :param settings: what this template says of the DAG: ``description``, ``doc_md``, ``default_args``.
    :param params: of the form.
    :param over: arguments of :class:`airflow.sdk.DAG` from the template's caller, over all others.
    """
    own = owned_settings(spec, {"schedule": None, "catchup": False, **settings})
    with DAG(f"{spec.name}.{name}", **{**own, **over}) as dag:
        yield dag
    add_params(dag, params)
