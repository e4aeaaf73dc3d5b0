"""The doctor looks at a real Airflow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_mlops.demo.airflow import LocalAirflow

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def test_a_running_airflow_is_healthy(airflow: LocalAirflow) -> None:
    command = [sys.executable, "-m", "airflow_mlops.cli", "doctor", "--json"]
    done = subprocess.run(command, env=airflow.environment, capture_output=True, text=True, check=False)
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(done.stdout):
        found.setdefault(one["check"], []).append((one["state"], one["found"]))
    assert found["airflow"] == [
        ("ok", f"{airflow.url} answers; metadatabase, scheduler, triggerer, dag_processor are healthy")
    ]
    assert ("ok", "no DAG file fails to import") in found["dags"]
    # The connection is the platform of this machine, with no endpoint server on it.
    assert [state for state, _ in found["connection"]] == ["warning"]
    assert done.returncode == int(any(state == "problem" for one in found.values() for state, _ in one))
