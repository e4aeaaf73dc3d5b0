"""Data and suites that are not what anybody wants: one clear line, nothing lost, and never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.errors import DataError, SpecError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.validation.result import ValidationResult
from airflow_mlops.core.validation.run import explain, validate
from tests.core.flights import spec

BETWEEN = "expect_column_values_to_be_between"
NOT_NULL = "expect_column_values_to_not_be_null"
ENGINES = pytest.mark.parametrize("engine", ["auto", "gx"])


def _own(*expectations: dict[str, Any], **fields: Any) -> Any:
    return spec(
        data={"source": "flights/*.parquet", "event_time": "at", "label": "label"},
        features={"columns": ["label"]},
        validation={"expectations": expectations, **fields},
    )


def _run(
    store: Store, data: Path, table: pa.Table, *expectations: dict[str, Any], **fields: Any
) -> ValidationResult:
    (data / "flights").mkdir()
    pq.write_table(table, data / "flights" / "0.parquet")
    own = _own(*expectations, **fields)
    return validate(store, FolderRoot(data), own, snapshot(store, FolderRoot(data), own))


def _table(rows: int = 3, **columns: Any) -> pa.Table:
    times = pa.array(pd.date_range("2013-01-01", periods=rows, freq="h", tz="UTC"))
    return pa.table({"at": times, "label": pa.array([0, 1, 0][:rows]), **columns})


@ENGINES
def test_numbers_that_are_text_in_some_rows(data: Path, store: Store, engine: str) -> None:
    mixed = _table(amount=pa.array(["1", "two", None]))
    wanted = [{"type": BETWEEN, "column": "amount", "min_value": 0}, {"type": NOT_NULL, "column": "amount"}]
    result = _run(store, data, mixed, *wanted, engine=engine)
    assert not result.success
    assert "amount is string" in explain(result)
    assert "could not be evaluated" in result.expectations[0].reason
    assert result.expectations[1].unexpected_count == 1, "the others are judged"
    assert result.quarantined_rows == 1
    assert "\n" not in explain(result)


@ENGINES
@pytest.mark.parametrize("kind", [pa.null(), pa.float64(), pa.int64(), pa.string(), pa.timestamp("ns")])
def test_a_column_without_any_value(data: Path, store: Store, engine: str, kind: Any) -> None:
    empty = _table(gone=pa.nulls(3, kind))
    wanted = [
        {"type": NOT_NULL, "column": "gone"},
        {"type": "expect_column_values_to_be_unique", "column": "gone"},
        {"type": "expect_column_max_to_be_between", "column": "gone", "min_value": 0},
        {"type": BETWEEN, "column": "gone", "min_value": 0},
    ]
    result = _run(store, data, empty, *wanted, engine=engine)
    nulls, unique, largest, _ = result.expectations
    assert (nulls.unexpected_count, nulls.examples[0]) == (3, "flights/0.parquet row 0")
    assert unique.success, "nothing is there twice"
    assert not largest.success
    assert result.quarantined_rows == 3
    assert "\n" not in explain(result)


def test_a_version_without_rows_is_refused_before(data: Path, store: Store) -> None:
    with pytest.raises(DataError) as caught:
        _run(store, data, _table(0), {"type": NOT_NULL, "column": "label"})
    assert "\n" not in str(caught.value)


@ENGINES
def test_a_suite_that_names_unknown_columns(data: Path, store: Store, engine: str) -> None:
    wanted = [{"type": "expect_compound_columns_to_be_unique", "column_list": ["label", "lable"]}]
    with pytest.raises(SpecError, match=r"expectations\.0: .*given lable; expected close: label"):
        _run(store, data, _table(), *wanted, engine=engine)


def test_ten_thousand_columns(data: Path, store: Store) -> None:
    names = [f"c{number}" for number in range(10_000)]
    wide = _table(**dict.fromkeys(names, pa.array([1.0, None, -1.0])))
    wanted = [{"type": BETWEEN, "column": name, "min_value": 0} for name in names[:300]]
    wanted += [{"type": NOT_NULL, "column": name} for name in names[-300:]]
    result = _run(store, data, wide, *wanted)
    assert [one.unexpected_count for one in result.expectations] == [1] * 600
    assert result.quarantined_rows == 2
    assert result.docs


@ENGINES
@pytest.mark.parametrize(
    "names", [("A", "a"), ("file_row_number", "file_index"), ("v", "n"), ('x"y', "it's")]
)
def test_columns_with_names_that_sql_does_not_like(
    data: Path, store: Store, engine: str, names: tuple[str, str]
) -> None:
    odd = _table(**{names[0]: pa.array([1, 2, 3]), names[1]: pa.array([5, 5, 5])})
    result = _run(
        store,
        data,
        odd,
        *({"type": BETWEEN, "column": name, "max_value": 2} for name in names),
        engine=engine,
    )
    assert [one.unexpected_count for one in result.expectations] == [1, 3]
    assert result.quarantine
    assert result.quarantined_rows == 3


def test_duplicate_files_are_told_apart(data: Path, store: Store) -> None:
    (data / "flights").mkdir()
    own = _own({"type": NOT_NULL, "column": "x"})
    for name in ("a", "b"):
        pq.write_table(_table(x=pa.array([1, None, 3])), data / "flights" / f"{name}.parquet")
    result = validate(store, FolderRoot(data), own, snapshot(store, FolderRoot(data), own))
    assert result.expectations[0].examples == ("flights/a.parquet row 1", "flights/b.parquet row 1")
    assert result.quarantined_rows == 2


def test_sensitive_values_are_masked_wherever_they_are_told(data: Path, store: Store) -> None:
    mails = pa.array(["jane@example.com", "joe@example.com", "x"])
    own = _own({"type": "expect_column_values_to_be_in_set", "column": "mail", "value_set": ["x"]})
    own = own.model_copy(update={"privacy": spec(privacy={"columns": {"mail": "allow"}}).privacy})
    (data / "flights").mkdir()
    pq.write_table(_table(mail=mails), data / "flights" / "0.parquet")
    result = validate(store, FolderRoot(data), own, snapshot(store, FolderRoot(data), own))
    assert result.details
    assert result.docs
    told = [explain(result), result.model_dump_json()]
    told += [get_bytes(store, blob).decode() for blob in (result.details, result.docs)]
    assert result.expectations[0].unexpected_count == 2
    assert not any("example.com" in one for one in told)
    assert result.expectations[0].examples == ("x***x",)


def test_great_expectations_is_not_imported_for_what_runs_in_the_query(data: Path, store: Store) -> None:
    _run(store, data, _table(), {"type": NOT_NULL, "column": "label"})
    own = _own({"type": NOT_NULL, "column": "label"}, {"type": BETWEEN, "column": "label", "max_value": 0})
    code = f"""
import sys
from pathlib import Path
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.store import open_store
from airflow_mlops.core.validation.run import validate
from airflow_mlops.spec import ModelSpec
own = ModelSpec(**{own.to_dict()!r})
store, root = open_store({str(data.parent / "store")!r}), FolderRoot(Path({str(data)!r}))
result = validate(store, root, own, snapshot(store, root, own))
assert [one.unexpected_count for one in result.expectations] == [0, 1]
assert "great_expectations" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
