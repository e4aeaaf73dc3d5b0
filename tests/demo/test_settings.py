"""The environment of the local Airflow: private, on loopback, and nothing of anybody else's."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

from airflow.configuration import conf

from airflow_mlops.demo.credentials import Credentials
from airflow_mlops.demo.settings import Bundle, Ports, airflow_settings, inherited

PORTS = Ports(api=1, task_logs=2, trigger_logs=3)


def settings(home: Path, *, openlineage: Path | None = None) -> dict[str, str]:
    return airflow_settings(
        home,
        [Bundle("models", home / "dags")],
        PORTS,
        Credentials.of(home),
        parallelism=4,
        examples=False,
        openlineage=openlineage,
    )


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    made = Credentials.of(tmp_path)
    assert Credentials.of(tmp_path) == made
    assert len(base64.urlsafe_b64decode(made.fernet_key)) == 32
    assert json.loads(made.passwords_file(tmp_path).read_text()) == {"admin": made.password}
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_secrets_of_two_homes_differ_and_are_not_printed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = Credentials.of(tmp_path / "a"), Credentials.of(tmp_path / "b")
    assert one.password != other.password
    assert one.password not in repr(one)
    assert one.jwt_secret not in repr(one)


def test_everything_is_on_loopback(tmp_path: Path) -> None:
    made = settings(tmp_path)
    assert made["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert made["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:1"
    assert made["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:1/execution/"
    assert made["AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK"] == "False"


def test_the_scheduler_pauses_for_less_than_by_default(tmp_path: Path) -> None:
    pause = conf.get_default_value("scheduler", "scheduler_idle_sleep_time")
    assert float(settings(tmp_path)["AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"]) < float(pause)


def test_another_airflow_stays_out() -> None:
    kept = inherited(
        {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production",
            "AIRFLOW_CONN_MLOPS_DEFAULT": "{}",
            "AIRFLOW_HOME": "/srv/airflow",
            "OPENLINEAGE_URL": "http://collector",
            "PATH": "/bin",
            "NO_PROXY": "internal",
        }
    )
    assert kept == {
        "PATH": "/bin",
        "NO_PROXY": "internal,127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def test_bundles_and_lineage_are_json(tmp_path: Path) -> None:
    made = settings(tmp_path, openlineage=tmp_path / "events.jsonl")
    bundle = json.loads(made["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])[0]
    assert bundle["name"] == "models"
    assert bundle["kwargs"]["path"] == str(tmp_path / "dags")
    transport = json.loads(made["AIRFLOW__OPENLINEAGE__TRANSPORT"])
    assert transport == {"type": "file", "log_file_path": str(tmp_path / "events.jsonl"), "append": True}
    assert "AIRFLOW__OPENLINEAGE__DISABLED" not in made


def test_without_a_file_there_is_no_lineage(tmp_path: Path) -> None:
    assert settings(tmp_path)["AIRFLOW__OPENLINEAGE__DISABLED"] == "True"


def test_telemetry_is_off(tmp_path: Path) -> None:
    made = settings(tmp_path)
    assert made["DO_NOT_TRACK"] == "1"
    assert made["GX_ANALYTICS_ENABLED"] == "False"


def test_further_users_have_roles_and_passwords_of_their_own(tmp_path: Path) -> None:
    first = Credentials.of(tmp_path)
    made = Credentials.admit(tmp_path, ["ann", "bob"])
    assert Credentials.admit(tmp_path, ["bob"]) == made
    assert (len(set(made.values())), made["admin"]) == (3, first.password)
    assert json.loads(first.passwords_file(tmp_path).read_text()) == made
    assert stat.S_IMODE(first.passwords_file(tmp_path).stat().st_mode) == 0o600
    roles = airflow_settings(
        tmp_path,
        [],
        PORTS,
        first,
        parallelism=4,
        examples=False,
        openlineage=None,
        users={"ann": "op", "bob": "viewer"},
    )["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    assert roles == "admin:admin,ann:op,bob:viewer"
