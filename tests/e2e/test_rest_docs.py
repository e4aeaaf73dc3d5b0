"""Every example of docs/rest.md, run against a real Airflow as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import pytest

from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.demo.airflow import LocalAirflow
from airflow_mlops.demo.processes import Processes
from airflow_mlops.demo.stage import start_endpoint
from tests.e2e.test_harness import left_its_worker
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

PATIENCE = 300.0
PAGE = Path(__file__).parents[2] / "docs" / "rest.md"
RELEASE = "churn.release"
DAGS = (RELEASE, "churn.monitor", "churn.rollout", "churn.rollback", "churn.reproduce")
PREAMBLE = "Get a token"
_BLOCK = re.compile(r"```(console|python)\n(.*?)```", re.DOTALL)


def examples() -> dict[tuple[str, str], list[str]]:
    """The code of the page, by heading and language."""
    found: dict[tuple[str, str], list[str]] = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        for language, text in _BLOCK.findall(section):
            found.setdefault((section.partition("\n")[0], language), []).append(text)
    return found


class Reader:
    """Somebody who reads the page and does what it says.

    :ivar left: examples that were not tried yet.
    """

    def __init__(self, airflow: LocalAirflow, store: Store) -> None:
        self.airflow = airflow
        self.store = store
        self.examples = examples()
        self.left = {(*key, n) for key, texts in self.examples.items() for n in range(len(texts))}

    def does(self, heading: str, language: str, number: int = 0, **environment: str) -> str:
        """Run an example after what the page begins with; what it prints."""
        self.left -= {(heading, language, number), (PREAMBLE, language, 0)}
        (preamble,) = self.examples[PREAMBLE, language]
        text = f"{preamble}\n{self.examples[heading, language][number]}"
        command = (
            ["bash", "-euo", "pipefail", "-c", text]
            if language == "console"
            else [sys.executable, "-c", text]
        )
        known = {
            **os.environ,
            "NO_PROXY": "127.0.0.1",
            "AIRFLOW": self.airflow.url,
            "AIRFLOW_USER": self.airflow.username,
            "AIRFLOW_PASSWORD": self.airflow.password,
        }
        done = subprocess.run(
            command, env=known | environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, f"{heading}, {language}: {done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def last(self, heading: str, language: str = "console", **environment: str) -> dict[str, Any]:
        """The last line that an example prints, as JSON."""
        found: dict[str, Any] = json.loads(self.does(heading, language, **environment).splitlines()[-1])
        return found

    def approves(self, run: str, language: str) -> None:
        """List what waits once it does, and answer it."""
        heading = "List and answer approvals"

        def waits() -> bool:
            left = left_its_worker(self.airflow, run, "approve")
            return left and bool(self.airflow.rest.open_questions(RELEASE, run))

        wait_until(waits, PATIENCE, 0.3)
        assert run in self.does(heading, language)
        self.does(heading, language, 1, RUN=run)


@pytest.fixture(scope="module")
def reader(airflow: LocalAirflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A model's data, its endpoint, and the connection that names both."""
    home = tmp_path_factory.mktemp("churn")
    write_customers(home / "data" / "churn" / "customers.csv")
    store = open_store(str(home / "store"))
    with Processes(home / "processes") as processes:
        fields = {
            "store": str(home / "store"),
            "data": str(home / "data"),
            "endpoint": start_endpoint(processes, home / "store"),
        }
        connect(airflow, "mlops_churn", fields)
        for dag_id in DAGS:
            airflow.rest.wait_for_dag(dag_id, timeout=PATIENCE)
        yield Reader(airflow, store)
        for run in airflow.rest.runs(RELEASE):
            if not run.finished:
                airflow.rest.abort(RELEASE, run.run_id)


def connect(airflow: LocalAirflow, conn_id: str, fields: dict[str, str]) -> None:
    """Make a connection in the database of an Airflow."""
    command = [sys.executable, "-m", "airflow", "connections", "add", conn_id, "--conn-type", "mlops"]
    subprocess.run(
        [*command, "--conn-extra", json.dumps(fields)],
        env=airflow.environment,
        check=True,
        capture_output=True,
    )


def write_customers(file: Path) -> None:
    """Three months of customers; who calls often, leaves."""
    random, first = Random(7), datetime(2026, 1, 1, tzinfo=timezone.utc)
    rows = ["customer,asked,months,calls,churned"]
    for number in range(1800):
        calls = random.randrange(9)
        churned = int(random.random() < 0.1 + 0.08 * calls)
        asked = first + timedelta(hours=number * 1.2)
        rows.append(f"c{number},{asked.isoformat()},{random.randrange(60)},{calls},{churned}")
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(rows) + "\n")


def test_a_mistake_names_the_field_and_makes_no_run(reader: Reader) -> None:
    heading = "When something in `conf` is wrong"
    assert reader.does(heading, "console").startswith("Invalid input for param to: 'the one before' is not")
    status, _, detail = reader.does(heading, "python").partition(" ")
    assert (status, detail.startswith("Invalid input for param action: 'stop'")) == ("400", True)
    assert not reader.airflow.rest.runs("churn.rollback")
    assert not reader.airflow.rest.runs("churn.rollout")


def test_a_model_lives_by_rest(reader: Reader) -> None:
    releases_the_first_version(reader)
    second = brings_in_a_challenger(reader)
    steers_the_rollout(reader, second)
    rolls_back(reader)
    looks_and_builds_again(reader)
    retrains(reader)
    left = {one for one in reader.left if one[0] != "When something in `conf` is wrong"}
    assert not left, "examples that nobody has run"


def releases_the_first_version(reader: Reader) -> dict[str, Any]:
    run = reader.does("Release", "console")
    reader.approves(run, "console")
    ended = reader.last("Wait for its result", RUN=run)
    assert ended["state"] == "success"
    release: dict[str, Any] = ended["results"]["conclude"]
    assert (release["outcome"], release["version"], release["champion"]) == ("promoted", 1, 1)
    assert reader.does("Wait for its result", "python", RUN=run) == "success promoted 1 1"
    return release


def brings_in_a_challenger(reader: Reader) -> str:
    dataset = Registry(reader.store, "churn").get(1).dataset.id
    run = reader.does("Release", "python", DATASET=dataset)
    reader.approves(run, "python")
    log = DeploymentLog(reader.store, "churn")
    wait_until(lambda: log.desired().mode == "shadow", PATIENCE, 0.3)
    return run


def steers_the_rollout(reader: Reader, run: str) -> None:
    heading, why = "Hold, resume or abort a rollout", "Find out why it was refused"
    held, resumed = map(json.loads, reader.does(heading, "console").splitlines())
    assert [one["results"]["control"]["held"] for one in (held, resumed)] == [True, False]
    assert reader.does(heading, "python") == "abort champion 1"
    assert "refused: " in reader.does(why, "python", RUN=run)
    assert "the price list is wrong" in reader.does(why, "console", RUN=run)


def rolls_back(reader: Reader) -> None:
    there = reader.last("Roll back")
    assert there["results"]["rollback"]["champion"] == 2
    lines = reader.does("Roll back", "python").splitlines()
    assert lines[0] == "champion 1"
    assert lines[1].startswith("fallback")


def looks_and_builds_again(reader: Reader) -> None:
    # One after the other: on SQLite two requests that write at the same time can wait for each other in Airflow's API
    # server until the database gives up on one.
    look, build = "Look at the model", "Build a version again"
    assert reader.last(look)["state"] == "success"
    tasks = [line.split()[0] for line in reader.does(look, "python").splitlines()]
    assert tasks == sorted(["take_in", "drift", "performance", "decide"])
    assert reader.last(build)["results"]["reproduce"]["outcome"] == "identical"
    again = reader.does(build, "python")
    assert again.startswith("success ")
    assert "'identical'" in again


def retrains(reader: Reader) -> None:
    for language in ("console", "python"):
        reader.does("Retrain", language)
    wait_until(
        lambda: any(one.kind == "asset_triggered" for one in reader.airflow.rest.runs(RELEASE)), PATIENCE, 0.3
    )
