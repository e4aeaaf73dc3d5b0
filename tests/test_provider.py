"""What Airflow learns about the provider, and what it makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from types import SimpleNamespace
from urllib.parse import urlsplit

import jsonschema
import pytest
from airflow.sdk import Asset

from airflow_mlops import assets
from airflow_mlops.platform import FIELDS, TRAINERS
from airflow_mlops.provider import get_provider_info


def test_info_is_valid_against_the_schema_of_airflow() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_info_imports_nothing_heavy() -> None:
    code = """
import sys
before = set(sys.modules)
from airflow_mlops.provider import get_provider_info
get_provider_info()
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['airflow_mlops']\n"


def test_every_name_in_the_info_can_be_imported() -> None:
    from airflow.sdk.module_loading import import_string

    info = get_provider_info()
    names = [*info["extra-links"], *info["cli"]]
    names += [one["hook-class-name"] for one in info["connection-types"]]
    for uris in info["asset-uris"]:
        names += [uris["handler"], uris["factory"], uris["to_openlineage_converter"]]
    for name in names:
        assert callable(import_string(name)), name


def test_form_of_the_connection_has_the_fields_of_the_platform() -> None:
    (connection,) = get_provider_info()["connection-types"]
    assert tuple(connection["conn-fields"]) == FIELDS
    assert [one for one in connection["conn-fields"]["trainer"]["schema"]["enum"] if one] == list(TRAINERS)
    behaviour = connection["ui-field-behaviour"]
    assert {"host", "port", "schema", "login"} <= set(behaviour["hidden-fields"])
    assert set(behaviour["placeholders"]) <= {*FIELDS, "password"}


def test_airflow_shows_the_form_without_importing_the_hook() -> None:
    code = """
import sys
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
manager.initialize_providers_list()
manager._load_ui_metadata()
assert "airflow-mlops" in manager.providers, sorted(manager.providers)
fields = [name for name in manager._connection_form_widgets if name.startswith("extra__mlops__")]
assert "airflow_mlops.hooks.mlops" not in sys.modules
print(len(fields), manager._field_behaviours["mlops"]["relabeling"]["password"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{len(FIELDS)} Endpoint token"


def test_airflow_fills_in_the_config_section(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.configuration import conf

    for name in ("home", "conn_id", "poll_interval"):
        monkeypatch.delenv(f"AIRFLOW__MLOPS__{name.upper()}", raising=False)
    assert conf.get("mlops", "home").endswith("/mlops")
    assert "{" not in conf.get("mlops", "home")
    assert conf.get("mlops", "conn_id") == "mlops_default"
    assert conf.getfloat("mlops", "poll_interval") == 10


@pytest.mark.parametrize("uri", ["mlmodel://flight_delay", "mldataset://flights/quarantine"])
def test_asset_uris_of_ours_are_accepted(uri: str) -> None:
    parts = urlsplit(uri)
    assert assets.sanitize_uri(parts) == parts
    assert Asset(uri=uri).uri.rstrip("/") == uri


@pytest.mark.parametrize(
    "uri",
    [
        "mlmodel://",
        "mlmodel:///x",
        "mldataset://Flights",
        "mlmodel://a b",
        "mlmodel://m?version=3",
        "mlmodel://ann:secret@m",
        "mlmodel://m/../x",
        "mlmodel://m/%2e%2e/x",
        "mlmodel://m//x",
    ],
)
def test_other_asset_uris_are_refused_with_what_was_given(uri: str) -> None:
    with pytest.raises(ValueError, match="is not ml") as caught:
        assets.sanitize_uri(urlsplit(uri))
    assert "<name>" in str(caught.value)


def test_airflow_asks_our_handler() -> None:
    with pytest.raises(ValueError, match="lower-case"):
        Asset(uri="mlmodel://Flight-Delay")


def test_factories_make_what_a_user_would_write() -> None:
    model, retrain = (
        assets.create_model_asset(model="m"),
        assets.create_model_asset(model="m", part="retrain"),
    )
    data = assets.create_dataset_asset(dataset="d", extra={"rows": 3})
    for made, written in [(model, "mlmodel://m"), (retrain, "mlmodel://m/retrain"), (data, "mldataset://d")]:
        assert (made.name, made.uri) == (Asset(written).name, Asset(written).uri)
    assert data.extra == {"rows": 3}


def test_an_asset_is_equal_and_hashes_as_one_that_a_user_wrote() -> None:
    made, written = assets.create_model_asset(model="m"), Asset("mlmodel://m")
    assert made == written
    assert len({made, written, assets.create_model_asset(model="m", part="retrain")}) == 2


@pytest.mark.parametrize(
    "uri, namespace, name",
    [
        ("mlmodel://m", "mlmodel", "m"),
        ("mlmodel://m/retrain", "mlmodel", "m/retrain"),
        ("mldataset://d", "mldataset", "d"),
    ],
)
def test_openlineage_translates_our_assets(uri: str, namespace: str, name: str) -> None:
    from airflow.providers.openlineage.utils.utils import translate_airflow_asset

    dataset = translate_airflow_asset(Asset(uri=uri), None)
    assert dataset is not None
    assert (dataset.namespace, dataset.name) == (namespace, name)


def test_an_asset_of_another_scheme_is_not_translated() -> None:
    with pytest.raises(ValueError, match="neither"):
        assets.convert_asset_to_openlineage(SimpleNamespace(uri="s3://bucket/key"), None)
    with pytest.raises(ValueError, match="is one of candidate"):
        assets.convert_asset_to_openlineage(SimpleNamespace(uri="mlmodel://m/no_such_part"), None)
