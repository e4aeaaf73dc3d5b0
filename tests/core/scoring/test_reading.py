"""Which predictions count: each row of the source once, by its newest scoring."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.errors import IntegrityError
from airflow_mlops.core.scoring import reading
from airflow_mlops.core.scoring.reading import current_predictions, read_predictions
from airflow_mlops.core.scoring.summary import by_day
from tests.core.scoring.world import World, day, frame_of


def read(world: World, *args: object, **over: object) -> pd.DataFrame:
    return read_predictions(world.store, "orders", *args, **over).to_pandas()  # type: ignore[arg-type]


def test_a_window_cuts_days(world: World) -> None:
    frame = frame_of(range(1, 5))
    world.write("a.parquet", frame)
    world.score()
    noon = day(2).replace(hour=12)
    found = read(world, noon, day(4))
    inside = (frame["ordered"] >= pd.Timestamp(noon)) & (frame["ordered"] < pd.Timestamp(day(4)))
    assert list(found["order"]) == list(frame[inside]["order"])
    empty = read(world, day(10), day(11))
    assert len(empty) == 0
    assert list(empty.columns) == list(found.columns)


def test_a_part_of_a_day_that_was_scored_later_takes_the_place_of_that_part(world: World) -> None:
    frame = frame_of(range(1, 4))
    world.write("a.parquet", frame)
    world.score(at=day(5))
    world.deploy("promote", 2, day(6))
    world.score(day(2).replace(hour=12), day(3).replace(hour=12), at=day(7))
    found = read(world)
    assert sorted(found["order"]) == sorted(frame["order"])
    new = (found["ordered"] >= pd.Timestamp(day(2).replace(hour=12))) & (
        found["ordered"] < pd.Timestamp(day(3).replace(hour=12))
    )
    assert set(found[new]["_version"]) == {2}
    assert set(found[~new]["_version"]) == {1}


def test_a_backfill_of_the_past_does_not_replace_what_was_said_later(world: World) -> None:
    world.write("a.parquet", frame_of(range(1, 4)))
    world.deploy("promote", 2, day(6))
    world.score(at=day(7))
    world.score(day(1), day(2))
    assert set(read(world)["_version"]) == {2}
    assert len(read(world, version=1)) == 40


def test_a_corrected_file_replaces_its_rows_and_other_files_stay(world: World) -> None:
    world.write("a.parquet", frame_of(range(1, 3), seed=1))
    world.write("b.parquet", frame_of(range(1, 3), seed=2))
    world.score()
    corrected = frame_of(range(1, 3), rows=30, seed=3)
    world.write("a.parquet", corrected)
    world.score(at=day(21))
    found = read(world)
    assert list(found.groupby("_file").size()) == [60, 80]
    assert list(found[found["_file"] == "new/a.parquet"]["_prediction"]) == world.expected(corrected)


def test_columns_that_were_carried_later_are_null_before(world: World) -> None:
    world.write("a.parquet", frame_of(range(1, 3)))
    world.score(day(1), day(2))
    wider = world.spec.with_overrides({"scoring": {"carry": ["note", "country"]}})
    world.score(day(2), day(3), spec=wider)
    found = read(world)
    assert set(found.columns) >= {"note", "country"}
    assert list(found.columns)[-7:] == list(reading.ADDED)
    assert found[found["ordered"] < pd.Timestamp(day(2))]["note"].isna().all()
    assert (found[found["ordered"] >= pd.Timestamp(day(2))]["note"] == "x").all()


def test_files_that_no_longer_count_are_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("a.parquet", frame_of(range(1, 4)))
    world.score(at=day(5))
    old = set(world.files())
    world.deploy("promote", 2, day(6))
    world.score(at=day(7))
    fetched = []
    local = reading._local
    monkeypatch.setattr(reading, "_local", lambda store, one: (fetched.append(one.key), local(store, one))[1])
    read(world)
    assert fetched
    assert not old & set(fetched)


def test_a_changed_file_is_noticed(world: World, tmp_path: Path) -> None:
    world.write("a.parquet", frame_of(range(1, 2)))
    key = world.score().entry.partitions[0].key
    path = tmp_path / "store" / key
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(IntegrityError):
        read(world)


def test_days_are_summed_up(world: World) -> None:
    frame = frame_of(range(1, 3))
    world.write("a.parquet", frame)
    world.score()
    days = list(by_day(current_predictions(world.store, "orders").batches))
    assert [(one.day, one.rows, one.variants) for one in days] == [
        (date(2024, 6, number), 40, (("v1", 40),)) for number in (1, 2)
    ]
    expected = world.expected(frame)[:40]
    assert days[0].mean == pytest.approx(sum(expected) / 40)
    assert (days[0].least, days[0].most) == (min(expected), max(expected))


def test_the_command_shows_days_and_writes_a_file(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show = ["predictions", "show", "orders", "--store", str(tmp_path / "store")]
    assert main(show) == 2
    assert "error: nothing of orders was scored; run the DAG orders.score" in capsys.readouterr().err
    frame = frame_of(range(1, 4))
    world.write("a.parquet", frame)
    world.score()
    assert main([*show, "--since", "2024-06-02"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["day", "2024-06-02", "2024-06-03"]
    assert lines[1].split()[1] == "40"
    assert lines[1].endswith("v1")
    out = tmp_path / "out.parquet"
    assert main([*show, "--until", "2024-06-02T00:00:00Z", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 40 predictions of orders\n"
    assert list(pd.read_parquet(out)["_prediction"]) == world.expected(frame)[:40]
    assert main([*show, "--since", "2025-01-01"]) == 0
    assert capsys.readouterr().out == "no predictions in this time\n"
    assert main([*show, "--out", "rows.csv"]) == 2
    assert "expected a file that ends in .parquet" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*show, "--since", "yesterday"])
    assert "'yesterday' is no time; e.g. 2013-07-01" in capsys.readouterr().err
