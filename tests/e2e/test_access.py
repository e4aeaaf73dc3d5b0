"""Who may do what, asked of a real Airflow with FAB's auth manager; its roles are made as docs/how-to/access.md says.

FAB is not among what this project installs, so this makes an environment of its own.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.wheel import ROOT, build_wheel

pytestmark = [pytest.mark.e2e, pytest.mark.whole, pytest.mark.long, pytest.mark.timeout(1800)]
HERE = Path(__file__).parent / "access"
#: Users and their roles beside ``people``; the first one runs, the last is of a role that FAB brings.
USERS = {"ann": "pricing", "vic": "analysts", "eve": None, "std": "Viewer"}
REFUSED = 403


class FabAirflow:
    """An environment with the wheel and FAB's auth manager, and a database of its own."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder / "venv" / "bin"
        own = {
            "AIRFLOW_HOME": str(folder / "home"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(HERE),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
        }
        foreign = ("AIRFLOW", "PYTHON", "VIRTUAL_ENV")
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | own
        python = str(self._bin / "python")
        self.run(
            sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(folder / "venv")
        )
        self.run(
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python),
            *("--constraints", str(ROOT / "constraints.txt"), str(build_wheel(folder))),
            *("apache-airflow-providers-fab", "httpx"),
        )

    def run(self, *command: str, fine: Sequence[int] = (0,), **environment: str) -> str:
        """What a command prints. :param fine: exit codes that are no failure."""
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**self._environment, **environment},
            timeout=1200,
        )
        assert done.returncode in fine, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def follow(self, page: str) -> None:
        """Run the commands of Airflow that a page of the docs gives, as a shell does; users get their own below."""
        for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
            for line in re.findall(r"^export AIRFLOW__CORE__AUTH_MANAGER=(\S+)$", block, re.MULTILINE):
                self._environment["AIRFLOW__CORE__AUTH_MANAGER"] = line
            lines = re.sub(r"\\\n\s*", "", block).splitlines()
            asked = [one for one in lines if re.match(r"airflow (db|sync-perm|roles)\b", one)]
            if asked:
                self.run("sh", "-ec", "\n".join(asked))

    def parse(self, **environment: str) -> list[dict[str, Any]]:
        """Read the DAG file anew; what is wrong with it."""
        self.run("airflow", "dags", "reserialize", **environment)
        listing = ("airflow", "dags", "list-import-errors", "--output", "json")
        errors = self.run(*listing, fine=(0, 1)).splitlines()[-1]  # 1: there are errors
        return json.loads(errors) if errors.startswith("[") else []

    def given(self, role: str) -> set[tuple[str, str]]:
        """Model and action of what a role may do with DAGs."""
        listed = self.run("airflow", "roles", "list", "--permission", "--output", "json").splitlines()[-1]
        return {
            (one["resource"].removeprefix("DAG:").partition(".")[0], action)
            for one in json.loads(listed)
            if one["name"] == role and one["resource"].startswith("DAG:")
            for action in one["action"].split(",")
        }


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> FabAirflow:
    made = FabAirflow(tmp_path_factory.mktemp("fab"))
    made.follow((ROOT / "docs/how-to/access.md").read_text())
    for name, role in USERS.items():
        told = ("--username", name, "--password", name, "--email", f"{name}@x.org", "--firstname", name)
        first = role if role == "Viewer" else "people"
        made.run("airflow", "users", "create", *told, "--lastname", "Low", "--role", first)
        if role and role != first:
            made.run("airflow", "users", "add-role", "--username", name, "--role", role)
    assert made.parse() == []
    return made


@pytest.fixture(scope="module")
def said(airflow: FabAirflow) -> dict[str, dict[str, Any]]:
    printed = airflow.run("python", str(HERE / "asking.py"), *USERS)
    answered: dict[str, dict[str, Any]] = json.loads(printed.splitlines()[-1])
    return answered


def test_who_runs_triggers_clears_and_approves_and_deletes_nothing(said: dict[str, dict[str, Any]]) -> None:
    ann = said["ann"]
    assert ann.pop("sees") == ["churn", "taken"]
    assert {what for what, status in ann.items() if status != 200} == {
        "trigger another",
        "send an event",
        "delete a run",
        "delete",
    }
    assert {status for status in ann.values() if status != 200} == {REFUSED}


def test_who_views_sees_and_changes_nothing(said: dict[str, dict[str, Any]]) -> None:
    vic = said["vic"]
    assert vic.pop("sees") == ["churn", "taken"]
    seen = {what for what, status in vic.items() if status == 200}
    assert seen == {"dag", "runs", "tasks", "code", "question"}
    assert {status for what, status in vic.items() if what not in seen} == {REFUSED}


def test_who_has_no_role_of_a_model_does_not_see_it(said: dict[str, dict[str, Any]]) -> None:
    assert said["eve"].pop("sees") == []
    assert set(said["eve"].values()) == {REFUSED}


def test_a_role_that_sees_all_dags_still_does(said: dict[str, dict[str, Any]]) -> None:
    """FAB only adds: the docs say so."""
    assert said["std"]["sees"] == ["churn", "other", "taken"]
    assert said["std"]["trigger"] == said["std"]["approve"] == REFUSED


def test_users_who_may_answer_are_named_by_their_number(said: dict[str, dict[str, Any]]) -> None:
    assert said["assigned"] == {"ann": REFUSED, "1": 200, "2": REFUSED}


def test_an_empty_access_takes_away_what_was_given(airflow: FabAirflow) -> None:
    assert ("taken", "can_edit") in airflow.given("pricing")
    airflow.parse(TAKEN="1")
    assert airflow.given("pricing") == {("churn", "can_read"), ("churn", "can_edit")}
    assert airflow.given("analysts") == {("churn", "can_read")}


def test_a_role_that_is_not_there_is_named(airflow: FabAirflow) -> None:
    (error,) = airflow.parse(WRONG="1")
    assert "role named 'nobodys', but that role does not exist" in error["error"]
