"""``airflow-mlops story``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.store import open_store
from tests.core.card.world import live


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = str(tmp_path_factory.mktemp("story") / "store")
    live(open_store(place))
    return place


def test_plain_lines_that_end_with_how_it_stands(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["story", "orders", "--store", place]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("2024-03-01 12:00:00  data ")
    times = [one[:19] for one in told if one.startswith("2024")]
    assert times == sorted(times)
    assert told[-1].startswith("now (2024-03-04 00:00 UTC): orders:1 is champion")
    assert main(["story", "orders:2", "--store", place, "--as-of", "2024-03-02T02:00"]) == 0
    assert "orders:2 is champion since 2024-03-02 01:00 UTC" in capsys.readouterr().out.splitlines()[-1]


def test_json(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["story", "orders:2", "--store", place, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["about"] == "orders:2"
    assert found["events"][0]["kind"] == "data"
    assert not found["gaps"]


def test_what_can_not_be_read_is_said(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    broken = Path(place) / "models/orders/alerts/0000000002.json"
    broken.write_text("{}")
    assert main(["story", "orders:2", "--store", place]) == 0
    broken.unlink()
    told = capsys.readouterr().out.splitlines()
    assert told[-2].startswith("not readable: log of alerts: entry 2")


@pytest.mark.parametrize(
    "arguments,says", [(["churn"], "churn has no version 1"), ([":2"], "not a model version")]
)
def test_a_mistake_is_one_line(
    place: str, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["story", *arguments, "--store", place]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert says in told
