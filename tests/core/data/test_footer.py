"""A file that its footer places outside of a window is not read."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.files import LocalFile
from airflow_mlops.core.data.footer import rows_outside
from airflow_mlops.core.data.scan import scan_file
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store import blobs

MAY = pd.date_range("2024-05-01", periods=10, freq="D", tz="UTC")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def write(path: Path, times: Any, **over: Any) -> LocalFile:
    pq.write_table(pa.table({"at": times, "x": pa.array(range(len(times)))}), path, **over)
    return LocalFile("a.parquet", path, "parquet")


@pytest.mark.parametrize(
    "since, until, outside",
    [
        ("2024-05-11", None, True),
        ("2024-05-10T00:00:01", None, True),
        ("2024-05-10", None, False),
        (None, "2024-05-01", True),
        (None, "2024-05-01T00:00:01", False),
        ("2024-04-01", "2024-06-01", False),
        (None, None, False),
    ],
)
@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", None])
def test_the_range_of_event_times_decides(
    tmp_path: Path, since: str | None, until: str | None, outside: bool, unit: str, zone: str | None
) -> None:
    times = pa.array(MAY).cast(pa.timestamp(unit, tz=zone) if zone else pa.timestamp(unit))
    file = write(tmp_path / "a.parquet", times, row_group_size=3)
    window = Window(at(since) if since else None, at(until) if until else None)
    assert rows_outside(file, "at", window) == (10 if outside else None)


def test_what_the_footer_does_not_prove_is_read(tmp_path: Path) -> None:
    later = Window(at("2025-01-01"), None)
    times = pa.array(MAY)
    missing = pa.array([*MAY[:-1], None])
    assert rows_outside(write(tmp_path / "a.parquet", missing), "at", later) is None
    assert rows_outside(write(tmp_path / "b.parquet", times, write_statistics=False), "at", later) is None
    assert rows_outside(write(tmp_path / "c.parquet", times.cast(pa.string())), "at", later) is None
    assert rows_outside(write(tmp_path / "d.parquet", times), "other", later) is None
    assert rows_outside(write(tmp_path / "e.parquet", times), "at", later) == 10
    gaps = pa.array([MAY[0], MAY[9]])
    between = Window(at("2024-05-03"), at("2024-05-04"))
    assert rows_outside(write(tmp_path / "f.parquet", gaps), "at", between) is None
    assert rows_outside(write(tmp_path / "g.parquet", gaps, row_group_size=1), "at", between) == 2


def test_a_file_outside_is_neither_hashed_nor_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "a.parquet", pa.array(MAY))
    monkeypatch.setattr(blobs, "hash_file", lambda path: pytest.fail("was read"))
    scan = scan_file(file, "at", Window(at("2025-01-01"), None))
    assert (scan.rows, scan.inside) == (10, 0)


def test_what_is_no_parquet_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match=r"a\.parquet can't be read as parquet"):
        rows_outside(
            LocalFile("a.parquet", tmp_path / "a.parquet", "parquet"), "at", Window(at("2025-01-01"))
        )
