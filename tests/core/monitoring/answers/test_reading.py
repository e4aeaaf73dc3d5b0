"""What is read: which rows, which columns, of which types; and how far a period's labels have come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from airflow_mlops.core.errors import DataError, IntegrityError
from airflow_mlops.core.monitoring.answers import AnswersTable
from airflow_mlops.core.monitoring.answers.columns import LABEL, OWN
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.hours import Cursor
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.training.artifact import InputColumn, Signature
from tests.core.monitoring.answers.world import (
    DAY,
    HOUR,
    MINUTE,
    MODEL,
    NOON,
    NOW,
    answer,
    capture,
    everything,
    label,
    take_in,
    tell,
)
from tests.core.registry.world import register, trained


def read(store: Store, **how: Any) -> pa.Table:
    return AnswersTable(store, MODEL).read(DAY, NOW, **how)


def test_an_empty_table_has_our_columns_and_no_rows(store: Store) -> None:
    table = AnswersTable(store, MODEL)
    assert read(store).column_names == [*OWN, *LABEL]
    assert (read(store).num_rows, list(table.batches(DAY, NOW)), table.last(), table.span()) == (
        0,
        [],
        None,
        None,
    )
    assert table.files(DAY, NOW).rows == ()
    assert [one.said for one in table.maturity(DAY, DAY + timedelta(days=1))] == [
        "Tue 3 March 2026 has no answered rows"
    ]


def test_one_row_for_each_row_of_a_request_with_all_that_is_known(store: Store) -> None:
    rows = ({"x": 1, "carrier": "UA"}, {"x": 2.5, "carrier": None})
    capture(store, answer(1, rows=rows, predictions=(0.25, 0.75), deployment=7, chosen="target"))
    tell(store, label(1, 1.0, row=1))
    take_in(store)
    first, second = read(store).to_pylist()
    assert first == {
        "_inference_id": "i1",
        "_row": 0,
        "_event_id": "e1",
        "_at": NOON + MINUTE,
        "_variant": "v1",
        "_role": "champion",
        "_chosen": "target",
        "_deployment": 7,
        "_status": 200,
        "_latency_ms": 1.5,
        "_prediction": 0.25,
        "_label": None,
        "_label_at": None,
        "carrier": "UA",
        "x": 1.0,
    }
    changed = {name: value for name, value in second.items() if first[name] != value}
    assert changed == {
        "_row": 1,
        "_prediction": 0.75,
        "_label": 1.0,
        "_label_at": NOON + MINUTE + HOUR,
        "carrier": None,
        "x": 2.5,
    }


def test_rows_are_chosen_by_time_variant_and_role_and_come_in_the_order_of_time(store: Store) -> None:
    capture(store, *(answer(number) for number in (5, 1, 3)))
    capture(store, answer(2, variant="v2", role="shadow"), answer(4, variant="v2", role="challenger"))
    capture(store, answer(900, at=NOON + timedelta(days=1)))
    take_in(store)
    table = AnswersTable(store, MODEL)

    def ids(since: datetime, until: datetime, **how: Any) -> list[str]:
        return table.read(since, until, columns=["_event_id"], **how).column(0).to_pylist()

    assert ids(DAY, NOW) == ["e1", "e2", "e3", "e4", "e5", "e900"]
    assert ids(NOON + 2 * MINUTE, NOON + 5 * MINUTE) == ["e2", "e3", "e4"]
    assert ids(DAY, NOW, variant="v2") == ["e2", "e4"]
    assert ids(DAY, NOW, variant="v1", role="champion") == ["e1", "e3", "e5", "e900"]
    assert ids(DAY, NOW, variant="o'v1") == ids(NOW, DAY) == []
    assert table.span() == (NOON + MINUTE, NOON + timedelta(days=1))


def test_columns_are_read_as_they_are_asked_for_and_one_that_vanished_is_null(store: Store) -> None:
    capture(store, answer(1))
    take_in(store)
    found = read(store, columns=["x", "gone", "_row", "x"])
    assert found.to_pylist() == [{"x": 1.0, "gone": None, "_row": 0}]
    assert read(store, columns=["gone"]).to_pylist() == [{"gone": None}]
    assert read(store, columns=["_label"]).to_pylist() == [{"_label": None}]


def test_a_request_without_known_rows_is_one_row(store: Store) -> None:
    class SageMaker(LocalEndpoint):
        """Counts a failure, whose latency nobody knows."""

        def captures(self, since: datetime, cursor: Cursor | None = None) -> Iterator[CaptureRecord]:
            yield from super().captures(since, cursor)
            yield answer(1, rows=(), predictions=None, status=500, latency_ms=float("nan"))

    capture(store, answer(2, rows=({"x": 1.0}, {"x": 2.0}), predictions=None, status=500))
    AnswersTable(store, MODEL).take_in(SageMaker("http://127.0.0.1:1", MODEL, store), until=NOW)
    found = read(store, columns=["_row", "x", "_prediction", "_latency_ms", "_status"]).to_pylist()
    assert [(row["_row"], row["x"], row["_prediction"], row["_status"]) for row in found] == [
        (0, None, None, 500),
        (0, 1.0, None, 500),
        (1, 2.0, None, 500),
    ]
    assert found[0]["_latency_ms"] is None


@pytest.mark.parametrize(
    "values, kind, expected",
    [
        ([1, 2.5, None], "double", [1.0, 2.5, None]),
        ([True, None, False], "bool", [True, None, False]),
        (["a", None, ""], "string", ["a", None, ""]),
        ([None, None, None], "null", [None, None, None]),
        ([1, "a", True], "string", ["1.0", "a", "true"]),
        ([1, None, True], "string", ["1.0", None, "true"]),
        ([[1, 2], {"b": 1, "a": None}, 1e20], "string", ["[1, 2]", '{"a": null, "b": 1}', "1e+20"]),
        ([2**70, 10**400, -1], "double", [2.0**70, None, -1.0]),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_types_of_columns(
    store: Store, values: list[Any], kind: str, expected: list[Any], together: bool
) -> None:
    for number, value in enumerate(values):
        capture(store, answer(number, rows=({"v": value},), predictions=(0.5,)))
        if not together:
            take_in(store)
    take_in(store)
    found = read(store, columns=["v"])
    assert str(found.schema.field("v").type) == kind
    assert found.column("v").to_pylist() == expected


def test_names_of_columns_never_collide(store: Store) -> None:
    raw = {"_row": 5, "_label": "mine", "__row": 6, "Dest": "a", "dest": "b", 'a "b"\n.c': 1, "c0": 2, "": 3}
    capture(store, answer(1, rows=(raw,)))
    take_in(store)
    (row,) = read(store).to_pylist()
    assert {name: row[name] for name in row if name not in {*OWN, *LABEL}} == {
        "__row": 5,
        "__label": "mine",
        "___row": 6,
        "Dest": "a",
        "dest": "b",
        'a "b"\n.c': 1,
        "c0": 2,
        "": 3,
    }
    assert (row["_row"], row["_label"]) == (0, None)


def test_times_are_times_where_the_version_says_so(store: Store) -> None:
    inputs = (InputColumn(name="at", type="time"), InputColumn(name="said", type="string"))
    register(store, trained=trained(store, signature=Signature(inputs=inputs, features=("at",))))
    for number, at in enumerate(("2026-03-01T10:00:00+02:00", "2026-03-01", None)):
        capture(store, answer(number, rows=({"at": at, "said": at},)))
    take_in(store)
    found = read(store, columns=["at", "said"])
    moments = [datetime(2026, 3, 1, 8, tzinfo=timezone.utc), datetime(2026, 3, 1, tzinfo=timezone.utc), None]
    assert found.column("at").to_pylist() == moments
    assert found.column("said").to_pylist() == ["2026-03-01T10:00:00+02:00", "2026-03-01", None]
    capture(store, answer(9, variant="v2", rows=({"at": "2026-03-01T10:00:00+02:00"},)))
    take_in(store)
    assert read(store, columns=["at"]).column("at").to_pylist() == [
        "2026-03-01 08:00:00+00",
        "2026-03-01 00:00:00+00",
        None,
        "2026-03-01T10:00:00+02:00",
    ]


def test_batches_are_what_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_mlops.core.monitoring.answers.reading.BATCH", 2048)
    for day in range(2):
        at = NOON + timedelta(days=day)
        capture(store, *(answer(n, event_id=f"{day}-{n}", at=at + timedelta(seconds=n)) for n in range(3000)))
    take_in(store)
    batches = list(AnswersTable(store, MODEL).batches(DAY, NOW))
    assert len(batches) >= 4
    assert max(batch.num_rows for batch in batches) <= 3000
    assert pa.Table.from_batches(batches) == read(store)


def test_maturity_says_how_many_rows_of_each_period_have_labels(store: Store) -> None:
    capture(store, *map(answer, range(50)))
    capture(store, *(answer(n, event_id=f"s{n}", variant="v2", role="shadow") for n in range(50)))
    capture(store, answer(60, rows=(), predictions=None, status=500))
    capture(store, *(answer(n, at=DAY + timedelta(days=1, minutes=n)) for n in range(100, 110)))
    tell(store, *(label(n) for n in range(47)), label(0, 0.0, after=2 * HOUR), label(1, after=-2 * HOUR))
    tell(store, label(2, after=-HOUR), label(777), label(100, after=timedelta(days=3)))
    take_in(store)
    table = AnswersTable(store, MODEL)
    first, second, third = table.maturity(DAY, DAY + timedelta(days=3), as_of=DAY + timedelta(days=2))
    assert first.said == "94 % of Tue 3 March 2026 has labels"
    assert (first.rows, first.labelled, first.corrected, first.skewed, first.unknown) == (50, 47, 1, 0, 0)
    assert (second.rows, second.labelled, second.unknown) == (10, 0, 1)
    assert second.said == "0 % of Wed 4 March 2026 has labels"
    assert (third.rows, third.share) == (0, 0.0)
    later = table.maturity(DAY, DAY + timedelta(days=3))[1]
    assert (later.labelled, later.share) == (1, 0.1)
    (early,) = table.maturity(NOON, NOON + HOUR, as_of=NOON, by=HOUR)
    assert (early.rows, early.labelled, early.skewed) == (50, 2, 2)
    assert early.said == "4 % of 2026-03-03 12:00 to 2026-03-03 13:00 UTC has labels"
    (shadow,) = table.maturity(DAY, DAY + timedelta(days=1), role="shadow")
    assert (shadow.rows, shadow.labelled) == (50, 47)


@pytest.mark.parametrize("by", [timedelta(0), -HOUR, timedelta(microseconds=1)])
def test_periods_that_make_no_sense_are_refused(store: Store, by: timedelta) -> None:
    with pytest.raises(DataError, match="can't be cut into periods"):
        AnswersTable(store, MODEL).maturity(DAY, NOW, by=by)
    with pytest.raises(DataError, match="no zone"):
        AnswersTable(store, MODEL).read(DAY, NOW.replace(tzinfo=None))


def test_other_tools_read_the_files(store: FolderStore) -> None:
    capture(store, *map(answer, range(4)))
    tell(store, label(1, 0.0), label(1, 1.0, after=2 * HOUR), label(2))
    take_in(store)
    files = AnswersTable(store, MODEL).files(DAY, NOW)
    found = duckdb.sql(
        f"""SELECT _event_id, _label FROM read_parquet({list(files.rows)}, union_by_name = true,
        hive_partitioning = false) LEFT JOIN
        (SELECT _inference_id, _row, arg_max(_label, _label_at) AS _label FROM read_parquet({list(files.labels)})
        GROUP BY ALL) USING (_inference_id, _row) ORDER BY _at"""
    ).fetchall()
    assert found == [(row["_event_id"], row["_label"]) for row in everything(store)]
    assert found == [("e0", None), ("e1", 1.0), ("e2", 1.0), ("e3", None)]


def test_a_file_that_was_changed_is_not_read(store: FolderStore, tmp_path: Any) -> None:
    capture(store, answer(1))
    take_in(store)
    (path,) = (tmp_path / "store").glob("answers/*/rows/*/*.parquet")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match="was changed"):
        read(store)
