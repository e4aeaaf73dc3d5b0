"""The query gives what Great Expectations gives: verdict, counts, examples, words, and the rows in quarantine."""

from __future__ import annotations

import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.store import open_store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.validation.gx_build import build
from airflow_mlops.core.validation.known import KNOWN, recognise
from airflow_mlops.core.validation.run import validate
from airflow_mlops.core.validation.suite import Planned
from tests.core.flights import spec
from tests.core.validation.nasty import columns, expectation

EXAMPLES = int(os.environ.get("PARITY_EXAMPLES", "10"))


def _write(folder: Path, tables: list[dict[str, pa.Array]]) -> None:
    (folder / "flights").mkdir(parents=True)
    for number, table in enumerate(tables):
        pq.write_table(pa.table(table), folder / "flights" / f"{number}.parquet", row_group_size=2)


def _run(store: Any, root: FolderRoot, version: Any, wanted: list[dict[str, Any]], engine: str) -> Any:
    own = spec(
        data={"source": "flights/*.parquet", "event_time": "at", "label": "label"},
        features={"columns": ["whole"]},
        validation={"expectations": wanted, "engine": engine},
    )
    return validate(store, root, own, version)


def _both(tables: list[dict[str, pa.Array]], wanted: list[dict[str, Any]]) -> int:
    """Test by the query and by Great Expectations, and compare all that is told. Returns how many the query judged."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "data", tables)
        store, root = open_store(str(folder / "store")), FolderRoot(folder / "data")
        own = spec(
            data={"source": "flights/*.parquet", "event_time": "at", "label": "label"},
            features={"columns": ["whole"]},
        )
        version = snapshot(store, root, own)
        ours = _run(store, root, version, wanted, "auto")
        theirs = _run(store, root, version, wanted, "gx")
        told = json.loads(get_bytes(store, ours.details))["results"]
        for asked, one, other, full in zip(wanted, ours.expectations, theirs.expectations, told, strict=True):
            assert one == other, (full["engine"], asked)
        assert ours.quarantined_rows == theirs.quarantined_rows
        if ours.quarantine:
            mine, other = (
                pq.read_table(io.BytesIO(get_bytes(store, one.quarantine))) for one in (ours, theirs)
            )
            assert mine.schema == other.schema
            assert str(mine.to_pylist()) == str(other.to_pylist())
        return sum(one["engine"] == "query" for one in told)


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    import logging

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="PARITY_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    tables=st.lists(st.integers(1, 6).flatmap(columns), min_size=1, max_size=2),
    wanted=st.lists(expectation(), min_size=15, max_size=15),
)
@pytest.mark.filterwarnings("ignore")
def test_the_query_gives_what_great_expectations_gives(
    tables: list[dict[str, pa.Array]], wanted: list[dict[str, Any]]
) -> None:
    _both(tables, wanted)


@settings(
    max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(asked=expectation())
def test_what_is_recognised_is_what_great_expectations_holds(asked: dict[str, Any]) -> None:
    arguments = {name: value for name, value in asked.items() if name != "type"}
    read = recognise(asked["type"], arguments)
    if read is None:
        return
    mine = Planned(asked["type"], arguments, {}, "fail", "here", read=read)
    theirs = Planned(
        asked["type"], arguments, {}, "fail", "here", expectation=build("here", mine.type, arguments, {})
    )
    assert mine.columns == theirs.columns
    assert mine.judges_rows == theirs.judges_rows
    assert repr(mine.arguments) == repr(theirs.arguments)


def test_every_type_in_the_table_is_one_of_great_expectations_with_these_arguments() -> None:
    from airflow_mlops.core.validation.gx_build import class_of

    for kind, known in KNOWN.items():
        fields = class_of(kind, "here").__fields__
        assert set(known.fields) <= set(fields), kind
        assert set(known.required) >= {name for name, field in fields.items() if field.required}, kind


def test_most_of_it_is_judged_by_the_query() -> None:
    table = {
        "whole": pa.array([1, 2, 3]), "double": pa.array([0.5, None, 2.0]), "text": pa.array(["N12", "a", None]),
        "label": pa.array([0, 1, 0]), "at": pa.array(["2013-01-01"] * 3),
    }  # fmt: skip
    text = {"column": "text"}
    wanted = [
        {"type": "expect_column_values_to_match_regex", **text, "regex": r"^N\d+$"},
        {"type": "expect_column_value_lengths_to_be_between", **text, "max_value": 2},
        {"type": "expect_column_mean_to_be_between", "column": "double", "min_value": 2},
        {"type": "expect_column_stdev_to_be_between", "column": "double", "max_value": 1},
        {"type": "expect_column_median_to_be_between", "column": "whole", "max_value": 1},
        {"type": "expect_column_values_to_be_unique", "column": "label"},
        {"type": "expect_compound_columns_to_be_unique", "column_list": ["label", "at"]},
        {"type": "expect_column_most_common_value_to_be_in_set", "column": "label", "value_set": [0]},
        {"type": "expect_column_distinct_values_to_equal_set", **text, "value_set": ["a"]},
        {
            "type": "expect_column_pair_values_a_to_be_greater_than_b",
            "column_A": "whole",
            "column_B": "double",
        },
    ]
    assert _both([table], wanted) == len(wanted)
