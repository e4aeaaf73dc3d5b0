"""The score DAG: pin the rows, predict them with the champion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset

from airflow_mlops.assets import create_dataset_asset, create_model_asset, watched_scoring_asset
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.registry.approval.markdown import code
from airflow_mlops.operators.scoring import ScoreOperator, SnapshotScoringOperator
from airflow_mlops.spec import ModelSpec
from airflow_mlops.spec.scoring import scored_dataset
from airflow_mlops.templates.ownership import owned_settings
from airflow_mlops.templates.params import add_params, time_param, version_param

if TYPE_CHECKING:
    from airflow.sdk import Param
    from airflow.sdk.definitions.asset import BaseAsset


def score(spec: ModelSpec, *, mlops_conn_id: str | None = None, **dag_args: Any) -> DAG:
    """Make the DAG ``<model>.score``.

    It runs on the cron schedule ``scoring.schedule``; without one on events of the source's asset, see
    :func:`scoring_asset`, and on new files where the spec says ``scoring.arrival``. It predicts the rows of its period,
    and says so by an event of ``mlmodel://<model>/predictions``.

    :param spec: the model; with a section ``scoring``.
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``.
    :param dag_args: any argument of :class:`airflow.sdk.DAG`, over the template's own; ``schedule`` too.
    :raises SpecError: without that section.
    """
    if spec.scoring is None:
        raise SpecError(
            f"spec of {spec.name} has no section scoring", remedy="say there which rows are predicted"
        )
    settings: dict[str, Any] = {
        "schedule": spec.scoring.schedule or _events(spec, mlops_conn_id),
        "catchup": False,
        "max_active_runs": 1,
        "description": f"Predict in batches with {spec.name}",
        "doc_md": _doc(spec),
        "default_args": {"retries": 2, "retry_delay": timedelta(seconds=20)},
    }
    common: dict[str, Any] = {"spec": spec, "mlops_conn_id": mlops_conn_id}
    with DAG(f"{spec.name}.score", **{**owned_settings(spec, settings), **dag_args}) as dag:
        snapshot = SnapshotScoringOperator(
            task_id="snapshot", since=dag.param("since"), until=dag.param("until"), **common
        )
        predict = ScoreOperator(
            task_id="score",
            dataset=snapshot.output,
            version=dag.param("version"),
            inlets=[scoring_asset(spec.name), create_model_asset(model=spec.name)],
            outlets=[create_model_asset(model=spec.name, part="predictions")],
            **common,
        )
        dag.add_result(predict.output)
    add_params(dag, _params(spec))
    return dag


def _events(spec: ModelSpec, mlops_conn_id: str | None) -> BaseAsset | list[Asset]:
    """What starts the DAG where no schedule does."""
    asset = scoring_asset(spec.name)
    if spec.scoring is None or spec.scoring.arrival is None:
        return [asset]
    return asset | watched_scoring_asset(spec, mlops_conn_id)


def scoring_asset(model: str) -> Asset:
    """The asset of the rows that a model scores, named as their dataset versions: ``mldataset://<model>__scoring``."""
    return create_dataset_asset(dataset=scored_dataset(model))


def _params(spec: ModelSpec) -> dict[str, Param]:
    return {
        "since": time_param(
            "Since",
            "First event time to score; empty for the period of the schedule before Until, and for all rows if both "
            "are empty.",
            "2013-07-01T00:00:00Z",
        ),
        "until": time_param(
            "Until",
            "Event time before which rows are scored, by the champion of that time; empty for the run's own time.",
            "2013-07-02T00:00:00Z",
        ),
        "version": version_param(spec, "Version", "Version that predicts; empty for the champion."),
    }


def _doc(spec: ModelSpec) -> str:
    source = spec.scoring.source if spec.scoring else ""
    return f"""### Batch predictions of `{spec.name}`

Pins the rows of {code(source)} that the run is about, predicts them with the champion of that time, and writes the
predictions below `predictions/{spec.name}/date=YYYY-MM-DD/` of the store, each with the version that made it.
`airflow-mlops predictions show {spec.name}` reads them. Running it again changes nothing.

**Returns** the `version` that predicted, `rows`, what was `set_aside`, and the `partitions`.

**When `snapshot` is skipped** there was no row in the period. **When `score` fails** nothing was recorded: its log says
why. Rows that could not be predicted are counted in its result and lie in quarantine.
"""
