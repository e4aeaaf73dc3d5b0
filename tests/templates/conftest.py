"""A migrated Airflow database, an endpoint server, and a small model of flights for ``dag.test()``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.store import Store, open_store
from airflow_mlops.demo.processes import Processes
from airflow_mlops.demo.stage import connection, start_endpoint
from airflow_mlops.spec import ModelSpec

GATES = [{"metric": "error_rate", "margin": 0.1}, {"metric": "brier", "margin": 0.2}]


@dataclass(frozen=True)
class Ground:
    """Where the DAGs under test run."""

    store: Store
    data: Path
    endpoint: str


@pytest.fixture(scope="session")
def database() -> None:
    """Airflow's database in the session's AIRFLOW_HOME."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()


@pytest.fixture(scope="module")
def ground(database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """An endpoint over a fresh store, and the default connection that points there."""
    from airflow_mlops.demo.flights import month_of, write_batch

    home = tmp_path_factory.mktemp("ground")
    write_batch(month_of(1).iloc[::6], 1, home / "data")
    with Processes(home / "processes") as processes:
        endpoint = start_endpoint(processes, home / "store")
        before = os.environ.get("AIRFLOW_CONN_MLOPS_DEFAULT")
        os.environ["AIRFLOW_CONN_MLOPS_DEFAULT"] = connection(home, endpoint)
        yield Ground(open_store(str(home / "store")), home / "data", endpoint)
        if before is None:
            del os.environ["AIRFLOW_CONN_MLOPS_DEFAULT"]


def small_spec(name: str = "flight_delay", **over: Any) -> ModelSpec:
    """The flights example with short training, fewer looks at the data, and a rollout of a few hundred requests."""
    example = ModelSpec.from_yaml(Path(__file__).parents[2] / "dags" / "flight_delay.yaml")
    short: dict[str, Any] = {
        "split": {"test": "7d"},
        "training": {"rounds": 10},
        "evaluation": {"gates": [{"metric": "auc", "min": 0.5}], "slices": ["origin"]},
        "rollout": {
            "shadow": {"min_samples": 100, "max_duration": "30m", "gates": GATES},
            "canary": {"steps": [0.5], "min_samples": 100, "max_duration": "30m", "gates": GATES},
        },
        "monitoring": {
            "min_rows": 100,
            "schedule": None,
            "skew_requests": 0,
            "performance": {"periods": 2},
            "retrain": {"windows": 1, "of": 1, "cooldown": "1s"},
        },
        "privacy": None,
        "approval": None,
        "retention": None,
        **over,
    }
    return ModelSpec(**{**example.with_overrides(short).to_dict(), "name": name})
