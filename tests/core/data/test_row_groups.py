"""What the ends of Parquet files tell, in a folder and on S3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data import footer
from airflow_mlops.core.data.row_groups import RowGroup, row_groups
from airflow_mlops.core.data.source import DataRoot, FolderRoot, open_data_root
from tests.servers import S3Server, ministack

DAYS = pd.date_range("2024-01-01", periods=3, tz="UTC")
START, DAY = datetime(2024, 1, 1, tzinfo=timezone.utc), timedelta(days=1)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with ministack() as running:
        yield running


def write(root: Path, name: str, **columns: Any) -> Path:
    path = root / "d" / name
    path.parent.mkdir(exist_ok=True)
    pd.DataFrame(columns).to_parquet(path, index=False, row_group_size=2)
    return path


def read(root: DataRoot) -> dict[str, tuple[RowGroup, ...] | None]:
    found = row_groups(root, root.list("d/*"), event_time="at", label="y")
    return {file.path: groups for file, groups in found}


@pytest.mark.parametrize(
    "times",
    [DAYS, DAYS.tz_localize(None), DAYS.as_unit("ns"), DAYS.date, [day.isoformat() for day in DAYS]],
    ids=["utc", "naive", "nanoseconds", "dates", "text"],
)
def test_times_of_every_kind(tmp_path: Path, times: Any) -> None:
    write(tmp_path, "a.parquet", at=times, y=[1.0, None, 0.0])
    groups = read(FolderRoot(tmp_path))["d/a.parquet"]
    assert groups == (RowGroup(1, START, START + DAY), RowGroup(1, START + 2 * DAY, START + 2 * DAY))


def test_what_the_footer_does_not_tell(tmp_path: Path) -> None:
    write(tmp_path, "numbers.parquet", at=[1, 2], y=[1, 0])
    write(tmp_path, "unlabelled.parquet", at=DAYS)
    (tmp_path / "d" / "half.parquet").write_bytes(b"PAR1 and so on")
    (tmp_path / "d" / "empty.parquet").write_bytes(b"")
    found = read(FolderRoot(tmp_path))
    assert found["d/numbers.parquet"] == (RowGroup(2, None, None),)
    assert [one.labelled for one in found["d/unlabelled.parquet"] or ()] == [0, 0]
    assert found["d/half.parquet"] is None
    assert found["d/empty.parquet"] is None


def test_rows_from_a_moment_on_are_spread_over_the_range() -> None:
    group = RowGroup(100, START, START + 4 * DAY)
    assert [group.labelled_from(START + place * DAY) for place in (-1, 0, 1, 4, 5)] == [100, 100, 75, 0, 0]
    assert RowGroup(100, START, START).labelled_from(START) == 100
    assert RowGroup(100, None, None).labelled_from(START) is None


def test_of_an_object_only_the_end_is_read(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    rows = 40_000
    path = tmp_path / "d" / "large.parquet"
    path.parent.mkdir()
    times = pd.date_range("2024-01-01", periods=rows, freq="min", tz="UTC")
    pd.DataFrame({"at": times, "y": 1, "x": draw.random(rows)}).to_parquet(path, row_group_size=10_000)
    write(tmp_path, "small.parquet", at=DAYS, y=1)
    client, bucket = server.client(), server.make_bucket()
    for file in path.parent.iterdir():
        client.upload_file(str(file), bucket, f"raw/d/{file.name}")
    client.put_object(Bucket=bucket, Key="raw/d/broken.parquet", Body=b"PAR1 and so on")
    client.put_object(Bucket=bucket, Key="raw/d/empty.parquet", Body=b"")
    root = open_data_root(f"s3://{bucket}/raw", client)
    ranges: list[int] = []
    get = client.get_object

    def counted(**request: Any) -> Any:
        answer = get(**request)
        ranges.append(answer["ContentLength"])
        return answer

    monkeypatch.setattr(client, "get_object", counted)
    found = read(root)
    assert found.pop("d/broken.parquet") is None
    assert found.pop("d/empty.parquet") is None
    assert found == read(FolderRoot(tmp_path))
    assert max(ranges) <= 64 * 1024 < path.stat().st_size
    monkeypatch.setattr(footer, "_TAIL", 100)
    assert read(root)["d/large.parquet"] == found["d/large.parquet"], "a footer that is longer than that"
