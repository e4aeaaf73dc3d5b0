"""Columns of other data sets are joined as in a release, and each prediction still says where its row stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.scoring.origin import joined
from airflow_mlops.core.scoring.plan import plan_scoring
from airflow_mlops.core.scoring.reading import read_predictions
from airflow_mlops.core.scoring.run import Recorded, score
from airflow_mlops.core.scoring.source import pin_source
from tests.core.scoring.world import World, day, frame_of, make_world

WEATHER = {"name": "weather", "source": "weather/*.parquet", "event_time": "known", "columns": ["temp"]}


@pytest.fixture
def rainy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A model that needs the temperature, which is known every six hours."""
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    known = pd.date_range("2023-12-31", "2024-06-10", freq="6h", tz="UTC")
    weather = pd.DataFrame({"known": known, "temp": np.sin(np.arange(len(known)))})
    (tmp_path / "data" / "weather").mkdir(parents=True)
    weather.to_parquet(tmp_path / "data" / "weather" / "a.parquet", index=False)
    columns = ["amount", "country", "express", "temp"]
    return make_world(tmp_path, data={"joins": [WEATHER]}, features={"columns": columns})


def scored(world: World) -> Recorded:
    version = pin_source(world.store, world.root, world.spec)
    whole = joined(world.store, world.root, world.spec, version, by="ann")
    return score(world.store, plan_scoring(world.store, world.spec, whole, at=day(20)), by="ann")


def with_weather(frame: pd.DataFrame, world: World) -> pd.DataFrame:
    weather = pd.read_parquet(world.folder / "weather" / "a.parquet")
    return pd.merge_asof(frame, weather, left_on="ordered", right_on="known")


def test_joined_columns_and_the_places_of_rows(rainy: World) -> None:
    one, two = frame_of(range(1, 3), seed=1), frame_of(range(3, 5), seed=2)
    rainy.write("a.parquet", one)
    rainy.write("b.parquet", two)
    done = scored(rainy)
    assert done.entry.sources == ("new/a.parquet", "new/b.parquet")
    found = read_predictions(rainy.store, "orders").to_pandas()
    assert [*zip(found["_file"], found["_row"], strict=True)] == [
        (name, row) for name in ("new/a.parquet", "new/b.parquet") for row in range(80)
    ]
    assert list(found["order"]) == [*one["order"], *two["order"]]
    assert list(found["_prediction"]) == rainy.expected(with_weather(pd.concat([one, two]), rainy))
    assert not scored(rainy).new


def test_what_the_source_has_is_not_joined(rainy: World) -> None:
    frame = frame_of(range(1, 3)).assign(temp=0.25)
    rainy.write("a.parquet", frame)
    scored(rainy)
    found = read_predictions(rainy.store, "orders").to_pandas()
    assert list(found["_prediction"]) == rainy.expected(frame)


def test_without_the_join_the_column_is_named(rainy: World) -> None:
    rainy.write("a.parquet", frame_of(range(1, 3)))
    with pytest.raises(DataError, match=r"new/a.parquet, lacks temp \(an input of version 1"):
        rainy.plan()
