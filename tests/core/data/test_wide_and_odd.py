"""Many columns, and columns that are odd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from airflow_mlops.core.data import reading
from airflow_mlops.core.data.arrow_types import type_named
from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store import Store, blobs
from airflow_mlops.spec import ModelSpec
from tests.core.flights import spec

TIMES = pd.date_range("2024-01-01", periods=4, freq="D", tz="UTC")


def odd(source: str = "*.parquet") -> ModelSpec:
    return spec(data={"source": source, "event_time": "at", "label": "y"}, features={"columns": ["x"]})


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"at": TIMES, "x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1], **columns})


@pytest.mark.parametrize("kind", ["parquet", pytest.param("csv", marks=pytest.mark.long)])
def test_ten_thousand_columns_in_some_files(data: Path, store: Store, kind: str) -> None:
    columns = {f"c{number}": np.arange(4) + number for number in range(10_000)}
    for file in ("a", "b", "c"):
        wide = pa.table({"at": TIMES, "x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1], **columns})
        if kind == "parquet":
            pq.write_table(wide, data / f"{file}.parquet")
        else:
            pa.csv.write_csv(wide, data / f"{file}.csv")
    version = snapshot(store, FolderRoot(data), odd(f"*.{kind}"))
    assert len(version.columns) == 10_003
    part = read_frame(store, version, ["c9999", "c0"])
    assert part.shape == (12, 2)
    assert part["c9999"].sum() == 3 * (4 * 9999 + 6)


def test_a_column_of_ten_thousand_that_differs_is_named(data: Path, store: Store) -> None:
    columns: dict[str, Any] = {f"c{number}": np.arange(4) for number in range(10_000)}
    base = {"at": TIMES, "x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1]}
    pq.write_table(pa.table({**base, **columns}), data / "a.parquet")
    pq.write_table(pa.table({**base, **columns, "c7777": ["a", "b", "c", "d"]}), data / "b.parquet")
    with pytest.raises(
        DataError, match=r"column c7777 of b\.parquet .* string; expected int64 as in a\.parquet"
    ):
        snapshot(store, FolderRoot(data), odd())


def test_few_columns_are_read_without_opening_the_others_of_every_file_first(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame(s=["a", None, "c", "d"], t=TIMES.tz_convert("Europe/Berlin")).to_parquet(data / "a.parquet")
    version = snapshot(store, FolderRoot(data), odd())
    expected = read_frame(store, version)
    monkeypatch.setattr(reading, "file_schema", lambda *_: pytest.fail("the manifest says the types"))
    pd.testing.assert_frame_equal(read_frame(store, version), expected)
    assert expected["t"].dtype == "datetime64[ns, Europe/Berlin]"


def test_a_nested_column_is_read_with_the_type_in_its_files(data: Path, store: Store) -> None:
    frame(tags=[["a"], [], None, ["b", "c"]]).to_parquet(data / "a.parquet")
    version = snapshot(store, FolderRoot(data), odd())
    assert [None if one is None else list(one) for one in read_frame(store, version)["tags"]] == [
        ["a"],
        [],
        None,
        ["b", "c"],
    ]


def test_a_cached_file_is_hashed_once_a_read(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame().to_parquet(data / "a.parquet")
    version = snapshot(store, FolderRoot(data), odd())
    read_frame(store, version)
    hashed: list[Path] = []
    real = blobs.hash_file
    monkeypatch.setattr(blobs, "hash_file", lambda path: hashed.append(path) or real(path))
    read_frame(store, version)
    assert [path.name for path in hashed] == [version.files[0].sha256]


def test_columns_without_any_value(data: Path, store: Store) -> None:
    frame(nothing=None, later=[None] * 4).to_parquet(data / "a.parquet")
    frame(nothing=None, later=["now", None, "x", "y"]).to_parquet(data / "b.parquet")
    version = snapshot(store, FolderRoot(data), odd())
    columns = {column.name: column for column in version.columns}
    assert (columns["nothing"].type, columns["nothing"].nulls, columns["nothing"].distinct) == ("null", 8, 0)
    assert (columns["later"].type, columns["later"].nulls, columns["later"].distinct) == ("string", 5, 3)
    assert read_frame(store, load_version(store, version.name, version.id))["later"].notna().sum() == 3


def test_a_column_that_stands_twice_is_named(data: Path, store: Store) -> None:
    (data / "a.csv").write_text("at,x,y,x\n2024-01-01,1,0,2\n")
    with pytest.raises(DataError, match=r"a\.csv has the column x 2 times"):
        snapshot(store, FolderRoot(data), odd("*.csv"))
    table = pa.Table.from_arrays(
        [pa.array(TIMES), pa.array([1.0] * 4), pa.array([1.0] * 4)], names=["at", "x", "x"]
    )
    pq.write_table(table, data / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet has the column x 2 times"):
        snapshot(store, FolderRoot(data), odd())


def test_event_times_of_different_zones_are_one_order(data: Path, store: Store) -> None:
    frame().assign(at=TIMES.tz_convert("America/New_York")).to_parquet(data / "a.parquet")
    frame().assign(at=TIMES.tz_localize(None) + pd.Timedelta("1h")).to_parquet(data / "b.parquet")
    read = read_frame(store, snapshot(store, FolderRoot(data), odd()))
    assert read["at"].tolist() == sorted([*TIMES, *(TIMES + pd.Timedelta("1h"))])


def test_minus_zero_is_zero_and_distinct_values_are_counted_over_files(data: Path, store: Store) -> None:
    frame(z=[0.0, -0.0, 1.0, np.nan]).to_parquet(data / "a.parquet")
    frame(z=[-0.0, 1.0, 2.0, 2.0]).to_parquet(data / "b.parquet")
    (z,) = (one for one in snapshot(store, FolderRoot(data), odd()).columns if one.name == "z")
    assert (z.distinct, z.nulls) == (3, 1)


@pytest.mark.parametrize(
    "kind",
    [
        *(
            pa.int8(),
            pa.float16(),
            pa.large_string(),
            pa.date32(),
            pa.time64("us"),
            pa.duration("ns"),
            pa.bool_(),
        ),
        *(pa.timestamp("ns"), pa.timestamp("s", tz="+07:30")),
        pa.timestamp("us", tz="America/Argentina/Buenos_Aires"),
    ],
    ids=str,
)
def test_types_are_found_by_their_names(kind: pa.DataType) -> None:
    assert type_named(str(kind)) == kind


def test_a_type_that_has_parts_is_not_known_by_its_name() -> None:
    assert type_named(str(pa.list_(pa.int64()))) is None
    assert type_named(str(pa.struct([("a", pa.int64())]))) is None
