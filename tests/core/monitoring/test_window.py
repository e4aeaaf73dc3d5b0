from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.monitoring.columns import Watched, read_values, sample_of, watched_columns
from airflow_mlops.core.monitoring.window import answers_needed, live_window
from tests.core.monitoring.traffic import NOW, answered

DAY = timedelta(days=1)
NUMBER = Watched("x", "number", "number")


def window_of(*tables, columns=(NUMBER,), **options):
    batches = (batch for table in tables for batch in table.to_batches())
    return live_window(batches, columns, champion=3, since=NOW - DAY, until=NOW, **options)


def rows(*values, **fields):
    return answered(pd.DataFrame({"x": list(values)}), [0.1] * len(values), **fields)


def test_only_the_champions_own_live_answers_count():
    window = window_of(
        rows(1, 2, _event_id="many", _row=[0, 1]),
        rows(1, 2, _role="shadow", _variant="v4", _event_id="copy", _row=[0, 1]),
        rows(1, _role="challenger", _variant="v4"),
        rows(1, _role="fallback", _variant="fallback"),
        rows(1, _variant="v2"),
        rows(1, _status=500, _prediction=[None]),
        rows(1, _at=NOW - DAY - timedelta(seconds=1)),
        rows(1, _at=NOW),
        rows(7, 7, _event_id="same", _row=0),
    )
    assert window.rows == 3
    assert list(window.frame["x"]) == [1.0, 2.0, 7.0]
    assert list(window.predictions) == [0.1] * 3
    # By request: the shadow's copy had two rows.
    assert window.set_aside == {
        "shadow": 1,
        "challenger": 1,
        "fallback": 1,
        "other version": 1,
        "failed": 1,
        "captured twice": 1,
    }


@pytest.mark.parametrize("size", [4000, 150], ids=["one batch", "many"])
def test_more_rows_than_the_bound_are_sampled_evenly_and_alike_each_time(size):
    table = rows(*range(4000))
    batches = table.combine_chunks().to_batches(max_chunksize=size)
    first, again = (
        live_window(batches, [NUMBER], champion=3, since=NOW - DAY, until=NOW, most_rows=400)
        for _ in range(2)
    )
    assert first.rows == 4000
    assert len(first.frame) == len(first.predictions) == 400
    assert list(first.frame["x"]) == list(again.frame["x"]) == sorted(set(first.frame["x"]))
    # The mean of 400 of 0..3999 has a standard error of 58; a sample of the first or last rows is 1800 off.
    assert abs(first.frame["x"].mean() - 1999.5) < 250


def test_an_empty_window_and_vanished_columns():
    empty = window_of()
    assert (empty.rows, list(empty.frame.columns), empty.champion) == (0, [], 3)
    other = answered(pd.DataFrame({"y": [1]}), [0.1])
    assert list(window_of(other).frame.columns) == []
    # What no file of the table has is read as null.
    assert list(window_of(answered(pd.DataFrame({"x": [None, None]}), [0.1, 0.2])).frame.columns) == []
    only_shadow = window_of(rows(1, _role="shadow"))
    assert (only_shadow.rows, only_shadow.set_aside) == (0, {"shadow": 1})


def test_a_column_that_looks_like_ours_is_found_under_its_stored_name():
    column = Watched("_row", "number", "number")
    assert answers_needed([column])[-1] == "__row"
    window = window_of(answered(pd.DataFrame({"__row": [5.0]}), [0.1]), columns=[column])
    assert list(window.frame["_row"]) == [5.0]


@pytest.mark.parametrize(
    "column, stored, sent, expected",
    [
        (Watched("n", "number", "number"), [3, None], [3.0, "what"], [3.0, None]),
        (Watched("n", "number", "number"), [7, 8], ["7", "8.0"], [7.0, 8.0]),
        (Watched("n", "number", "number"), [float("inf")], [None], [None]),
        (Watched("n", "number", "number"), [10**25], ["1e25"], [1e25]),
        (Watched("m", "number", "category"), [3, 12], [3.0, "12"], ["3", "12"]),
        (
            Watched("m", "number", "category"),
            [1234567, 1234568],
            [1234567.0, "1234568"],
            ["1234567", "1234568"],
        ),
        (Watched("b", "boolean", "category"), [True, False], [1, "false"], ["true", "false"]),
        (Watched("s", "string", "category"), ["UA", None], ["UA", None], ["UA", None]),
    ],
)
def test_stored_and_sent_values_read_alike(column, stored, sent, expected):
    for values in (stored, sent):
        read = read_values(values, column)
        assert [None if pd.isna(value) else value for value in read] == expected


def test_a_sample_is_sorted_or_counted_and_knows_what_is_missing():
    numbers = sample_of(read_values([3, None, 1, "x"], NUMBER), "number")
    assert (list(numbers.values), numbers.missing, numbers.rows) == ([1.0, 3.0], 2, 4)
    counted = sample_of(pd.Series(["a", "b", "a", None]), "category")
    assert (dict(counted.counts), counted.missing) == ({"a": 2, "b": 1}, 1)
    times = sample_of(read_values(["2024-01-01", None], Watched("t", "time", "time")), "time")
    assert (times.rows, times.missing) == (2, 1)
    assert np.isfinite(sample_of(pd.Series([1e308, -1e308]), "number").values).all()


def test_watching_a_column_that_requests_lack_is_refused(make_spec, version):
    spec = make_spec(columns=("distance",))
    strange = spec.with_overrides({"monitoring": {"columns": ["carrier"]}})
    with pytest.raises(SpecError, match=r"given carrier; expected some of features.columns: distance"):
        watched_columns(strange, version)
    assert watched_columns(spec, version) == (Watched("distance", "number", "number"),)
