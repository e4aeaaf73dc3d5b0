"""JSON lines as a source: types from JSON itself, missing keys, and lines that are wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.core.data import jsonl
from airflow_mlops.core.data.reading import local_parquet, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store import Store
from airflow_mlops.spec import ModelSpec
from tests.core.flights import sample, spec


def _spec(*columns: str) -> ModelSpec:
    data = {"source": "*.jsonl", "event_time": "at", "label": "y"}
    return spec(data=data, features={"columns": columns or ("x",)})


def _write(folder: Path, *lines: str, name: str = "rows.jsonl") -> None:
    (folder / name).write_text("".join(f"{line}\n" for line in lines))


def _line(day: int, x: str, **more: object) -> str:
    rest = "".join(f', "{name}": {json.dumps(value)}' for name, value in more.items())
    return f'{{"at": "2013-01-{day:02d}T05:00:00Z", "y": {day % 2}, "x": {x}{rest}}}'


def test_flights_are_the_same_as_from_parquet(data: Path, store: Store) -> None:
    flights = sample(20).drop(columns="month")
    flights["at"], flights["y"] = flights.pop("time_hour"), flights.pop("late")
    flights.to_json(data / "rows.jsonl", orient="records", lines=True, date_format="iso")
    version = snapshot(store, FolderRoot(data), _spec("carrier", "distance"))
    expected = flights.sort_values("at", kind="stable").reset_index(drop=True)
    expected["at"] = expected["at"].dt.as_unit("us")
    pd.testing.assert_frame_equal(read_frame(store, version), expected, check_like=True)
    assert version.format == "jsonl"
    (path,) = local_parquet(store, version)
    assert len(pd.read_parquet(path)) == version.rows == 240


def test_types_are_those_of_json(data: Path, store: Store) -> None:
    _write(
        data,
        _line(1, "1", code="007", when="2013-01-01", ok=True, empty=None),
        _line(2, "2.5", code="8", when="x", ok=None, empty=None, late=4),
        _line(3, "null"),
        "",
    )
    version = snapshot(store, FolderRoot(data), _spec())
    assert {column.name: column.type for column in version.columns} == {
        "at": "timestamp[us, tz=UTC]",
        "y": "int64",
        "x": "double",
        "code": "string",
        "when": "string",
        "ok": "bool",
        "empty": "null",
        "late": "int64",
    }
    frame = read_frame(store, version)
    assert frame["code"].tolist() == ["007", "8", None], "text that looks like a number stays text"
    assert frame["x"].isna().tolist() == [False, False, True]
    assert frame["late"].isna().tolist() == [True, False, True], "a key that a line lacks is missing"


def test_whole_numbers_in_one_file_and_fractions_in_another(data: Path, store: Store) -> None:
    _write(data, _line(1, "1"), name="a.jsonl")
    _write(data, _line(2, "2.5"), name="b.jsonl")
    version = snapshot(store, FolderRoot(data), _spec())
    assert read_frame(store, version)["x"].tolist() == [1.0, 2.5]


@pytest.mark.parametrize(
    "line, problem",
    [
        ('{"at": "2013-01-02", "y": 1, "x": 2', r"line 3 of rows.jsonl is no JSON"),
        ("[1, 2]", r"line 3 of rows.jsonl is no JSON object; given \[1, 2\]"),
        ('{"x": 1, "x": 2}', r"line 3 of rows.jsonl has the key x 2 times"),
        (_line(2, '"two"'), r"column x has mixed types: line 3 of rows.jsonl holds text; given \"two\"; expected a"),
        (_line(2, "true"), r"column x has mixed types: line 3 of rows.jsonl holds true or false"),
        (_line(2, '{"a": 1}'), r"column x holds nested values, first in line 3 of rows.jsonl"),
        (_line(2, "[1]"), r"column x holds nested values, first in line 3 of rows.jsonl"),
        ('{"x": 1e400}', r"rows.jsonl can't be read as jsonl"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block", [64, 4 << 20])
def test_a_wrong_line_is_named(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch, line: str, problem: str, block: int
) -> None:
    monkeypatch.setattr(jsonl, "_BLOCK", block)
    _write(data, _line(1, "1"), "", line, _line(4, "4"))
    with pytest.raises(DataError, match=problem) as caught:
        snapshot(store, FolderRoot(data), _spec())
    assert "\n" not in str(caught.value)
    assert not list(store.list("")), "nothing was stored"


def test_bytes_that_are_no_text(data: Path, store: Store) -> None:
    (data / "rows.jsonl").write_bytes(
        _line(1, '"a"').encode() + b"\n" + _line(2, '"b"').encode().replace(b"b", b"\xff")
    )
    with pytest.raises(DataError, match=r"line 2 of rows.jsonl is no JSON; given bytes that are no UTF-8"):
        snapshot(store, FolderRoot(data), _spec())


@pytest.mark.parametrize("content", ["", "\n\n", "{}\n{}\n"])
def test_a_file_without_a_column(data: Path, store: Store, content: str) -> None:
    (data / "rows.jsonl").write_text(content)
    with pytest.raises(DataError, match=r"rows.jsonl has no column"):
        snapshot(store, FolderRoot(data), _spec())


def test_numbers_are_no_event_times(data: Path, store: Store) -> None:
    _write(data, '{"at": 1356998400, "y": 1, "x": 1}')
    with pytest.raises(
        DataError, match=r"event_time column at of rows.jsonl holds no times; given type int64"
    ):
        snapshot(store, FolderRoot(data), _spec())


def test_a_line_without_an_event_time_is_named(data: Path, store: Store) -> None:
    _write(data, _line(1, "1"), '{"y": 1, "x": 1}')
    with pytest.raises(DataError, match=r"has no time in 1 of 2 rows, first in row 1"):
        snapshot(store, FolderRoot(data), _spec())


def test_rows_across_many_blocks_keep_their_order(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "_BLOCK", 100)
    _write(data, *(_line(1 + index // 40, str(index)) for index in range(400)))
    version = snapshot(store, FolderRoot(data), _spec())
    assert read_frame(store, version)["x"].tolist() == list(range(400))


def test_memory_is_bounded_by_a_block(data: Path) -> None:
    path = data / "big.jsonl"
    with path.open("w") as stream:
        for _ in range(60):
            stream.write((_line(1, "1.5", text="z" * 900) + "\n") * 1500)
    code = """
import resource, sys
from pathlib import Path
import pyarrow as pa, pyarrow.json
from airflow_mlops.core.data.jsonl import jsonl_batches, jsonl_schema
path = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
schema = jsonl_schema(path, "big")
rows = sum(len(batch) for batch in jsonl_batches(path, "big", dict(zip(schema.names, schema.types))))
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    rows, grown = map(int, done.stdout.split())
    assert rows == 90_000
    assert grown < path.stat().st_size / 1e6 * 0.8, "a file of 85 MB is not held"
