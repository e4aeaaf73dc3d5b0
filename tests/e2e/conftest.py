"""One real Airflow for all end-to-end tests of a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_mlops.demo.airflow import LocalAirflow

DAGS = Path(__file__).parent / "dags"
#: Imported once by the scheduler: what the tasks of releases and monitors would import each for themselves.
WARM = ("pandas", "airflow_mlops.core.training", "xgboost", "evidently.presets")
#: Beside admin.
USERS = {"ann": "op", "bob": "op"}


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """A running Airflow that knows the DAGs of ``tests/e2e/dags``."""
    home = tmp_path_factory.mktemp("airflow")
    often = {
        "AIRFLOW__MLOPS__POLL_INTERVAL": "1",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
    }
    events = home / "openlineage.jsonl"
    with LocalAirflow(home, DAGS, env=often, openlineage=events, warm=WARM, users=USERS) as running:
        for name in ("harness", "harness_chain", "harness_approval", "harness_consumer"):
            running.rest.wait_for_dag(name, timeout=300, unpause=False)
        yield running
