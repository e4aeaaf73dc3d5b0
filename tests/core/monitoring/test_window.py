from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.monitoring.columns import Watched, read_values
from airflow_mlops.core.monitoring.comparison import watched_columns
from airflow_mlops.core.monitoring.window import live_window
from tests.core.monitoring.traffic import NOW, capture

DAY = timedelta(days=1)
NUMBER = Watched("x", "number", "number")


def window_of(captures, **options):
    return live_window(captures, [NUMBER], champion=3, since=NOW - DAY, until=NOW, **options)


def test_only_the_champions_own_live_answers_count():
    rows = [{"x": 1}]
    twice = capture(rows, event_id="same")
    window = window_of(
        [
            capture([{"x": 1}, {"x": 2}]),
            capture(rows, role="shadow", variant="v4"),
            capture(rows, role="challenger", variant="v4"),
            capture(rows, role="fallback", variant="fallback"),
            capture(rows, variant="v2"),
            capture(rows, status=500, predictions=None),
            capture(rows, at=NOW - DAY - timedelta(seconds=1)),
            capture(rows, at=NOW),
            twice,
            twice,
        ]
    )
    assert window.rows == 3
    assert list(window.frame["x"]) == [1.0, 2.0, 1.0]
    assert window.set_aside == {
        "shadow": 1,
        "challenger": 1,
        "fallback": 1,
        "other version": 1,
        "failed": 1,
        "captured twice": 1,
    }


def test_more_rows_than_the_bound_are_sampled_evenly_and_alike_each_time():
    captures = [capture([{"x": n}]) for n in range(4000)]
    first, again = (window_of(captures, most_rows=400) for _ in range(2))
    assert first.rows == 4000
    assert len(first.frame) == 400
    assert list(first.frame["x"]) == list(again.frame["x"])
    # The mean of 400 of 0..3999 has a standard error of 58; a sample of the first or last rows is 1800 off.
    assert abs(first.frame["x"].mean() - 1999.5) < 250


def test_an_empty_window_and_a_vanished_column():
    empty = window_of([])
    assert (empty.rows, list(empty.frame.columns)) == (0, ["prediction"])
    assert list(window_of([capture([{"y": 1}])]).frame.columns) == ["prediction"]


@pytest.mark.parametrize(
    "column, stored, sent, expected",
    [
        (Watched("n", "number", "number"), [3, None], [3.0, "what"], [3.0, None]),
        (Watched("n", "number", "number"), [float("inf")], [None], [None]),
        (Watched("m", "number", "category"), [3, 12], [3.0, "12"], ["3", "12"]),
        (Watched("b", "boolean", "category"), [True, False], [1, "false"], ["true", "false"]),
        (Watched("s", "string", "category"), ["UA", None], ["UA", None], ["UA", None]),
    ],
)
def test_stored_and_sent_values_read_alike(column, stored, sent, expected):
    for values in (stored, sent):
        read = read_values(values, column)
        assert [None if pd.isna(value) else value for value in read] == expected


def test_watching_a_column_that_requests_lack_is_refused(make_spec, version):
    spec = make_spec(columns=("distance",))
    strange = spec.with_overrides({"monitoring": {"columns": ["carrier"]}})
    with pytest.raises(SpecError, match=r"given carrier; expected some of features.columns: distance"):
        watched_columns(strange, version)
    assert watched_columns(spec, version) == (Watched("distance", "number", "number"),)
