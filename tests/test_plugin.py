"""The plugin: loaded by entry point or from a plugins folder, and never twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.execution_time.xcom import XCom

from airflow_mlops.links.endpoint import EndpointLink
from airflow_mlops.plugin import MlopsPlugin

ROOT = Path(__file__).parent.parent
SHOW = """
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
assert not errors, errors
print([(plugin.name, type(plugin.source).__name__) for plugin in plugins if plugin.name == "mlops"])
"""
#: As if the distribution were not installed, for our file and for Airflow.
HIDE = """
import importlib.metadata as metadata
distributions = metadata.distributions
metadata.distributions = lambda **given: (d for d in distributions(**given) if d.metadata["Name"] != "airflow-mlops")
from airflow import plugins_manager
plugins_manager._load_entrypoint_plugins = lambda: ([], {})
"""


def _plugins(folder: Path, before: str = "") -> str:
    environment = {**os.environ, "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", before + SHOW], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_the_entry_point_is_enough(tmp_path: Path) -> None:
    assert _plugins(tmp_path) == "[('mlops', 'EntryPointSource')]"


def test_a_mounted_plugins_folder_beside_the_installed_package_registers_nothing_twice(
    tmp_path: Path,
) -> None:
    shutil.copy(ROOT / "plugins" / "airflow_mlops_plugin.py", tmp_path)
    assert _plugins(tmp_path) == "[('mlops', 'EntryPointSource')]"


def test_a_mounted_plugins_folder_is_enough_without_the_package(tmp_path: Path) -> None:
    shutil.copy(ROOT / "plugins" / "airflow_mlops_plugin.py", tmp_path)
    assert _plugins(tmp_path, HIDE) == "[('mlops', 'PluginsDirectorySource')]"


def test_every_link_of_the_provider_info_is_in_the_plugin() -> None:
    from airflow_mlops.provider import get_provider_info

    names = {f"{type(link).__module__}.{type(link).__name__}" for link in MlopsPlugin.operator_extra_links}
    assert names == set(get_provider_info()["extra-links"])


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    values: dict[str, Any] = {}
    monkeypatch.setattr(XCom, "get_value", lambda *, ti_key, key: values.get(key))
    return values


@pytest.mark.parametrize(
    "address, shown",
    [
        ("https://reports.example/7", "https://reports.example/7"),
        ("http://127.0.0.1:8765/endpoints/m", "http://127.0.0.1:8765/endpoints/m"),
        ("s3://bucket/report.html", ""),
        ("/data/report.html", ""),
        ("javascript:alert(1)", ""),
        ({"no": "text"}, ""),
        (None, ""),
    ],
)
def test_a_link_shows_only_what_a_browser_may_open(
    pushed: dict[str, Any], address: object, shown: str
) -> None:
    link = EndpointLink()
    pushed[link.key] = address
    ti_key = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)
    assert link.get_link(BaseOperator(task_id="t"), ti_key=ti_key) == shown


def test_an_operator_offers_a_link_by_naming_it() -> None:
    from airflow.serialization.serialized_objects import OperatorSerialization

    class Reporting(BaseOperator):
        operator_extra_links = (EndpointLink(),)

    serialized = OperatorSerialization.serialize_operator(Reporting(task_id="t"))
    assert serialized["_operator_extra_links"] == {"Endpoint": "_link_EndpointLink"}
