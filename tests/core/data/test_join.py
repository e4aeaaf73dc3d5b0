"""Joined columns are those that were known at the time of each row, as a plain loop finds them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_mlops.core.data.join import join
from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, MlopsError, SpecError
from airflow_mlops.core.store import Store, open_store
from tests.core.training.world import spec_of

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


@dataclass
class Place:
    """A store and a data root with orders and weather."""

    store: Store
    root: Path

    def write(self, source: str, table: pa.Table) -> None:
        path = self.root / source
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)

    def joined(self, spec: Any, **options: Any) -> DatasetVersion:
        root = open_data_root(str(self.root))
        version = snapshot(self.store, root, spec)
        return join(self.store, root, spec, version, by="ann", **options)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    return Place(open_store(str(tmp_path / "store")), tmp_path / "data")


def spec(*joins: dict[str, Any]) -> Any:
    return spec_of(
        data={"source": "orders/*.parquet", "event_time": "ordered", "label": "late", "joins": joins},
        features={"columns": ["place", *(name for one in joins for name in one["columns"])]},
    )


def weather(**changes: Any) -> dict[str, Any]:
    base = {
        "name": "weather",
        "source": "weather/*.parquet",
        "event_time": "known",
        "by": ["place"],
        "columns": ["wind"],
    }
    return {**base, **changes}


def at(minutes: float | None) -> datetime | None:
    return None if minutes is None else START + timedelta(minutes=minutes)


def orders(*rows: tuple[float, Any], **more: list[Any]) -> pa.Table:
    times, places = zip(*rows, strict=True)
    late = [number % 2 for number in range(len(rows))]
    return pa.table({"ordered": [at(one) for one in times], "place": places, "late": late, **more})


def reports(*rows: tuple[float, Any, Any], **more: list[Any]) -> pa.Table:
    times, places, winds = zip(*rows, strict=True)
    return pa.table({"known": [at(one) for one in times], "place": places, "wind": winds, **more})


def test_a_row_gets_the_newest_report_that_is_not_newer_than_itself(place: Place) -> None:
    place.write("orders/1.parquet", orders((10, "a"), (20, "a"), (30, "b"), (5, "a"), (40, None)))
    place.write("weather/1.parquet", reports((10, "a", 1.0), (19, "a", 2.0), (21, "a", 3.0), (40, None, 9.0)))
    place.write("weather/2.parquet", reports((30, "b", 4.0)))
    lines: list[str] = []
    version = place.joined(spec(weather()), progress=lines.append)
    frame = read_frame(place.store, version)
    assert frame["place"].tolist() == ["a", "a", "a", "b", None]
    np.testing.assert_array_equal(frame["wind"], [np.nan, 1.0, 2.0, 4.0, np.nan])
    assert lines[-1] == "join weather: 60.0 % of 5 rows have a joined row, 2 get nulls"
    assert version.derivation is not None
    assert version.derivation.kind == "join"
    assert [one.name for one in version.derivation.parents] == ["orders", "orders__weather"]
    pinned = load_version(place.store, "orders__weather", version.derivation.parents[1].id)
    assert pinned.rows == 5, "what is newer than the last order is no part of it"


def test_the_same_rows_make_the_same_version_also_when_later_reports_arrive(place: Place) -> None:
    place.write("orders/1.parquet", orders((10, "a"), (20, "a")))
    place.write("weather/1.parquet", reports((1, "a", 1.0)))
    first = place.joined(spec(weather()))
    place.write("weather/2.parquet", reports((21, "a", 2.0)))
    assert place.joined(spec(weather())).id == first.id
    place.write("weather/2.parquet", reports((15, "a", 2.0)))
    assert place.joined(spec(weather())).id != first.id


def test_the_last_of_several_reports_of_one_time_counts(place: Place) -> None:
    place.write("orders/1.parquet", orders((10, "a"), (20, "b")))
    place.write("weather/1.parquet", reports((10, "a", 1.0), (10, "a", 2.0), (5, "b", 5.0)))
    place.write("weather/2.parquet", reports((10, "a", None), (10, "a", 3.0)))
    lines: list[str] = []
    frame = read_frame(place.store, place.joined(spec(weather()), progress=lines.append))
    assert frame["wind"].tolist() == [3.0, 5.0]
    assert lines[-1].endswith("3 joined rows are corrected by a later one of the same time")


def test_a_report_without_a_value_counts_as_a_report(place: Place) -> None:
    place.write("orders/1.parquet", orders((10, "a"), (20, "b")))
    place.write("weather/1.parquet", reports((1, "a", 1.0), (9, "a", None), (5, "b", 5.0)))
    frame = read_frame(place.store, place.joined(spec(weather())))
    np.testing.assert_array_equal(frame["wind"], [np.nan, 5.0])


def test_tolerance_holds_to_the_microsecond(place: Place) -> None:
    place.write("orders/1.parquet", orders((61, "a"), (61 + 1 / 60e6, "a"), (60, "b")))
    place.write("weather/1.parquet", reports((1, "a", 1.0), (60, "b", 2.0)))
    frame = read_frame(place.store, place.joined(spec(weather(tolerance="1h"))))
    np.testing.assert_array_equal(frame["wind"], [2.0, 1.0, np.nan])


def test_times_with_and_without_zones(place: Place) -> None:
    tokyo = pd.Series(pd.date_range("2024-01-01 09:10", periods=2, freq="10min", tz="Asia/Tokyo"))
    frame = pd.DataFrame({"ordered": tokyo, "place": "a", "late": [0, 1]})
    place.write("orders/1.parquet", pa.Table.from_pandas(frame, preserve_index=False))
    known = ["2024-01-01 00:10:00", "2024-01-01 00:19:59"]
    place.write("weather/1.parquet", pa.table({"known": known, "place": ["a", "a"], "wind": [1, 2]}))
    assert read_frame(place.store, place.joined(spec(weather())))["wind"].tolist() == [1, 2]


def test_types_and_columns_are_kept(place: Place) -> None:
    day = START.date()
    more = {
        "list": [[1], [2, 3]],
        "exact": pa.array([1, None], pa.int8()),
        "nothing": pa.nulls(2),
        "nanos": pa.array([1, 2], pa.timestamp("ns", tz="Europe/Vienna")),
    }
    place.write("orders/1.parquet", orders((10, "a"), (20, "b"), **more))
    values = {
        "small": pa.array([1], pa.int16()),
        "text": pa.array(["x"], pa.large_string()),
        "flag": [True],
        "day": [day],
        "millis": pa.array([3], pa.timestamp("ms")),
        "kind": pa.array(["k"]).dictionary_encode(),
        "single": pa.array([0.1], pa.float32()),
        "bytes": [b"\x00\xff"],
    }
    place.write("weather/1.parquet", reports((1, "a", 1.0), **values))
    version = place.joined(spec(weather(columns=["wind", *values])))
    types = {column.name: column.type for column in version.columns}
    assert list(types) == ["ordered", "place", "late", *more, "wind", *values]
    assert types["exact"] == "int8"
    assert types["nanos"] == "timestamp[ns, tz=Europe/Vienna]"
    assert {name: types[name] for name in values} == {
        "small": "int16",
        "text": "large_string",
        "flag": "bool",
        "day": "date32[day]",
        "millis": "timestamp[ms]",
        "kind": "string",
        "single": "float",
        "bytes": "binary",
    }
    first = read_frame(place.store, version).iloc[0]
    assert (first["small"], first["text"], first["flag"], first["kind"]) == (1, "x", True, "k")
    assert first["single"] == np.float32(0.1)
    assert first["bytes"] == b"\x00\xff"


def test_several_joins_make_one_version(place: Place) -> None:
    place.write("orders/1.parquet", orders((10, "a"), (20, "b")))
    place.write("weather/1.parquet", reports((1, "a", 1.0)))
    place.write("prices/1.parquet", pa.table({"seen": [at(2), at(15)], "price": ["low", "high"]}))
    prices = {"name": "prices", "source": "prices/*.parquet", "event_time": "seen", "columns": ["price"]}
    version = place.joined(spec(weather(), prices))
    frame = read_frame(place.store, version)
    assert frame["price"].tolist() == ["low", "high"]
    np.testing.assert_array_equal(frame["wind"], [1.0, np.nan])
    assert version.derivation is not None
    assert len(version.derivation.parents) == 3


def test_more_rows_than_a_batch(place: Place) -> None:
    rows = 150_000
    draw = np.random.default_rng(0)
    minutes = np.sort(draw.integers(0, 10_000_000, rows)).astype("timedelta64[s]")
    ordered = pd.Timestamp(START) + pd.to_timedelta(minutes)
    keys = draw.integers(0, 50, rows)
    frame = pd.DataFrame({"ordered": ordered, "place": keys, "late": keys % 2})
    place.write(
        "orders/1.parquet", pa.Table.from_pandas(frame.sample(frac=1, random_state=0), preserve_index=False)
    )
    known = frame.sample(20_000, random_state=1).drop_duplicates(["ordered", "place"])
    known = known.assign(wind=np.arange(len(known), dtype="float64")).rename(columns={"ordered": "known"})
    place.write("weather/1.parquet", pa.Table.from_pandas(known.drop(columns="late"), preserve_index=False))
    found = read_frame(place.store, place.joined(spec(weather())))
    expected = pd.merge_asof(
        found.drop(columns="wind"),
        known.sort_values("known"),
        left_on="ordered",
        right_on="known",
        by="place",
    )
    np.testing.assert_array_equal(found["wind"], expected["wind"])


ABSENT = st.none()
small = st.integers(0, 12)
places = st.one_of(ABSENT, st.sampled_from(["a", "b"]))
floors = st.one_of(ABSENT, st.just(math.nan), st.sampled_from([0.0, 1.0]))
numbers = count()


def naive(order: tuple[Any, ...], known: list[tuple[Any, ...]], keys: int, tolerance: int | None) -> Any:
    """The plain loop: over all reports, for one order."""
    best: tuple[Any, ...] | None = None
    for report in known:
        pairs = list(zip(order[1 : 1 + keys], report[1 : 1 + keys], strict=True))
        if any(pd.isna(a) or pd.isna(b) or a != b for a, b in pairs):
            continue
        if report[0] <= order[0] and (best is None or report[0] >= best[0]):
            best = report
    if best is None or (tolerance is not None and order[0] - best[0] > tolerance):
        return None
    return best[-1]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    left=st.lists(st.tuples(small, places, floors), min_size=1, max_size=12),
    right=st.lists(st.tuples(small, places, floors, st.one_of(ABSENT, small)), min_size=1, max_size=12),
    keys=st.integers(0, 2),
    tolerance=st.one_of(ABSENT, st.integers(1, 6)),
    cut=small,
)
def test_any_rows_are_joined_as_by_a_plain_loop_and_see_no_future(
    place: Place, left: Any, right: Any, keys: int, tolerance: int | None, cut: int
) -> None:
    folder = f"case{next(numbers)}"
    by = ["place", "floor"][:keys]
    one = weather(source=f"{folder}/weather/*.parquet", by=by)
    if tolerance:
        one["tolerance"] = f"{tolerance}m"

    def run(right: list[Any], name: str) -> list[Any]:
        order_table = orders(
            *[(t, p) for t, p, _ in left], floor=pa.array([f for *_, f in left], pa.float64())
        )
        known = pa.table(
            {
                "known": pa.array([at(t) for t, *_ in right], pa.timestamp("us", tz="UTC")),
                "place": pa.array([p for _, p, _, _ in right], pa.string()),
                "floor": pa.array([f for _, _, f, _ in right], pa.float64()),
                "wind": pa.array([w for *_, w in right], pa.int64()),
            }
        )
        order_table = order_table.set_column(1, "place", pa.array([p for _, p, _ in left], pa.string()))
        place.write(
            f"{folder}/orders/{name}.parquet", order_table.append_column("n", [list(range(len(left)))])
        )
        place.write(f"{folder}/weather/{name}.parquet", known)
        data = {"source": f"{folder}/orders/{name}.parquet", "event_time": "ordered", "label": "late"}
        source = {**one, "source": f"{folder}/weather/{name}.parquet"}
        try:
            version = place.joined(spec_of(data={**data, "joins": [source]}, features={"columns": ["place"]}))
        except DataError as error:
            if "no row" not in str(error):  # nothing at all was found
                raise
            return [None] * len(left)
        found = read_frame(place.store, version).sort_values("n")["wind"]
        return [None if pd.isna(value) else int(value) for value in found]

    whole = run(right, "whole")
    assert whole == [naive(order, right, keys, tolerance) for order in left]
    past = [report for report in right if report[0] < cut]
    if past:
        known_then = run(past, "past")
        for order, now, then in zip(left, whole, known_then, strict=True):
            assert order[0] >= cut or now == then


@pytest.mark.parametrize(
    "change,error,message",
    [
        (
            {"columns": ["late"]},
            SpecError,
            "data.joins weather adds columns that the data have already; given late",
        ),
        ({"by": ["plaice"]}, DataError, r"lacks plaice \(data.joins weather.by; close: place"),
        ({"columns": ["wnd"]}, DataError, r"join weather: .* lacks wnd \(data.joins weather; close: wind"),
        ({"event_time": "late"}, DataError, "join weather: event_time column late .* has no time"),
        ({"event_time": "when"}, DataError, "join weather: .* lacks when"),
        ({"source": "wether/*.parquet"}, DataError, "join weather: "),
        (
            {"by": ["late"]},
            DataError,
            "join weather: column late has another type .* given string; expected int64",
        ),
        ({"name": "w" * 60}, SpecError, "has too long a name"),
    ],
)
def test_a_wrong_join_is_told_and_nothing_is_derived(
    place: Place, change: dict[str, Any], error: type[MlopsError], message: str
) -> None:
    place.write("orders/1.parquet", orders((10, "a"), (20, "a")))
    place.write("weather/1.parquet", reports((1, "a", 1.0)).append_column("late", [["x"]]))
    with pytest.raises(error, match=message) as caught:
        place.joined(spec(weather(**change)))
    assert "\n" not in str(caught.value)
    assert sum(1 for item in place.store.list("datasets/orders/")) == 1


@pytest.mark.parametrize(
    "known,message",
    [
        (
            [(1, "A", 1.0)],
            "no row of orders has a joined row; .* 0 values of place on both sides; .* same values",
        ),
        (
            [(15, "b", 1.0)],
            "no row of orders has a joined row; .* 1 values of place .* look at the time zones",
        ),
        ([(600, "a", 1.0)], "no row of weather/.* has its event time in the window"),
    ],
    ids=["other keys", "known later", "all in the future"],
)
def test_a_join_without_any_match_is_an_error(place: Place, known: list[Any], message: str) -> None:
    place.write("orders/1.parquet", orders((10, "b"), (20, "a")))
    place.write("weather/1.parquet", reports(*known))
    with pytest.raises(DataError, match=message):
        place.joined(spec(weather()))


def test_without_joins_the_version_is_the_same(place: Place) -> None:
    place.write("orders/1.parquet", orders((10, "b"), (20, "a")))
    assert place.joined(spec()).derivation is None
