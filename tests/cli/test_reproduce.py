from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.reproduction import run as running
from airflow_mlops.core.reproduction.bench import Bench
from airflow_mlops.core.reproduction.record import Reproduction
from airflow_mlops.core.training.rebuild import Rebuilt
from tests.core.reproduction.world import Registered, make


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registered:
    """A version, and a training that gives its very model."""
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))

    def again(python: Path, record: ModelVersion, bench: Bench, progress: object) -> Rebuilt:
        return Rebuilt(trained=record.trained)

    monkeypatch.setattr(running, "train_again", again)
    return make(tmp_path)


def test_the_same_bytes(registered: Registered, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "record.json"
    assert main(["reproduce", "orders:1", "--store", str(registered.folder), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "model file, code and lock of orders:1 are as recorded"
    assert lines[-2].startswith("the same ")
    assert lines[-1].startswith("orders:1 is identical, here, ")
    assert Reproduction.from_bytes(out.read_bytes()).outcome == "identical"


def test_what_differs_is_a_table_and_json_is_nothing_else(
    registered: Registered, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.relock(lambda text: text.replace("\nnumpy==", "\nnumpy==0."))
    arguments = ["reproduce", "orders:1", "--store", str(registered.folder), "--place", "here"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].split() == ["package", "recorded", "found"]
    assert lines[-2].split()[0] == "numpy"
    assert main([*arguments, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["environment"][0]["name"] == "numpy"
    assert said.err.startswith("model file, code and lock")


def test_what_can_not_be_built_is_exit_code_1(
    registered: Registered, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.blob(registered.record.trained.artifact).write_bytes(b"another")
    assert main(["reproduce", "orders:1", "--store", str(registered.folder)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("the model file of orders:1 was changed in file://")
    assert last.startswith("orders:1 is impossible, here, ")


@pytest.mark.parametrize(
    "version,says",
    [
        ("orders", "not a model version; given 'orders'; expected MODEL:VERSION, e.g. flight_delay:7"),
        ("orders:x", "not a model version; given 'orders:x'"),
        ("orders:2", "orders has no version 2; expected 1 to 1"),
    ],
)
def test_a_mistake_is_exit_code_2(
    registered: Registered, version: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", version, "--store", str(registered.folder)]) == 2
    assert says in capsys.readouterr().err


def test_a_file_that_can_not_be_written(registered: Registered, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(registered.folder / "no" / "record.json")
    assert main(["reproduce", "orders:1", "--store", str(registered.folder), "--out", out]) == 2
    assert "can't be written" in capsys.readouterr().err
