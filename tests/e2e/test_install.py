"""The wheel in a clean Airflow: Airflow's own lists show it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.wheel import ROOT, build_wheel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]
BUNDLE = "airflow-mlops-example-dags"


class CleanAirflow:
    """An environment that holds the wheel and what it asks for, nothing else, with a database of its own."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder / "venv" / "bin"
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "PYTHON", "VIRTUAL_ENV"))
        } | {"AIRFLOW_HOME": str(folder / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "True"}
        self._run(
            sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(folder / "venv")
        )
        self._run(
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(self._bin / "python")),
            *("--constraints", str(ROOT / "constraints.txt"), str(build_wheel(folder))),
        )

    def airflow(self, *arguments: str) -> str:
        """Run Airflow's command; what it prints to stdout."""
        return self._run(str(self._bin / "airflow"), *arguments)

    def show(self, *arguments: str) -> list[dict[str, Any]]:
        """One of Airflow's lists; warnings may stand before it."""
        listed: list[dict[str, Any]] = json.loads(
            self.airflow(*arguments, "--output", "json").splitlines()[-1]
        )
        return listed

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=self._environment, timeout=1200
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> CleanAirflow:
    return CleanAirflow(tmp_path_factory.mktemp("clean"))


def test_the_provider_is_listed(clean: CleanAirflow) -> None:
    assert [one for one in clean.show("providers", "list") if one["package_name"] == "airflow-mlops"]


def test_the_connection_type_is_listed(clean: CleanAirflow) -> None:
    (hook,) = [one for one in clean.show("providers", "hooks") if one["connection_type"] == "mlops"]
    assert hook["hook_name"] == "MLOps"


def test_the_plugin_is_listed(clean: CleanAirflow) -> None:
    assert [one for one in clean.show("plugins") if one["name"] == "mlops"]


def test_the_command_is_there(clean: CleanAirflow) -> None:
    assert clean.airflow("mlops", "version").startswith("airflow-mlops ")


def test_the_example_dags_are_listed(clean: CleanAirflow) -> None:
    clean.airflow("db", "migrate")
    clean.airflow("dags", "reserialize", "--bundle-name", BUNDLE)
    assert clean.show("dags", "list-import-errors") == []
    listed = {one["dag_id"] for one in clean.show("dags", "list") if one["bundle_name"] == BUNDLE}
    assert {"flight_delay.release", "flight_delay.rollback", "flight_delay.monitor"} <= listed
