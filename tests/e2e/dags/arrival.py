"""A DAG that runs when new files are complete, and keeps what it hears of them."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, get_current_context, task

from airflow_mlops.assets import watched_dataset_asset
from airflow_mlops.spec import ModelSpec

SPEC = ModelSpec(
    name="trips",
    data={
        "source": "trips/**/*.csv",
        "event_time": "at",
        "label": "late",
        "arrival": {"complete": "success"},
    },
    features={"columns": ["distance"]},
    evaluation={"gates": [{"metric": "auc", "min": 0.6}]},
    rollout={"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
)

# The watcher comes with the first parse of the file after the DAG is not paused any more: a minute later, if it was.
with DAG("arrival", schedule=watched_dataset_asset(SPEC), is_paused_upon_creation=False):

    @task
    def hear() -> list[Any]:
        """The extra of every event that this run is for."""
        events = get_current_context()["triggering_asset_events"]
        return [event.extra for asset in events for event in events[asset]]

    hear()
