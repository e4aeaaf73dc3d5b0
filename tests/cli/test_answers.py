"""``airflow-mlops answers``: what it says of a store, the file it writes, and what it refuses."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.store import open_store
from tests.core.monitoring.answers.world import DAY, MODEL, answer, capture, label, take_in, tell


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fifty answers of a Tuesday, of which 47 have labels, and one of the next day."""
    folder = str(tmp_path_factory.mktemp("store"))
    place = open_store(folder)
    capture(place, *map(answer, range(50)), answer(60, at=DAY + timedelta(hours=30)))
    tell(place, *(label(number) for number in range(47)), label(99))
    take_in(place)
    return folder


def test_it_shows_how_far_labels_have_come(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["answers", "show", MODEL, "--store", store]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["2026-03-03", "00:00", "to", "03-04", "00:00", "50", "47", "94", "%", "0", "0", "1"]
    assert lines[2] == ["2026-03-04", "00:00", "to", "03-05", "00:00", "1", "0", "0", "%", "0", "0", "0"]
    assert " ".join(lines[3]).endswith(
        "51 answers with 51 rows and 48 labels taken in; 1 labels wait for their answer"
    )
    options = ["--since", "2026-03-03T12:00", "--until", "2026-03-03T13:00Z", "--by", "30m", "--json"]
    assert main(["answers", "show", MODEL, "--store", store, "--as-of", "2026-03-03T13:00", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["rows"], one["labelled"]) for one in found] == [(30, 1), (20, 0)]


def test_it_exports_rows_with_their_labels(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "answers.parquet"
    assert (
        main(["answers", "export", MODEL, "--store", store, "--until", "2026-03-04", "--out", str(out)]) == 0
    )
    assert capsys.readouterr().out == f"{out}: 50 rows of orders, 2026-03-03 00:00 to 2026-03-04 00:00 UTC\n"
    table = pq.read_table(out)
    assert (table.num_rows, table.column("_label").null_count) == (50, 3)
    assert main(["answers", "export", MODEL, "--store", store, "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["show", "flights"], "no answers of flights were taken in yet; trigger flights.monitor"),
        (["show", MODEL, "--since", "yesterday"], "--since; given yesterday; expected a time in ISO 8601"),
        (["show", MODEL, "--by", "daily"], "--by; given daily"),
        (["export", MODEL, "--out", "a.csv"], "ends in .parquet"),
        (
            ["export", MODEL, "--out", "b.parquet", "--since", "2027-01-01", "--until", "2027-01-02"],
            "no answers in",
        ),
    ],
)
def test_mistakes_are_one_line(
    store: str, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["answers", *arguments, "--store", store]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.splitlines()) == 1
