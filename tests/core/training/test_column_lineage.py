"""Which raw columns a feature is made of is measured, for functions and statements alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.training.artifact import ColumnLineage, InputColumn
from airflow_mlops.core.training.column_lineage import lineage_of_features
from airflow_mlops.core.training.features import FeatureSource
from tests.core.training.world import World

INPUTS = (
    InputColumn(name="amount", type="number"),
    InputColumn(name="country", type="string"),
    InputColumn(name="express", type="boolean"),
    InputColumn(name="ordered", type="time"),
)
FUNCTION = """
import numpy as np
import pandas as pd

def build(raw):
    hour = raw["ordered"].dt.hour
    return pd.DataFrame({
        "log_amount": np.log1p(raw["amount"].clip(lower=0)),
        "night": (hour < 6) & ~raw["express"].fillna(False).astype(bool),
        "home": (raw["country"] == "AT").astype(float),
        "both": raw["country"].fillna("?") + np.where(raw["express"].fillna(False), "!", ""),
        "one": 1.0,
    }, index=raw.index)
"""
STATEMENT = """
WITH t AS (SELECT amount * 2 AS double, country AS c, * FROM rows)
SELECT ln(greatest(double, 1)) AS log_amount, CASE WHEN hour(ordered) < 6 THEN express END AS night, c AS home FROM t
"""


def measured(
    text: str, language: str = "python", frame: pd.DataFrame | None = None
) -> dict[str, tuple[str, ...]]:
    source = FeatureSource("features", "build", text.encode(), language)  # type: ignore[arg-type]
    rows = World().frame() if frame is None else frame
    names = {
        "python": ("log_amount", "night", "home", "both", "one"),
        "sql": ("log_amount", "night", "home"),
    }[language]
    found = lineage_of_features(source, INPUTS, rows, names)
    assert isinstance(found, ColumnLineage)
    assert found.how == "measured"
    return found.columns


def test_a_function() -> None:
    assert measured(FUNCTION) == {
        "log_amount": ("amount",),
        "night": ("express", "ordered"),
        "home": ("country",),
        "both": ("country", "express"),
        "one": (),
    }
    assert measured(FUNCTION) == measured(FUNCTION), "the same at every call: it stands in the record"


def test_a_statement() -> None:
    assert measured(STATEMENT, "sql") == {
        "log_amount": ("amount",),
        "night": ("express", "ordered"),
        "home": ("country",),
    }


def test_columns_of_one_value_or_none_are_seen_too() -> None:
    frame = World(rows=40).frame().assign(amount=7.0, country=None, express=pd.NA)
    found = measured(FUNCTION, frame=frame)
    assert (found["log_amount"], found["home"][:1]) == (("amount",), ())
    assert found["both"] == ("country", "express")


def test_a_function_that_takes_no_nulls() -> None:
    frame = World().frame().dropna()
    strict = FUNCTION.replace("def build(raw):", "def build(raw):\n    assert not raw.isna().any().any()")
    assert measured(strict, frame=frame)["night"] == ("express", "ordered")


def test_raw_columns_are_features_themselves() -> None:
    found = lineage_of_features(None, INPUTS, World(rows=5).frame(), ["amount", "country"])
    assert found == ColumnLineage(how="identity", columns={"amount": ("amount",), "country": ("country",)})


@pytest.mark.parametrize(
    "text", ["def build(raw):\n    raise ValueError('never')\n", "def other(raw): ...\n"]
)
def test_what_can_not_be_measured_is_said_and_fails_nothing(text: str) -> None:
    said: list[str] = []
    source = FeatureSource("features", "build", text.encode())
    assert lineage_of_features(source, INPUTS, World(rows=50).frame(), ["a"], said.append) is None
    assert said[0].startswith("column lineage could not be measured: ")


def test_too_many_columns_are_left_alone() -> None:
    said: list[str] = []
    inputs = [InputColumn(name=f"c{number}", type="number") for number in range(1000)]
    frame = pd.DataFrame(np.zeros((10, 1000)), columns=[one.name for one in inputs])
    assert lineage_of_features(FeatureSource("f", "b", b""), inputs, frame, ["a"], said.append) is None
    assert said == ["column lineage is not measured: 1,000 raw columns are too many"]
