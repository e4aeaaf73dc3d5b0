"""How old the newest data of each input are."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest

from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.data.version import DatasetVersion, dataset_key
from airflow_mlops.core.monitoring.performance.freshness import input_freshness
from tests.core.monitoring.traffic import NOW

JOIN = {"name": "weather", "source": "weather/*.csv", "event_time": "t", "columns": ("wind",)}


@pytest.fixture
def put(tmp_path):
    def write(name, hours):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        stamp = (NOW - timedelta(hours=hours)).timestamp()
        os.utime(path, (stamp, stamp))

    return write


@pytest.fixture
def look(tmp_path, store, make_spec):
    (tmp_path / "data").mkdir()
    root = open_data_root(str(tmp_path / "data"))

    def at(now=NOW, *, root=root, freshness="6h", **data):
        base = make_spec(freshness=freshness)
        fields = {"source": "flights/*.parquet", "event_time": "at", "label": "late", **data}
        spec = base.model_copy(update={"data": type(base.data)(**fields)})
        return input_freshness(spec, store, root, now)

    return at


def test_the_newest_file_of_each_input_counts(look, put):
    put("flights/1.parquet", 30)
    put("flights/2.parquet", 5)
    put("flights/other.csv", 1)
    put("weather/1.csv", 7)
    flights, weather = look(joins=(JOIN,))
    assert (flights.name, flights.place, flights.newest, flights.stale) == (
        "flight_delay",
        "flights/*.parquet",
        NOW - timedelta(hours=5),
        False,
    )
    assert (weather.name, weather.newest, weather.stale) == (
        "flight_delay__weather",
        NOW - timedelta(hours=7),
        True,
    )


def test_a_look_at_the_past_does_not_see_later_files(look, put):
    put("flights/1.parquet", 30)
    put("flights/2.parquet", 5)
    (found,) = look(NOW - timedelta(hours=20))
    assert (found.newest, found.stale) == (NOW - timedelta(hours=30), True)


def test_what_was_written_again_since_says_nothing_of_the_past(look, put):
    put("flights/1.parquet", 1)
    (found,) = look(NOW - timedelta(days=9))
    assert (found.newest, found.stale) == (None, False)


def test_nothing_there_is_stale_if_anything_is_asked(look):
    assert [(one.newest, one.stale) for one in look()] == [(None, True)]
    assert [(one.newest, one.stale) for one in look(freshness=None)] == [(None, False)]


def test_a_delta_table_is_as_new_as_its_newest_commit(look, put):
    put("tables/flights/_delta_log/00000000000000000003.json", 2)
    put("tables/flights/part.parquet", 1)
    (found,) = look(source=None, delta="tables/flights")
    assert (found.place, found.newest) == ("tables/flights", NOW - timedelta(hours=2))


def test_of_a_query_the_newest_event_of_the_newest_version_counts(look, store, version):
    def keep(number, event, made):
        one = version.model_copy(update={"id": f"{number}" * 64, "last_event": event, "created_at": made})
        store.create(dataset_key(one.name, one.id), DatasetVersion.to_bytes(one))

    query = {"source": None, "query": "SELECT 1", "connection": "db"}
    assert look(**query)[0].newest is None
    keep(1, NOW - timedelta(hours=9), NOW - timedelta(hours=8))
    keep(2, NOW - timedelta(hours=2), NOW - timedelta(hours=1))
    assert look(**query)[0].newest == NOW - timedelta(hours=2)
    assert look(NOW - timedelta(hours=3), **query)[0].newest == NOW - timedelta(hours=9)
    assert look(root=None)[0].newest == NOW - timedelta(hours=2)


def test_events_without_a_zone_are_taken_as_utc(look, store, version):
    bare = datetime(2024, 5, 1, 11)  # noqa: DTZ001 - a source without zones
    one = version.model_copy(update={"last_event": bare, "created_at": NOW})
    store.create(dataset_key(one.name, one.id), one.to_bytes())
    (found,) = look(root=None)
    assert (found.newest, found.stale) == (bare.replace(tzinfo=timezone.utc), False)
