"""One SQL statement computes the same features for a training frame, for many rows and for one."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import FeatureError
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import FeatureCode, InputColumn
from airflow_mlops.core.training.features import (
    compile_function,
    compute,
    require_row_independence,
    source_of,
)
from airflow_mlops.core.training.inputs import micros, raw_frame, rows_frame
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from airflow_mlops.core.training.sql_features import SqlFeatures
from tests.core.training.world import COLUMNS, World, rows_of, spec_of

INPUTS = (
    InputColumn(name="amount", type="number"),
    InputColumn(name="country", type="string"),
    InputColumn(name="express", type="boolean"),
    InputColumn(name="ordered", type="time"),
)
GOOD = """
-- what the function order_features.good computes
SELECT amount, ln(1 + CASE WHEN amount < 0 THEN 0 ELSE amount END) AS log_amount, country, express,
       hour(ordered) AS hour, isodow(ordered) > 5 AS weekend
FROM rows; """
SQL = {"columns": COLUMNS, "sql": GOOD}
FUNCTION = {"columns": COLUMNS, "function": "tests.core.training.order_features:good"}
ROW: dict[str, Any] = {"amount": 1.0, "country": "DE", "express": True, "ordered": "2024-01-01T10:00"}


def test_a_statement_and_a_function_train_the_same_model(store: Store, version: DatasetVersion) -> None:
    by_sql, by_function = (train(store, spec_of(features=one), version) for one in (SQL, FUNCTION))
    assert by_sql.artifact == by_function.artifact
    assert by_sql.signature == by_function.signature
    assert by_sql.code is not None
    assert (by_sql.code.language, by_sql.code.name) == ("sql", "features.sql")
    assert by_function.code is not None
    assert by_function.code.language == "python"


def test_one_row_many_rows_and_a_frame_have_equal_features_and_predictions(
    store: Store, version: DatasetVersion
) -> None:
    trained = train(store, spec_of(features=SQL), version)
    frame = read_frame(store, version)
    predictor = Predictor.load(store, trained)
    rows = rows_of(frame, COLUMNS)
    whole = predictor.predict_frame(frame)
    np.testing.assert_array_equal(predictor.predict(rows), whole)
    for number in range(0, len(rows), 97):
        assert predictor.predict([rows[number]])[0] == whole[number]
        np.testing.assert_array_equal(
            predictor.predict(rows[number : number + 3]), whole[number : number + 3]
        )
    pd.testing.assert_frame_equal(predictor.features(rows), predictor.frame_features(frame))


def test_dtypes_do_not_depend_on_what_a_batch_holds() -> None:
    features = SqlFeatures(GOOD, INPUTS)
    expected = ["float64", "float64", "object", "boolean", "float64", "boolean"]
    for row in (ROW, dict.fromkeys(ROW)):
        found = features(rows_frame([row], INPUTS))
        assert [str(kind) for kind in found.dtypes] == expected
    assert found.isna().to_numpy().sum() == len(expected)
    assert list(features(raw_frame(World(10).frame().iloc[:0], INPUTS)).columns) == list(found.columns)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a.amount, b.w FROM rows a LEFT JOIN (VALUES ('DE', 1), ('AT', 2)) b(c, w) ON a.country = b.c",
        "SELECT amount FROM rows ORDER BY amount DESC, country",
        "SELECT a.amount, b.country FROM rows a JOIN rows b ON a.ordered = b.ordered",
        "WITH x AS (SELECT *, amount * 2 AS twice FROM rows) SELECT twice, (SELECT country FROM x) AS c FROM x",
    ],
    ids=["a join", "an order", "a self-join", "a subquery"],
)
def test_rows_keep_their_order_and_their_neighbours_do_not_matter(sql: str) -> None:
    frame = World(3000).frame().sample(frac=1, random_state=1)
    features = SqlFeatures(sql, INPUTS)
    raw = raw_frame(frame, INPUTS)
    found = features(raw)
    assert found.index.equals(raw.index)
    require_row_independence(features, "features.sql", raw, found)
    alone = [features.values([row])[0] for row in rows_of(frame.iloc[::500], COLUMNS)]
    expected = found.iloc[::500].astype(object).where(found.iloc[::500].notna(), None)
    assert alone == [tuple(row) for row in expected.itertuples(index=False)]


def test_many_threads_agree() -> None:
    features = SqlFeatures(GOOD, INPUTS)
    rows = rows_of(World(160).frame(), COLUMNS)
    expected = features.values(rows)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda row: features.values([row])[0], rows)) == expected


def test_a_missing_number_is_null_and_a_time_is_in_utc() -> None:
    features = SqlFeatures("SELECT amount IS NULL AS lacks, hour(ordered) AS h FROM rows", INPUTS)
    row = {**ROW, "amount": math.nan, "ordered": "2024-05-01T01:30:00+02:00"}
    assert features.values([row]) == [(True, 23)]
    assert features(rows_frame([row], INPUTS)).iloc[0].tolist() == [True, 23.0]


times = st.datetimes(datetime.fromisoformat("1680-01-01"), datetime.fromisoformat("2260-01-01"))
zones = st.sampled_from(["", "Z", "+00:00", "+02:00", "-0130", "+2359"])
fractions = st.text("0123456789", min_size=0, max_size=9)


@settings(max_examples=300, deadline=None)
@given(time=times, zone=zones, fraction=fractions, form=st.sampled_from(["T", " ", "date", "minutes"]))
def test_times_of_requests_are_read_as_pandas_reads_them(
    time: datetime, zone: str, fraction: str, form: str
) -> None:
    text = time.isoformat(timespec="seconds")
    if form == "date":
        text = text[:10]
    elif form == "minutes":
        text = text[:16] + zone
    else:
        text = text.replace("T", form) + (f".{fraction}" if fraction else "") + zone
    expected = rows_frame([{"ordered": text}], INPUTS[3:])["ordered"].astype("int64").iloc[0] // 1000
    assert micros(text) == expected


def test_times_that_are_no_text() -> None:
    moment = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert micros(moment) == micros("2024-05-01T10:00Z") == micros(pd.Timestamp(moment))
    assert micros(datetime.fromisoformat("2024-05-01T12:00")) == micros("2024-05-01T12:00")
    assert micros(None) is micros(math.nan) is None


def test_the_code_of_an_older_record_is_python() -> None:
    old = b'{"module": "m", "function": "f", "sha256": "%s"}' % (b"a" * 64)
    code = FeatureCode.from_bytes(old)
    assert (code.language, code.name) == ("python", "m:f")


def test_a_statement_whose_features_have_new_names_is_not_served(
    store: Store, version: DatasetVersion
) -> None:
    trained = train(store, spec_of(features=SQL), version)
    renamed = trained.signature.model_copy(update={"features": ("x", *trained.signature.features[1:])})
    with pytest.raises(FeatureError, match="features differ from those of the training; given amount"):
        Predictor.load(store, trained.model_copy(update={"signature": renamed}))


@pytest.mark.parametrize(
    "sql,message",
    [
        (
            "SELECT amount\nFRM rows",
            r"is not SQL \(line 2, column 5\); given syntax error at or near \"rows\"",
        ),
        ("DELETE FROM rows", "is not one SELECT"),
        ("SELECT 1 AS a FROM rows; SELECT 2 AS b FROM rows", "is not one SELECT; given 2 statements"),
        ("", "is not one SELECT"),
        ("SELECT 1 AS one", "does not read the raw columns; expected SELECT ... FROM rows"),
        ("SELECT ammount FROM rows", r"fails \(line 1, column 8\); given Binder: .*ammount.* not found"),
        (
            "SELECT 'ä' AS x,\n       foo(amount) FROM rows",
            r"fails \(line 2, column 8\); given Catalog: .*foo",
        ),
        (
            "SELECT avg(amount) OVER () FROM rows",
            r"is not row by row \(line 1, column 8\); given .* function avg",
        ),
        ("SELECT amount, max(amount) FROM rows GROUP BY 1", "is not row by row .* given the aggregate max"),
        ("SELECT (SELECT count(*) FROM rows) AS n FROM rows", "not row by row .* given the aggregate count"),
        ("SELECT DISTINCT amount FROM rows", "is not row by row; given DISTINCT"),
        ("SELECT amount FROM rows LIMIT 3", "is not row by row; given LIMIT"),
        ("SELECT amount FROM rows UNION ALL SELECT 1 FROM rows", "is not row by row; given a union"),
        ("SELECT amount FROM rows USING SAMPLE 3", "is not row by row.*; given a sample"),
        ("SELECT random() AS r FROM rows", "is not the same at every call .* given random"),
        ("SELECT epoch(ordered - now()) AS age FROM rows", "is not the same at every call .* given now"),
        (
            "SELECT current_date > '2020-01-01' AS b FROM rows",
            "not the same at every call .* given current_date",
        ),
        ("SELECT CURRENT_TIMESTAMP IS NULL AS b FROM rows", "not the same .* given current_timestamp"),
        ("SELECT a FROM rows, read_csv('/etc/passwd') t(a)", "reads more than rows .* given read_csv"),
        ("SELECT column0 FROM rows, '/etc/passwd.csv'", "reads another table .* given /etc/passwd.csv"),
        ("SELECT value FROM rows, duckdb_settings()", "reads more than rows .* given duckdb_settings"),
        ("SELECT frame FROM rows, frame", "reads another table .* given frame; expected only rows"),
        ("SELECT amount FROM memory.main.rows", "reads another table"),
        ("DESCRIBE rows", "reads more than rows; given show ref"),
        ("WITH rows AS (SELECT 1 AS a) SELECT a FROM rows", "defines rows itself"),
        ("SELECT ? AS p FROM rows", "has a parameter"),
        ("SELECT amount, amount FROM rows", "has amount twice"),
        ("SELECT amount, country AS Amount FROM rows", "has amount and Amount"),
        (
            "SELECT ordered FROM rows",
            "feature ordered of features.sql is neither .* given TIMESTAMP WITH TIME",
        ),
        ("SELECT [amount] AS list FROM rows", r"feature list .* given DOUBLE\[\]"),
    ],
)
def test_statements_that_are_refused_before_any_row_is_read(sql: str, message: str) -> None:
    frame = pd.DataFrame({"frame": [1]})  # DuckDB would find it by its name
    with pytest.raises(FeatureError, match=message) as caught:
        SqlFeatures(sql, INPUTS)
    assert "\n" not in str(caught.value)
    assert len(frame) == 1


@pytest.mark.parametrize(
    "sql,message",
    [
        (
            "SELECT amount FROM rows WHERE amount > 0",
            r"breaks its contract; given \d rows for \d; expected one row",
        ),
        ("SELECT unnest([1, 2]) AS two FROM rows", r"breaks its contract; given \d rows for \d"),
        ("SELECT CAST(country AS INT) AS c FROM rows", "fails.* given Conversion: Could not convert"),
        ("SELECT content FROM rows, (SELECT getenv('HOME') AS content)", "getenv"),
    ],
)
def test_statements_that_fail_on_rows(sql: str, message: str) -> None:
    rows = [{**ROW, "amount": amount} for amount in (1.0, -1.0, None, -2.0)]
    with pytest.raises(FeatureError, match=message) as caught:
        SqlFeatures(sql, INPUTS)(rows_frame(rows, INPUTS))
    assert "\n" not in str(caught.value)
    for some in (rows, rows[1:2]):
        with pytest.raises(FeatureError, match=message):
            SqlFeatures(sql, INPUTS).values(some)


def test_after_a_row_that_fails_the_next_one_is_answered() -> None:
    features = SqlFeatures("SELECT CAST(country AS INT) AS c FROM rows", INPUTS)
    for _ in range(2):
        with pytest.raises(FeatureError):
            features.values([ROW])
        assert features.values([{**ROW, "country": "7"}]) == [(7,)]
        with pytest.raises(FeatureError):
            features.values([ROW] * 3)
        assert features.values([{**ROW, "country": "7"}] * 3) == [(7,)] * 3


def test_raw_columns_that_differ_in_case_only() -> None:
    twice = (*INPUTS, InputColumn(name="Amount", type="number"))
    with pytest.raises(FeatureError, match=r"features\.columns has amount and Amount"):
        SqlFeatures(GOOD, twice)


def test_a_column_name_of_any_kind_is_quoted() -> None:
    odd = (InputColumn(name='we"ird; name', type="number"), InputColumn(name="select", type="string"))
    features = SqlFeatures('SELECT "we""ird; name" + 1 AS a, "select" AS s FROM rows', odd)
    assert features.values([{'we"ird; name': 1, "select": "x"}]) == [(2.0, "x")]


def test_numbers_of_every_kind_are_floats_and_categories_by_their_text(
    store: Store, version: DatasetVersion
) -> None:
    sql = """SELECT CAST(round(amount) AS DECIMAL(9, 1)) AS d, CAST(amount AS HUGEINT) AS h, NULL AS n,
        CAST(abs(amount) AS INT) % 3 AS third, CAST('a' AS ENUM ('a', 'b')) AS e FROM rows"""
    spec = spec_of(features={"columns": COLUMNS, "sql": sql, "categorical": ["third"]})
    trained = train(store, spec, version)
    assert trained.signature.categories["third"] == ("0", "1", "2")
    predictor = Predictor.load(store, trained)
    frame = read_frame(store, version).iloc[:50]
    rows = rows_of(frame, COLUMNS)
    np.testing.assert_array_equal(predictor.predict(rows), predictor.predict_frame(frame))
    assert predictor.predict(rows[:1])[0] == predictor.predict_frame(frame)[0]


def test_ten_thousand_columns_cost_only_those_that_are_named() -> None:
    wide = tuple(InputColumn(name=f"c{number}", type="number") for number in range(10_000))
    features = SqlFeatures("SELECT c1 + c9999 AS s FROM rows", wide)
    row = {column.name: 1 for column in wide}
    assert features.values([row]) == [(2.0,)]
    frame = pd.DataFrame(np.ones((3, 10_000)), columns=[column.name for column in wide])
    assert features(frame)["s"].tolist() == [2.0, 2.0, 2.0]


def test_the_contract_of_functions_holds_for_statements() -> None:
    source = source_of(spec_of(features=SQL).features)
    assert source is not None
    assert source.name == "features.sql"
    raw = raw_frame(World(50).frame(), INPUTS)
    assert len(compute(compile_function(source, INPUTS), source.name, raw)) == 50
