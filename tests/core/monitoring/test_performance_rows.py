"""The rows of one period: counted whole, kept bounded, the same however they are read; and the traffic."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.monitoring.performance import rows as performance_rows
from airflow_mlops.core.monitoring.performance.rows import Wanted, collect
from tests.core.monitoring.live import Batches, Table, answers
from tests.core.monitoring.traffic import NOW

SINCE = NOW - timedelta(days=1)
WANTED = Wanted("binary", {"carrier": "carrier"}, ())


def frame(rows=300, seed=0, **given):
    random = np.random.default_rng(seed)
    raw = pd.DataFrame(
        {"carrier": random.choice(["UA", "AA"], rows), "at": pd.Timestamp("2024-01-01 07:00", tz="UTC")}
    )
    times = SINCE + pd.to_timedelta(np.sort(random.integers(0, 86_000, rows)), "s")
    return answers(raw, random.random(rows), random.integers(0, 2, rows), times, **given)


def rows(*frames, table=Table, wanted=WANTED, champion=1, as_of=NOW):
    return collect(table(*frames), SINCE, NOW, as_of, champion, wanted)


def test_only_answered_rows_of_the_champion_count_and_all_traffic():
    mine = frame()
    mine.loc[:2, "_prediction"] = np.nan
    mine.loc[3:6, "_status"] = 500
    found = rows(
        mine, frame(40, 1, variant="v2", role="shadow"), frame(20, 2, variant="fallback", role="fallback")
    )
    assert (found.rows, found.labelled, len(found.frame)) == (293, 293, 293)
    traffic = {(one.variant, one.role): one for one in found.traffic.periods()}
    assert {key: (one.requests, one.failed) for key, one in traffic.items()} == {
        ("fallback", "fallback"): (20, 0),
        ("v1", "champion"): (300, 7),
        ("v2", "shadow"): (40, 0),
    }


def test_latency_is_of_requests_that_were_answered():
    mine = frame(100, rows_per_request=2)
    mine["_latency_ms"] = np.repeat(np.arange(1.0, 51.0), 2)
    mine.loc[98:, ["_status", "_latency_ms"]] = [500, 9999.0]
    (found,) = rows(mine).traffic.periods()
    assert (found.requests, found.failed) == (50, 1)
    assert found.latency_ms == pytest.approx(tuple(np.quantile(np.arange(1, 50), (0.5, 0.95, 0.99))))
    (unknown,) = rows(mine.assign(_latency_ms=0.0)).traffic.periods()
    assert unknown.latency_ms is None


def test_labels_count_from_their_time_on_and_odd_ones_are_missing():
    late = frame(label_at=NOW + timedelta(days=1))
    assert rows(late).labelled == 0
    assert rows(late, as_of=NOW + timedelta(days=1)).labelled == 300
    odd = frame()
    odd.loc[:9, "_label"] = 0.5
    found = rows(odd)
    assert (found.labelled, found.odd_labels) == (290, 10)
    assert rows(odd, wanted=Wanted("regression", {}, ())).labelled == 300


def test_labels_are_overdue_after_the_delay():
    mine = frame()
    mine.loc[:, "_label"] = np.nan
    mine.loc[:99, "_label"] = 1.0
    old = (mine["_at"] < NOW - timedelta(hours=6)).to_numpy()
    delay = Wanted("binary", {}, (), timedelta(hours=6))
    assert rows(mine, wanted=delay).overdue == old[100:].sum() > 0
    assert rows(mine).overdue == 0


def test_slices_are_counted_over_all_rows():
    mine = frame()
    found = rows(mine)
    assert found.slices == dict.fromkeys([("carrier", "AA"), ("carrier", "UA")]) | {
        ("carrier", name): int((mine["carrier"] == name).sum()) for name in ("AA", "UA")
    }


def test_parts_of_times_numbers_and_vanished_columns_as_slices():
    wanted = Wanted("binary", {"at.hour": "at", "distance": "distance", "carrier.hour": "carrier"}, ())
    found = rows(frame().assign(distance=7.0), wanted=wanted)
    assert found.slices["at.hour", "7"] == found.slices["distance", "7"] == 300
    assert found.slices["carrier.hour", "(missing)"] == 300
    assert "carrier.hour is a part of a time, and column carrier holds none" in found.notes
    gone = rows(frame().drop(columns="carrier"))
    assert gone.slices == {("carrier", "(missing)"): 300}
    assert gone.notes == {"column carrier is missing in all requests"}


def test_whole_requests_are_kept_and_the_same_however_they_are_read(monkeypatch):
    monkeypatch.setattr(performance_rows, "MOST_ROWS", 200)
    mine = frame(900, rows_per_request=3)
    whole, batched = rows(mine), rows(mine, table=Batches)
    pd.testing.assert_frame_equal(whole.frame, batched.frame)
    assert 60 < len(whole.frame) <= 200
    assert (whole.frame.groupby("_request").size() == 3).all()
    assert (whole.rows, batched.rows, whole.slices) == (900, 900, batched.slices)
    assert batched.traffic.periods() == whole.traffic.periods()


def test_rows_are_clustered_by_request_and_by_time():
    found = rows(frame(600, rows_per_request=2))
    by_request, by_time = found.clusters(found.frame)
    assert len(set(by_request)) == 300
    assert len(set(by_time)) == 30
    assert (np.diff(by_time) >= 0).all()
    one_hour = rows(frame().assign(_at=SINCE + timedelta(minutes=5)))
    assert len(one_hour.clusters(one_hour.frame)) == 1


def test_a_period_without_traffic_has_none():
    found = rows(frame(), champion=7)
    assert (found.rows, len(found.frame)) == (0, 0)
    empty = collect(Table(frame()), NOW, NOW + timedelta(days=1), NOW, 1, WANTED)
    assert (empty.rows, empty.traffic.periods()) == (0, ())
