"""What is shipped, and what must never be in the repository."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement

from airflow_mlops import __version__
from tests.wheel import ROOT, build_wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MARKERS = [
    {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.9", "sys_platform": "linux"}
    for minor in (10, 11, 12)
]
#: Options and settings that name a package index; whoever runs the project chooses their own.
INDEX = re.compile(
    r"--(extra-)?index-url|--find-links|^\s*(extra-)?index-url\s*=|\[\[tool\.uv\.index\]\]"
    # hosts of the registries themselves
    r"|\bpypi\.org|pythonhosted\.org|npmjs\.(org|com)|deb\.debian\.org",
    re.M,
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("dist")))


def _tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_version_is_one() -> None:
    assert PROJECT["project"]["version"] == __version__


def test_wheel_ships_the_dags_as_examples(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if name.startswith("airflow_mlops/example_dags/")}
    sources = {path.name for path in (ROOT / "dags").iterdir() if path.is_file()}
    assert {"flight_delay.py", "flight_delay.yaml"} <= sources
    assert shipped == {f"airflow_mlops/example_dags/{name}" for name in sources}


def test_wheel_ships_what_the_pages_are_made_of(wheel: zipfile.ZipFile) -> None:
    shipped = {
        name
        for name in wheel.namelist()
        if name.startswith(("airflow_mlops/ui/static/", "airflow_mlops/ui/templates/"))
    }
    pages = ROOT / "airflow_mlops" / "ui"
    sources = {
        path.relative_to(ROOT).as_posix()
        for kind in ("static", "templates")
        for path in (pages / kind).rglob("*.*")
    }
    assert {"airflow_mlops/ui/static/htmx.min.js", "airflow_mlops/ui/templates/base.html"} <= sources
    assert shipped == sources


def test_wheel_is_typed_and_licensed_and_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert "airflow_mlops/py.typed" in names
    info = f"airflow_mlops-{__version__}.dist-info"
    assert {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"} <= names
    assert {name.partition("/")[0] for name in names} == {"airflow_mlops", info}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_wheel_declares_its_entry_points(wheel: zipfile.ZipFile) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(wheel.read(f"airflow_mlops-{__version__}.dist-info/entry_points.txt").decode())
    assert dict(parser["console_scripts"]) == {"airflow-mlops": "airflow_mlops.cli.main:main"}
    provider, plugin = parser["apache_airflow_provider"], parser["airflow.plugins"]
    assert list(provider.values()) == ["airflow_mlops.provider:get_provider_info"]
    assert list(plugin.values()) == ["airflow_mlops.plugin:MlopsPlugin"]


def test_base_dependencies_are_thin(wheel: zipfile.ZipFile) -> None:
    metadata = message_from_bytes(wheel.read(f"airflow_mlops-{__version__}.dist-info/METADATA"))
    wanted = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    base = {one.name for one in wanted if not one.marker or "extra" not in str(one.marker)}
    assert base.isdisjoint(
        {
            "great-expectations",
            "evidently",
            "xgboost-cpu",
            "scikit-learn",
            "boto3",
            "sagemaker",
            "cleanlab",
            "faker",
        }
    )
    extras = set(metadata.get_all("Provides-Extra", []))
    assert extras == {
        "all", "amazon", "audit", "dask", "delta", "demo", "evidently", "gx", "openlineage", "polars", "reproduce",
        "sagemaker", "testing", "xgboost",
    }  # fmt: skip


def _constraints() -> list[Requirement]:
    return [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]


@pytest.mark.parametrize("environment", MARKERS, ids=lambda one: one["python_version"])
def test_constraints_name_one_exact_version_of_everything(environment: dict[str, str]) -> None:
    pinned = [one for one in _constraints() if one.marker is None or one.marker.evaluate(environment)]
    names = [one.name for one in pinned]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"==[^,*]+", str(one.specifier)) and one.url is None for one in pinned)
    wanted = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        wanted += [Requirement(text) for text in extra]
    for group in PROJECT["dependency-groups"].values():
        wanted += [Requirement(text) for text in group]
    expected = {_normal(one.name) for one in wanted if one.marker is None or one.marker.evaluate(environment)}
    assert expected - {"airflow-mlops"} <= set(names)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _places_of_this_machine() -> set[str]:
    """Paths and hosts that only this machine knows: where we are, and where its pip and uv look for packages."""
    settings = "".join(
        path.read_text()
        for name in ("pip/pip.conf", "uv/uv.toml")
        for folder in (Path("/etc"), Path.home() / ".config")
        if (path := folder / name).is_file()
    )
    settings += Path("/etc/pip.conf").read_text() if Path("/etc/pip.conf").is_file() else ""
    settings += " ".join(value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_")))
    urls = [urlsplit(url) for url in re.findall(r"(?:https?|file)://[^\s\"']+", settings)]
    paths = {url.path for url in urls if url.scheme == "file"} | {str(ROOT), f"{Path.home()}/", sys.prefix}
    hosts = {url.hostname for url in urls if url.hostname and url.hostname != "localhost"}
    return {place for place in paths | hosts if len(place) > 4}


def test_no_tracked_file_names_a_package_index_or_a_place_of_this_machine() -> None:
    found = []
    for path in _tracked():
        text = path.read_bytes().decode(errors="ignore")
        found += [
            f"{path.relative_to(ROOT)}: {place}" for place in _places_of_this_machine() if place in text
        ]
        if path.name != Path(__file__).name and INDEX.search(text):
            found.append(f"{path.relative_to(ROOT)}: names a package index")
    assert not found


def test_ci_runs_exactly_what_developers_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make test"


def test_make_says_what_there_is() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "lint", "types", "unit", "e2e", "constraints", "env", "clean"):
        assert f"make {target} " in done.stdout
