"""The query gives what Great Expectations gives: verdict, counts, examples, words, and the rows in quarantine."""

from __future__ import annotations

import io
import json
import os
import tempfile
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
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
from airflow_mlops.core.validation.known import KNOWN
from airflow_mlops.core.validation.run import validate
from tests.core.flights import spec

EXAMPLES = int(os.environ.get("PARITY_EXAMPLES", "25"))
START = datetime(2013, 1, 1, tzinfo=timezone.utc)
BIG = 1 << 53
TEXTS = (
    "",
    " ",
    "a",
    "A",
    "aa",
    "N12",
    "N12\n",
    "é",
    "日本",
    "🤦🏼‍♂️",
    "null",
    "nan",
    "\x1c",
    "a_b",
    "0",
    "It's",
    "1.0",
)
NUMBERS = (
    -1.5,
    -1.0,
    0.0,
    -0.0,
    0.5,
    1.0,
    2.0,
    2.5,
    3.0,
    1e6,
    float("inf"),
    float("-inf"),
    float("nan"),
    0.1,
)
WHOLES = (-2, -1, 0, 1, 2, 3, 1000000, BIG, BIG + 1, BIG + 2, -(BIG + 1))
TIMES = tuple(
    START.replace(tzinfo=None) + timedelta(hours=h, microseconds=u) for h, u in ((0, 0), (1, 0), (24, 5))
)
REGEXES = (
    r"^N\d+$",
    "a",
    r"^\s*$",
    r"\w",
    "^$",
    "[^a]",
    "a|1",
    r"(?i)a",
    r"^.{2}$",
    r"\D",
    r"\bnull",
    r"\W{1,2}",
)


def _columns(rows: int) -> st.SearchStrategy[dict[str, pa.Array]]:
    def of(kind: pa.DataType, pool: tuple[Any, ...], nulls: bool = True) -> st.SearchStrategy[pa.Array]:
        values = st.sampled_from((*pool, None) if nulls else pool)
        few = st.lists(values, min_size=1, max_size=3).flatmap(
            lambda some: st.lists(st.sampled_from(some), min_size=rows, max_size=rows)
        )
        many = st.lists(values, min_size=rows, max_size=rows)
        return st.one_of(few, many).map(lambda found: pa.array(found, kind))

    small = (-128, -1, 0, 1, 2, 127)
    return st.fixed_dictionaries(
        {
            "whole": of(pa.int64(), WHOLES, nulls=False),
            "other": of(pa.int64(), WHOLES, nulls=False),
            "gaps": of(pa.int64(), WHOLES),
            "small": of(pa.int8(), small),
            "unsigned": of(pa.uint64(), (0, 1, BIG + 1, (1 << 64) - 1)),
            "double": of(pa.float64(), NUMBERS),
            "solid": of(pa.float64(), NUMBERS, nulls=False),
            "single": of(pa.float32(), NUMBERS),
            "text": of(pa.string(), TEXTS),
            "words": of(pa.large_string(), TEXTS, nulls=False),
            "yes": of(pa.bool_(), (True, False)),
            "sure": of(pa.bool_(), (True, False), nulls=False),
            "day": of(pa.date32(), (date(2012, 12, 31), date(2013, 1, 1), date(2013, 1, 2))),
            "naive": of(pa.timestamp("us"), TIMES),
            "zoned": of(pa.timestamp("us", "UTC"), TIMES),
            "fine": of(pa.timestamp("ns"), TIMES),
            "money": of(pa.decimal128(9, 2), (Decimal("1.10"), Decimal("0.00"), Decimal("2.00"))),
            "nothing": of(pa.null(), (None,)),
            "label": of(pa.int64(), (0, 1), nulls=False),
            "at": of(
                pa.timestamp("us", "UTC"), tuple(START + timedelta(hours=h) for h in range(3)), nulls=False
            ),
        }
    )


NAMES = tuple(
    "whole gaps small unsigned double solid single text words yes sure day naive zoned fine money nothing at".split()
)
SHARES = st.sampled_from((None, 0, 0.25, 0.5, 1 / 3, 0.75, 0.9, 1.0, 1))
LIMITS = st.sampled_from((-1, 0, 0.1, 0.5, 1, 1.0, 2, 2.5, 3, 1000000, BIG))
DATED = st.sampled_from(
    (
        "2012-12-31",
        "2013-01-01",
        "2013-01-01T00:00:00Z",
        "2013-01-01T01:00:00+01:00",
        "2013-01-02T00:00:00.000005",
    )
)


def _sets(least: int) -> st.SearchStrategy[list[Any]]:
    pools = (TEXTS, (-1, 0, 1, 2, BIG - 1), (-1.5, 0.0, 0.1, 1, 2.5), (True, False))
    return st.one_of([st.lists(st.sampled_from(pool), min_size=least, max_size=4) for pool in pools])


def _bounds(limits: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "min_value": limits,
            "max_value": limits,
            "strict_min": st.booleans(),
            "strict_max": st.booleans(),
        },
    ).filter(lambda found: "min_value" in found or "max_value" in found)


def _arguments(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of a type, from what the table says that it takes."""
    fields = KNOWN[kind].fields
    parts: list[st.SearchStrategy[dict[str, Any]]] = []
    if "column" in fields:
        parts.append(st.fixed_dictionaries({"column": st.sampled_from(NAMES)}))
    if "column_A" in fields:
        names = st.sampled_from(
            ("whole", "other", "gaps", "double", "solid", "small", "text", "words", "zoned", "single")
        )
        ignored = st.sampled_from(("both_values_are_missing", "either_value_is_missing"))
        parts.append(
            st.fixed_dictionaries(
                {"column_A": names, "column_B": names}, optional={"ignore_row_if": ignored}
            ).filter(lambda found: found["column_A"] != found["column_B"])
        )
    if kind == "expect_compound_columns_to_be_unique":
        rule = st.sampled_from(("all_values_are_missing", "any_value_is_missing", "never"))
        some = st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True)
        parts.append(st.fixed_dictionaries({"column_list": some}, optional={"ignore_row_if": rule}))
    if kind == "expect_table_columns_to_match_ordered_list":
        parts.append(
            st.fixed_dictionaries({"column_list": st.lists(st.sampled_from(NAMES), unique=True, max_size=3)})
        )
    if "column_set" in fields:
        some = st.lists(st.sampled_from((*NAMES, "gate", "WHOLE")), unique=True, min_size=1)
        parts.append(
            st.fixed_dictionaries({"column_set": some}, optional={"exact_match": st.booleans()}).filter(
                lambda found: not {"whole", "WHOLE"} <= set(found["column_set"])
            )
        )
    if "value_set" in fields:
        least = 0 if "mostly" in fields else 1  # GX takes no empty set for distinct values
        parts.append(st.fixed_dictionaries({"value_set": _sets(least)}))
    if "regex" in fields:
        parts.append(st.fixed_dictionaries({"regex": st.sampled_from(REGEXES)}))
    if "value" in fields:
        parts.append(st.fixed_dictionaries({"value": st.integers(0, 20)}))
    for flag in ("or_equal", "ties_okay"):
        if flag in fields:
            parts.append(st.fixed_dictionaries({}, optional={flag: st.booleans()}))
    if kind == "expect_table_column_count_to_be_between":
        parts.append(st.fixed_dictionaries({"min_value": st.integers(18, 22)}))
    elif "min_value" in fields:
        whole = "count" in kind or "length" in kind
        dated = kind in ("expect_column_values_to_be_between", "expect_column_max_to_be_between")
        limits = st.integers(0, 5) if whole else st.one_of(LIMITS, DATED) if dated else LIMITS
        parts.append(_bounds(limits))
    if "mostly" in fields:
        parts.append(SHARES.map(lambda share: {} if share is None else {"mostly": share}))
    return st.tuples(*parts).map(
        lambda found: {name: value for part in found for name, value in part.items()}
    )


def _expectation() -> st.SearchStrategy[dict[str, Any]]:
    kinds = st.sampled_from(sorted(KNOWN))
    return kinds.flatmap(lambda kind: _arguments(kind).map(lambda found: {"type": kind, **found}))


def _write(folder: Path, tables: list[dict[str, pa.Array]]) -> None:
    (folder / "flights").mkdir(parents=True)
    for number, columns in enumerate(tables):
        pq.write_table(pa.table(columns), folder / "flights" / f"{number}.parquet", row_group_size=2)


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
    tables=st.lists(st.integers(1, 6).flatmap(_columns), min_size=1, max_size=2),
    wanted=st.lists(_expectation(), min_size=12, max_size=12),
)
@pytest.mark.filterwarnings("ignore")
def test_the_query_gives_what_great_expectations_gives(
    tables: list[dict[str, pa.Array]], wanted: list[dict[str, Any]]
) -> None:
    _both(tables, wanted)
