"""The environment of a local Airflow: everything on loopback, in one folder, quick on two cores."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_mlops.demo.credentials import USERNAME, Credentials
from airflow_mlops.demo.processes import free_port

_FOREIGN = ("AIRFLOW", "_AIRFLOW", "OPENLINEAGE")
# Vendors' telemetry is on by default in these libraries.
_NO_TELEMETRY = {"DO_NOT_TRACK": "1", "GX_ANALYTICS_ENABLED": "False"}
_SIMPLE_AUTH = "airflow.api_fastapi.auth.managers.simple"
_LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True)
class Bundle:
    """A folder of DAG files.

    :param name: name of the DAG bundle.
    :param path: the folder.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class Ports:
    """The TCP ports of one Airflow, all on loopback.

    :param api: the API server, with the UI.
    :param task_logs: said to be the task log server's; nobody listens.
    :param trigger_logs: said to be the trigger log server's; nobody listens.
    """

    api: int
    task_logs: int
    trigger_logs: int

    @classmethod
    def free(cls) -> Ports:
        """Ports that nobody uses now."""
        return cls(free_port(), free_port(), free_port())

    @property
    def url(self) -> str:
        """Address of the API server."""
        return f"http://127.0.0.1:{self.api}"


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What a local Airflow may take from our own environment.

    Settings and connections of another Airflow stay out: one of them could be a production database. Loopback
    never goes through a proxy.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith(_FOREIGN)}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(part for part in (kept.get(name), _LOOPBACK) if part)
    return kept


def airflow_settings(
    home: Path,
    bundles: Sequence[Bundle],
    ports: Ports,
    credentials: Credentials,
    *,
    parallelism: int,
    examples: bool,
    openlineage: Path | None,
    users: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment variables that make a local Airflow.

    :param home: its ``AIRFLOW_HOME``, an absolute path.
    :param bundles: its DAG folders.
    :param ports: its ports.
    :param credentials: its secrets.
    :param parallelism: how many tasks may run at once.
    :param examples: whether the example DAGs of Airflow and its providers are loaded.
    :param openlineage: file for OpenLineage events; none are made without it.
    :param users: roles of further users, by name.
    """
    return {
        "AIRFLOW_HOME": str(home),
        **_NO_TELEMETRY,
        **_core(home, parallelism, examples),
        **_api(ports),
        **_secrets(home, credentials, users or {}),
        **_dag_processor(bundles),
        **_openlineage(openlineage),
    }


def _core(home: Path, parallelism: int, examples: bool) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        "AIRFLOW__CORE__LOAD_EXAMPLES": str(examples),
        "AIRFLOW__CORE__AUTH_MANAGER": f"{_SIMPLE_AUTH}.simple_auth_manager.SimpleAuthManager",
        # The default asks the resolver for a full name, which takes long where there is no network.
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        # Airflow turns WAL on by itself; writers still wait for each other, by default 5 s and then fail.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        # A task starts at most this much after the one before it; Airflow's default is 1 s.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "PYTHONUNBUFFERED": "1",
    }


def _api(ports: Ports) -> dict[str, str]:
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(ports.api),
        "AIRFLOW__API__BASE_URL": ports.url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{ports.url}/execution/",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__INSTANCE_NAME": "airflow-mlops",
        "AIRFLOW__API__LOG_FETCH_TIMEOUT_SEC": "1",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports.task_logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports.trigger_logs),
    }


def _secrets(home: Path, credentials: Credentials, users: Mapping[str, str]) -> dict[str, str]:
    roles = {USERNAME: "admin", **users}
    return {
        "AIRFLOW__CORE__FERNET_KEY": credentials.fernet_key,
        "AIRFLOW__API__SECRET_KEY": credentials.api_secret,
        "AIRFLOW__API_AUTH__JWT_SECRET": credentials.jwt_secret,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{name}:{role}" for name, role in roles.items()
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(credentials.passwords_file(home)),
    }


def _dag_processor(bundles: Sequence[Bundle]) -> dict[str, str]:
    config = [
        {
            "name": bundle.name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(bundle.path), "refresh_interval": 5},
        }
        for bundle in bundles
    ]
    return {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(config),
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "2",
        # A changed file is seen by its time at the next refresh; unchanged ones need no second look.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": str(min(2, os.cpu_count() or 1)),
    }


def _openlineage(events: Path | None) -> dict[str, str]:
    if events is None:
        return {"AIRFLOW__OPENLINEAGE__DISABLED": "True"}
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    return {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}
