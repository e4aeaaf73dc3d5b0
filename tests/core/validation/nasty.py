"""Frames with everything that engines disagree about, and expectations on them, for hypothesis."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from airflow_mlops.core.validation.known import KNOWN

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


def columns(rows: int) -> st.SearchStrategy[dict[str, pa.Array]]:
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


NAMES = (
    *("whole", "gaps", "small", "unsigned", "double", "solid", "single", "text", "words", "yes", "sure"),
    *("day", "naive", "zoned", "fine", "money", "nothing", "at"),
)
#: Columns that a type has something to say of; it is asked of all others, too.
LIKELY = {
    "expect_column_value_lengths_to_be_between": ("text", "words"),
    "expect_column_value_lengths_to_equal": ("text", "words"),
    "expect_column_values_to_match_regex": ("text", "words"),
    "expect_column_values_to_not_match_regex": ("text", "words"),
    "expect_column_mean_to_be_between": ("whole", "gaps", "small", "double", "solid"),
    "expect_column_sum_to_be_between": ("whole", "gaps", "small", "double", "solid"),
    "expect_column_median_to_be_between": ("whole", "gaps", "small", "double", "solid"),
    "expect_column_stdev_to_be_between": ("whole", "gaps", "small", "double", "solid"),
}
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


def _sets(least: int) -> st.SearchStrategy[dict[str, Any]]:
    """Columns with sets of values of their kind, or of another."""
    pools = (
        (("text", "words"), TEXTS),
        (("whole", "gaps", "small", "double", "solid", "single"), (-1, 0, 1, 2, BIG - 1)),
        (("whole", "gaps", "small", "double", "solid", "single"), (-1.5, 0.0, 0.1, 1, 2.5)),
        (("yes", "sure"), (True, False)),
        (NAMES, TEXTS),
        (NAMES, (0, 1)),
    )
    return st.one_of(
        [
            st.fixed_dictionaries(
                {
                    "column": st.sampled_from(names),
                    "value_set": st.lists(st.sampled_from(pool), min_size=least, max_size=4),
                }
            )
            for names, pool in pools
        ]
    )


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


def _named(kind: str) -> dict[str, st.SearchStrategy[dict[str, Any]]]:
    """For the arguments that name columns, what may be named."""
    few = ("whole", "other", "gaps", "double", "solid", "small", "text", "words", "zoned", "single")
    ignored = st.sampled_from(("both_values_are_missing", "either_value_is_missing"))
    rule = st.sampled_from(("all_values_are_missing", "any_value_is_missing", "never"))
    some = st.lists(st.sampled_from(NAMES), unique=True, min_size=2, max_size=3)
    pair = st.lists(st.sampled_from(few), unique=True, min_size=2, max_size=2)
    extra = {"ignore_row_if": rule} if "compound" in kind else {}
    there = st.lists(st.sampled_from((*NAMES, "gate", "WHOLE")), unique=True, min_size=1)
    return {
        "column": st.fixed_dictionaries(
            {"column": st.one_of(st.sampled_from(LIKELY.get(kind, NAMES)), st.sampled_from(NAMES))}
        ),
        "column_A": st.tuples(pair, st.fixed_dictionaries({}, optional={"ignore_row_if": ignored})).map(
            lambda found: {"column_A": found[0][0], "column_B": found[0][1], **found[1]}
        ),
        "column_list": st.fixed_dictionaries({"column_list": some}, optional=extra),
        "column_set": st.fixed_dictionaries({"column_set": there}, optional={"exact_match": st.booleans()}),
    }


def _limits(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    if kind.startswith("expect_table"):
        return st.fixed_dictionaries({"min_value": st.integers(0, 22)})
    if "count" in kind or "length" in kind:
        return _bounds(st.integers(0, 5))
    dated = kind in {"expect_column_values_to_be_between", "expect_column_max_to_be_between"}
    return _bounds(st.one_of(LIMITS, DATED) if dated else LIMITS)


def _arguments(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of a type, from what the table says that it takes."""
    fields = KNOWN[kind].fields
    least = 0 if "mostly" in fields else 1  # GX takes no empty set for distinct values
    choices = {
        **_named(kind),
        "value_set": _sets(least),
        "regex": st.fixed_dictionaries({"regex": st.sampled_from(REGEXES)}),
        "value": st.fixed_dictionaries({"value": st.integers(0, 20)}),
        "or_equal": st.fixed_dictionaries({}, optional={"or_equal": st.booleans()}),
        "ties_okay": st.fixed_dictionaries({}, optional={"ties_okay": st.booleans()}),
        "min_value": _limits(kind),
        "mostly": SHARES.map(lambda share: {} if share is None else {"mostly": share}),
    }
    parts = [choice for name, choice in choices.items() if name in fields]
    return st.tuples(*parts).map(
        lambda found: {name: value for part in found for name, value in part.items()}
    )


def expectation() -> st.SearchStrategy[dict[str, Any]]:
    kinds = st.sampled_from(sorted(KNOWN))
    return kinds.flatmap(lambda kind: _arguments(kind).map(lambda found: {"type": kind, **found}))
