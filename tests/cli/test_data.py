"""``airflow-mlops data``: versions listed, shown and compared, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.data.diff import VersionDiff
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store import open_store
from tests.core.flights import spec, write_months


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def versions(tmp_path: Path) -> list[DatasetVersion]:
    store = open_store(str(tmp_path / "store"))
    taken = []
    for months in (range(6, 7), range(6, 8)):
        write_months(tmp_path / "data", months)
        taken.append(snapshot(store, FolderRoot(tmp_path / "data"), spec()))
    return taken


class Command:
    """Runs ``airflow-mlops data`` on the store of the test."""

    def __init__(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store, self.capsys = store, capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        assert main(["data", *arguments, "--store", str(self.store)]) == code
        said = self.capsys.readouterr()
        return said.err if code else said.out


@pytest.fixture
def data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path / "store", capsys)


def test_list(data: Any, versions: list[DatasetVersion]) -> None:
    lines = data("list", "flight_delay").splitlines()
    assert lines[0].split() == ["id", "taken", "rows", "files", "events", "made", "of"]
    assert [line.split()[0] for line in lines[1:]] == [version.id for version in versions]
    assert lines[1].split()[3:] == ["100", "1", "2013-06-01", "to", "2013-06-30", "parquet"]
    found = json.loads(data("list", "flight_delay", "--json"))
    assert [one["id"] for one in found] == [version.id for version in versions]


def test_show(data: Any, versions: list[DatasetVersion]) -> None:
    text = data("show", "flight_delay", versions[0].id[:6])
    assert text.startswith(f"flight_delay@{versions[0].id}, taken ")
    assert "100 rows of 1 file" in text
    (distance,) = (line.split() for line in text.splitlines() if line.startswith("distance "))
    assert distance[-1] == "int64"
    shown = DatasetVersion.from_bytes(data("show", "flight_delay", versions[0].id, "--json").encode())
    assert shown == versions[0]


def test_diff(data: Any, versions: list[DatasetVersion]) -> None:
    a, b = (version.id[:8] for version in versions)
    lines = data("diff", "flight_delay", a, b).splitlines()
    assert lines[0] == f"flight_delay@{versions[0].id} (100 rows) -> flight_delay@{versions[1].id} (200 rows)"
    assert lines[1].startswith("rows: 100 added, 0 removed, 100 the same")
    assert lines[5].startswith("time_hour"), "what moved most comes first"
    found = VersionDiff.from_bytes(data("diff", "flight_delay", a, b, "--json").encode())
    assert (found.rows.added, found.rows.same) == (100, 100)
    keyed = data(
        "diff", "flight_delay", a, b, "--key", "time_hour", "--key", "tailnum", "--key", "sched_dep_time"
    )
    assert "100 added, 0 removed, 0 changed, 100 the same (by time_hour, tailnum, sched_dep_time)" in keyed


@pytest.mark.parametrize("named", ["", "id: carrier"])
def test_the_key_of_the_spec(data: Any, versions: list[DatasetVersion], tmp_path: Path, named: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        f"""
        name: flight_delay
        data: {{source: "flights/*.parquet", event_time: time_hour, label: late, {named}}}
        features: {{columns: [distance]}}
        evaluation: {{gates: [{{metric: auc, min: 0.6}}]}}
        rollout: {{canary: {{gates: [{{metric: error_rate, max: 0.01}}]}}}}
        """
    )
    a, b = (version.id for version in versions)
    said = data("diff", "flight_delay", a, b, "--spec", str(path), code=2 if named else 0)
    assert ("key carrier of" if named else "whole rows") in said


def test_a_key_that_is_not_unique(data: Any, versions: list[DatasetVersion]) -> None:
    a, b = (version.id for version in versions)
    said = data("diff", "flight_delay", a, b, "--key", "carrier", code=2)
    assert "key carrier of flight_delay@" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("list", "flihgt_delay"), "there is no version of data set flihgt_delay"),
        (("show", "flight_delay", "zzz"), "flight_delay has no such version; given zzz"),
        (("show", "flight_delay", ""), "2 versions of flight_delay have an id that starts so"),
        (("diff", "flight_delay", "zzz", "yyy"), "flight_delay has no such version"),
    ],
)
def test_what_is_not_there(
    data: Any, versions: list[DatasetVersion], arguments: tuple[str, ...], said: str
) -> None:
    text = data(*arguments, code=2)
    assert text.startswith("error: ")
    assert said in text
    assert text.count("\n") == 1


def test_an_empty_store(data: Any, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    assert "a store without data sets" in data("list", "flight_delay", code=2)
