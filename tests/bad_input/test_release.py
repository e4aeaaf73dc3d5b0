"""Bad input goes as a real file through the operators of a release: one clear line, and nothing half-written."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.strength import strength
from tests.bad_input.release import Ground, orders, spec_of, weather

Spoil = Callable[[Ground], Mapping[str, Any] | None]
FORMATS = ("parquet", "csv", "jsonl")
DATA = ("snapshot", "join", "protect", "validate")
ODD = (
    'a"; DROP TABLE rows; --',
    "it's",
    "a b",
    "x__y",
    "select",
    "naïve ☃ 列",
    "a;b",
    "a\\b",
    "rows",
    "n",
    "c0",
)


@pytest.fixture
def ground(store: Store, tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def with_columns(**values: Any) -> Spoil:
    """Good orders, some columns of which are others; a function makes them of the orders."""

    def spoil(ground: Ground) -> None:
        frame = orders()
        made = {name: value(frame) if callable(value) else value for name, value in values.items()}
        ground.put(frame.assign(**made))

    return spoil


def joined(**values: Any) -> Spoil:
    """The same of what is joined."""

    def spoil(ground: Ground) -> None:
        ground.put(weather().assign(**values), "weather")

    return spoil


def times(unit: str, value: int) -> Spoil:
    """Parquet whose first event time is a number that pandas could not hold."""

    def spoil(ground: Ground) -> None:
        table = pa.Table.from_pandas(orders(), preserve_index=False)
        kind = pa.timestamp(unit, "UTC")
        usual = table.column("ordered").cast(kind, safe=False).cast(pa.int64()).to_pylist()
        array = pa.array([value, *usual[1:]], kind)
        path = ground.put(orders())
        pq.write_table(table.set_column(table.schema.get_field_index("ordered"), "ordered", array), path)

    return spoil


def text_in_a_second_file(ground: Ground) -> None:
    ground.put(orders().assign(amount="much"), name="b")


def no_bytes_beside(ground: Ground) -> None:
    (ground.data / "orders" / f"b.{ground.kind}").write_bytes(b"")


def torn(ground: Ground) -> None:
    path = ground.data / "orders" / f"a.{ground.kind}"
    body = path.read_bytes()
    path.write_bytes(body[: len(body) // 2])


def zeros(ground: Ground) -> None:
    path = ground.data / "orders" / f"a.{ground.kind}"
    body = path.read_bytes()
    path.write_bytes(body[:300] + bytes(500) + body[800:])


def a_column_twice(ground: Ground) -> None:
    path = ground.put(orders())
    if ground.kind == "csv":
        path.write_text(path.read_text().replace("note", "amount", 1))
    elif ground.kind == "jsonl":
        path.write_text(path.read_text().replace('"note"', '"amount"'))
    else:
        table = pa.Table.from_pandas(orders(), preserve_index=False)
        names = ["amount" if name == "note" else name for name in table.column_names]
        pq.write_table(table.rename_columns(names), path)


def only(rows: int) -> Spoil:
    def spoil(ground: Ground) -> None:
        ground.put(orders().head(rows).assign(country="AT"))

    return spoil


def expecting(**fields: Any) -> Spoil:
    return lambda ground: {"validation": fields}


def not_utf8(ground: Ground) -> None:
    path = ground.put(orders())
    path.write_bytes(path.read_bytes().replace(b"it's", b"\xe9\xff"))


def drop_nearly_all(ground: Ground) -> dict[str, Any]:
    steep = {"type": "expect_column_values_to_be_between", "column": "amount", "min_value": 1e6}
    return {"validation": {"expectations": [{**steep, "severity": "drop"}]}}


def drop_by_odd_names(ground: Ground) -> dict[str, Any]:
    """So many failures that not all of them stand in one line."""
    ground.put(orders().assign(**dict.fromkeys(ODD, -5.0)))
    between = {"type": "expect_column_values_to_be_between", "min_value": -2}
    return {"validation": {"expectations": [{**between, "column": name} for name in ODD]}}


REFUSED: list[tuple[str, Spoil, tuple[str, ...], str, list[str]]] = [
    ("text in a second file", text_in_a_second_file, FORMATS, "snapshot", ["amount", "orders/b."]),
    ("no bytes in a second file", no_bytes_beside, FORMATS, "snapshot", ["orders/b."]),
    ("half a file", torn, FORMATS, "snapshot", ["orders/a."]),
    ("zeros in the middle", zeros, ("jsonl",), "snapshot", ["orders/a."]),
    ("not UTF-8", not_utf8, ("csv", "jsonl"), "snapshot", ["orders/a."]),
    ("a column twice", a_column_twice, FORMATS, "snapshot", ["orders/a.", "amount"]),
    (
        "a column without a name",
        with_columns(**{"": 1}),
        FORMATS,
        "snapshot",
        ["without a name", "column 9 of 9"],
    ),
    ("no rows", only(0), FORMATS, "snapshot", ["orders/"]),
    ("one row", only(1), FORMATS, "validate", ["1 rows", "at least 50"]),
    ("no label", with_columns(late=None), FORMATS, "snapshot", ["label late", "no value"]),
    (
        "no key of the join",
        with_columns(country=None),
        ("parquet", "csv"),
        "join",
        ["country of the rows", "no value"],
    ),
    ("no key in the join", joined(country="XX"), FORMATS, "join", ["join weather", "0 values of country"]),
    ("another type of key", joined(country=7), FORMATS, "join", ["country", "another type", "int64"]),
    (
        "a joined column that is there",
        with_columns(temperature=1.0),
        FORMATS,
        "join",
        ["temperature", "already"],
    ),
    (
        "a time of 1500",
        with_columns(ordered="1500-01-01T00:00:00Z"),
        FORMATS,
        "snapshot",
        ["ordered", "1500-01-01", "1678"],
    ),
    (
        "a timestamp of 1494",
        times("us", -15_000_000_000_000_000),
        ("parquet",),
        "snapshot",
        ["ordered", "1494-", "1678"],
    ),
    (
        "a timestamp of no year",
        times("us", 2**62),
        ("parquet",),
        "snapshot",
        ["ordered", "row 0", "beyond the years"],
    ),
    (
        "seconds beyond microseconds",
        times("ms", 2**60),
        ("parquet",),
        "snapshot",
        ["ordered", "row 0", "beyond the years"],
    ),
    ("numbers as times", with_columns(ordered=5), FORMATS, "snapshot", ["ordered", "ISO 8601"]),
    (
        "keys twice",
        with_columns(order_id=lambda frame: frame.index // 2),
        FORMATS,
        "validate",
        ["order_id", "200 keys"],
    ),
    ("unknown unique", expecting(unique=["nope"]), ("parquet",), "validate", ["validation.unique", "nope"]),
    (
        "unknown drift",
        expecting(drift={"columns": ["nope"]}),
        ("parquet",),
        "validate",
        ["validation.drift", "nope"],
    ),
    (
        "nearly all rows dropped",
        drop_nearly_all,
        ("parquet",),
        "validate",
        ["left without the", "at least 50"],
    ),
    ("failures without end", drop_by_odd_names, ("parquet",), "validate", ["DROP TABLE", "more"]),
]
CASES = [
    pytest.param(spoil, kind, stage, says, id=f"{name} ({kind})")
    for name, spoil, kinds, stage, says in REFUSED
    for kind in kinds
]


@pytest.mark.parametrize("spoil, kind, stage, says", CASES)
def test_bad_input_is_told_in_one_line(
    ground: Ground, spoil: Spoil, kind: str, stage: str, says: list[str]
) -> None:
    ground.fill(kind)
    change = spoil(ground) or {}
    outcome = ground.release(spec_of(kind, **change), DATA)
    assert outcome.stage == stage, outcome.said
    assert isinstance(outcome.error, AirflowFailException), outcome.error
    assert outcome.said.isprintable()
    assert len(outcome.said) < 600
    assert all(one in outcome.said for one in says), outcome.said
    assert ground.xcoms[stage, "refusal"]["reason"] == outcome.said
    ground.check_store()

    ground.fill(kind)
    again = ground.release(spec_of(kind), ("snapshot", "join"))
    assert again.stage is None, again.said


FINE: list[tuple[str, Spoil, tuple[str, ...]]] = [
    ("no value in a column", with_columns(note=None), ("parquet", "csv")),
    ("times without a zone", with_columns(ordered=lambda frame: frame.ordered.dt.tz_localize(None)), FORMATS),
    (
        "offsets mixed",
        with_columns(
            ordered=lambda frame: [
                time.tz_convert(("Europe/Berlin", "America/New_York")[at % 2]).isoformat()
                for at, time in enumerate(frame.ordered)
            ]
        ),
        FORMATS,
    ),
    (
        "no rows in a second file",
        lambda ground: ground.put(orders().head(0), name="b") and None,
        ("parquet", "csv"),
    ),
    (
        "rows of the join twice",
        lambda ground: ground.put(pd.concat([weather()] * 2), "weather") and None,
        FORMATS,
    ),
    (
        "infinity",
        with_columns(amount=lambda frame: frame.amount.where(frame.index > 9, np.inf)),
        ("parquet", "csv"),
    ),
    ("more than int64", with_columns(count=np.uint64(2**64 - 1)), ("parquet",)),
    ("a huge text", with_columns(note=lambda frame: ["y" * 1_000_000, *[""] * (len(frame) - 1)]), FORMATS),
    ("names in two cases", with_columns(AMOUNT=1.5), FORMATS),
]


@pytest.mark.parametrize(
    "spoil, kind",
    [pytest.param(spoil, kind, id=f"{name} ({kind})") for name, spoil, kinds in FINE for kind in kinds],
)
def test_odd_input_is_as_good_as_other(ground: Ground, spoil: Spoil, kind: str) -> None:
    ground.fill(kind)
    spoil(ground)
    outcome = ground.release(spec_of(kind), DATA)
    assert outcome.stage is None, outcome.said
    ground.check_store()


@pytest.mark.parametrize("sql", [None, "SELECT * FROM rows"])
def test_names_and_values_that_look_like_sql_get_through_a_whole_release(
    ground: Ground, sql: str | None
) -> None:
    random = np.random.default_rng(0)
    ground.fill()
    odd = {name: random.normal(size=400) for name in ODD}
    ground.put(orders().assign(**odd, **{"co'u\"ntry": orders().country}).drop(columns="country"))
    sky = weather().rename(
        columns={"temperature": 't"; DROP TABLE x; --', "known": "kno'wn", "country": "co'u\"ntry"}
    )
    ground.put(sky, "weather")
    join = {"name": "weather", "source": "weather/*.parquet", "event_time": "kno'wn", "by": ["co'u\"ntry"]}
    between = {"type": "expect_column_values_to_be_between", "min_value": -2, "severity": "drop"}
    spec = spec_of(
        data={"joins": [{**join, "columns": ['t"; DROP TABLE x; --']}]},
        features={"columns": ["amount", "co'u\"ntry", *ODD, 't"; DROP TABLE x; --'], "sql": sql},
        validation={
            "unique": ["order_id", "it's"],
            "expectations": [{**between, "column": name} for name in ODD],
        },
        evaluation={"slices": ["co'u\"ntry"], "groups": ["co'u\"ntry"], "search": {"columns": ["it's"]}},
    )
    outcome = ground.release(spec)
    assert outcome.stage is None, outcome.said
    assert outcome.results["validate"]["dropped_rows"] > 20
    ground.check_store()


@pytest.mark.long
def test_ten_thousand_columns(ground: Ground) -> None:
    ground.fill()
    names = [f"c{number}" for number in range(10_000)]
    values = pd.DataFrame(np.ones((60, len(names))), columns=names)
    ground.put(pd.concat([orders().iloc[::6].head(60).reset_index(drop=True), values], axis=1))
    outcome = ground.release(spec_of(), DATA)
    assert outcome.stage is None, outcome.said
    assert max(outcome.seconds.values()) < 60, "of the processor, alone a stage takes a few"


def test_no_message_holds_signs_that_a_database_refuses() -> None:
    assert str(DataError("a\nb", given="c\x00d\x1b[31m")) == "a b; given c\ufffdd\ufffd[31m"


def test_infinity_ranks_without_a_warning() -> None:
    values = pd.Series(np.r_[np.full(50, -np.inf), np.arange(100.0), np.full(50, np.inf)])
    labels = (np.arange(200) >= 100).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert strength(values, labels, "binary") == 1.0
