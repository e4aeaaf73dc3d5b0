"""What the story is played on: a real Airflow and a real endpoint server, over one store."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from airflow_mlops.demo.airflow import LocalAirflow
from airflow_mlops.demo.grounds import FolderGrounds, Grounds
from airflow_mlops.demo.processes import Processes, free_port
from airflow_mlops.demo.story import MODEL

#: Imported once by the scheduler, so that no task spends seconds on importing them. Our training package comes before
#: XGBoost, because it says how XGBoost's threads wait.
WARM = ("pandas", "airflow_mlops.core.training", "xgboost", "great_expectations", "evidently.presets")


@dataclass(frozen=True)
class Stage:
    """The parts and places of a running demo.

    :param home: everything that it writes lies below.
    """

    airflow: LocalAirflow
    endpoint: str
    home: Path

    @property
    def store(self) -> str:
        """URI of the store of versions, logs and captures."""
        return str(self.home / "mlops" / "store")

    @property
    def grounds(self) -> Grounds:
        """Where batches arrive and requests are answered."""
        return FolderGrounds(self.endpoint, self.data, MODEL)

    @property
    def data(self) -> Path:
        """The root of the source data."""
        return self.home / "mlops" / "data"

    @property
    def lineage(self) -> Path:
        """The OpenLineage events."""
        return self.home / "openlineage.jsonl"


@contextmanager
def raised(home: Path, dags: Path, *, users: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """Start endpoint and Airflow, and end every process of theirs when the block ends.

    :param home: where everything lies; made when missing.
    :param dags: folder with the DAG files of the example.
    :param users: roles of users of Airflow beside ``admin``, by name.
    :raises ProcessFailed: if a part does not come up; with the end of its log.
    """
    home = home.absolute()
    mlops = home / "mlops"
    (mlops / "data").mkdir(parents=True, exist_ok=True)
    with Processes(home / "processes") as processes:
        endpoint = start_endpoint(processes, mlops / "store")
        with LocalAirflow(
            home,
            dags,
            env={"AIRFLOW_CONN_MLOPS_DEFAULT": connection(mlops, endpoint)},
            openlineage=home / "openlineage.jsonl",
            warm=WARM,
            users=users,
            processes=processes,
        ) as airflow:
            yield Stage(airflow, endpoint, home)


def connection(mlops: Path, endpoint: str) -> str:
    """The ``mlops`` connection of a platform below ``mlops``, as Airflow takes it from the environment."""
    fields = {"store": str(mlops / "store"), "data": str(mlops / "data"), "endpoint": endpoint}
    return json.dumps({"conn_type": "mlops", "extra": fields})


def start_endpoint(processes: Processes, store: Path) -> str:
    """Start an endpoint server for ``store`` on a free port; return its base URL once it answers."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "airflow_mlops.cli",
        "serve",
        "--store",
        str(store),
        "--port",
        str(port),
    ]
    child = processes.start("endpoint", command)
    processes.wait_ready(child, lambda: _answers(endpoint), timeout=60)
    return endpoint


def _answers(endpoint: str) -> bool:
    try:
        return httpx.get(f"{endpoint}/ping", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
