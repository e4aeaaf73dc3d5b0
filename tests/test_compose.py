"""The compose file: sound by itself, and by Docker's own check where its client is here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_mlops.platform import FIELDS, Platform
from tests.wheel import ROOT

VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::[?-]([^}]*))?\}")
ONCE = "service_completed_successfully"


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What ``make env`` writes."""
    folder = tmp_path_factory.mktemp("compose")
    for name in ("Makefile", ".env.example"):
        shutil.copy(ROOT / name, folder)
    subprocess.run(["make", "env"], cwd=folder, check=True, capture_output=True)
    assert (folder / ".env").stat().st_mode & 0o077 == 0
    lines = (folder / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def compose(env: dict[str, str]) -> dict[str, Any]:
    text = (ROOT / "docker-compose.yaml").read_text()
    filled = VARIABLE.sub(lambda match: env.get(match[1], match[2] or ""), text)
    parsed: dict[str, Any] = yaml.safe_load(filled)
    return parsed


def test_every_variable_is_in_the_example_and_every_secret_is_fresh(env: dict[str, str]) -> None:
    used = {match[1] for match in VARIABLE.finditer((ROOT / "docker-compose.yaml").read_text())}
    assert used == set(env)
    secrets = [value for name, value in env.items() if not name.endswith("_PORT")]
    assert len(set(secrets)) == len(secrets)
    assert min(map(len, secrets)) >= 32


def test_the_fernet_key_is_one(env: dict[str, str]) -> None:
    from cryptography.fernet import Fernet

    Fernet(env["FERNET_KEY"])


def test_the_services_of_a_whole_platform_are_there(compose: dict[str, Any]) -> None:
    airflow = {
        f"airflow-{name}" for name in ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
    }
    assert airflow | {"postgres", "redis", "s3", "endpoint"} <= set(compose["services"])
    environment = compose["services"]["airflow-scheduler"]["environment"]
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        _, _, tag = service["image"].rpartition(":")
        assert re.search(r"\d", tag), name
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "FROM apache/airflow:3.3.2-python3.11" in dockerfile
    assert "--constraint constraints.txt" in dockerfile


def test_ports_are_bound_to_loopback(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_runs_is_watched_and_what_is_waited_for_can_be(compose: dict[str, Any]) -> None:
    services = compose["services"]
    once = {name for name, service in services.items() if name.endswith("-init")}
    for name, service in services.items():
        assert ("healthcheck" in service) != (name in once), name
        for other, wait in service.get("depends_on", {}).items():
            assert (wait["condition"] == ONCE) == (other in once), (name, other)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (ROOT / source).is_dir(), (name, volume)


def test_connections_are_what_the_platform_reads(compose: dict[str, Any], env: dict[str, str]) -> None:
    environment = compose["services"]["airflow-worker"]["environment"]
    mlops = json.loads(environment["AIRFLOW_CONN_MLOPS_DEFAULT"])
    assert mlops["conn_type"] == "mlops"
    assert set(mlops["extra"]) <= set(FIELDS)
    platform = Platform.from_fields(mlops["extra"], home=Path("unused"), token=mlops["password"])
    assert platform.store_uri == "s3://mlops/store"
    endpoint = compose["services"]["endpoint"]
    assert platform.store_uri in endpoint["command"]
    assert platform.token == endpoint["environment"]["AIRFLOW_MLOPS_ENDPOINT_TOKEN"] == env["ENDPOINT_TOKEN"]
    aws = json.loads(environment[f"AIRFLOW_CONN_{mlops['extra']['aws_conn_id'].upper()}"])
    assert aws["extra"]["endpoint_url"] == endpoint["environment"]["AWS_ENDPOINT_URL_S3"]


def test_the_store_is_proved_before_anything_trusts_it(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert "airflow-mlops store probe s3://mlops/store" in services["store-init"]["command"][0]
    for name in ("endpoint", "airflow-worker", "airflow-scheduler"):
        assert services[name]["depends_on"]["store-init"]["condition"] == ONCE


def test_the_endpoint_takes_the_arguments_it_is_given(compose: dict[str, Any]) -> None:
    import argparse

    from airflow_mlops.cli.main import add_commands

    parser = argparse.ArgumentParser()
    add_commands(parser)
    parsed = parser.parse_args(compose["services"]["endpoint"]["command"])
    assert (parsed.host, parsed.port) == ("0.0.0.0", 8765)


def test_docker_accepts_the_file_where_its_client_is_here(env: dict[str, str], tmp_path: Path) -> None:
    """Without the client nothing is skipped: all the tests above still hold the file to account."""
    docker = shutil.which("docker")
    command = [docker, "compose"] if docker else []
    if not command or subprocess.run([*command, "version"], check=False, capture_output=True).returncode:
        return
    done = subprocess.run(
        [*command, "-f", str(ROOT / "docker-compose.yaml"), "config", "-q"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stderr
