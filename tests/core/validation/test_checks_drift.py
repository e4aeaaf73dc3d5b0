"""Drift of label and features between two versions in a store."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.store import Store
from airflow_mlops.core.validation import checks_drift
from airflow_mlops.core.validation.checks_drift import check_drift
from airflow_mlops.core.validation.result import ExpectationResult
from tests.core.validation.versions import people, version_of

ROWS = 2000


def columns(seed: int, **changed: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(size=ROWS),
        "y": rng.integers(0, 2, ROWS),
        "code": rng.choice(["a", "b", "c"], ROWS),
        "few": rng.integers(0, 5, ROWS),
        **changed,
    }


def compare(
    store: Store, data: Path, before: dict[str, Any], after: dict[str, Any], **asked: Any
) -> ExpectationResult:
    old = version_of(store, data, start="2023-01-01", **before)
    new = version_of(store, data, start="2024-01-01", **after)
    return drift(store, old, new, **asked)


def drift(store: Store, old: DatasetVersion, new: DatasetVersion, **asked: Any) -> ExpectationResult:
    spec = people(features={"columns": ["x", "code", "few"]}, validation={"drift": asked})
    return check_drift(store, spec, new, old)


def test_what_did_not_change_passes_and_says_what_was_compared(store: Store, data: Path) -> None:
    found = compare(store, data, columns(1), columns(2))
    assert found.success
    assert found.severity == "warn"
    assert "0 of 4 columns shifted: 2,000 rows of" in found.reason


@pytest.mark.parametrize(
    "name, values, says",
    [
        ("x", np.random.default_rng(3).normal(0.4, 1, ROWS), "x: values by 0."),
        (
            "x",
            np.where(np.arange(ROWS) % 3 == 0, np.nan, np.linspace(-1, 1, ROWS)),
            "x: missing 0.0% -> 33.4%",
        ),
        ("y", (np.arange(ROWS) % 4 == 0).astype("int64"), "y: values by 0.2"),
        (
            "code",
            np.random.default_rng(3).choice(["a", "b", "c"], ROWS, p=[0.6, 0.2, 0.2]),
            "code: values by 0.2",
        ),
        ("code", np.where(np.arange(ROWS) % 25 == 0, "zzz", "abc"), "code"),
        ("few", np.random.default_rng(3).integers(0, 4, ROWS), "few: values by 0."),
        ("code", [None] * ROWS, "code: missing 0.0% -> 100.0%"),
    ],
)
def test_a_shift_is_found_and_only_it(store: Store, data: Path, name: str, values: Any, says: str) -> None:
    found = compare(store, data, columns(1), columns(2, **{name: values}))
    assert not found.success
    assert found.column == name
    assert says in found.reason


def test_new_categories_are_counted_and_not_shown(store: Store, data: Path) -> None:
    code = np.where(np.arange(ROWS) % 30 == 0, "jane.doe@example.org", columns(2)["code"])
    found = compare(store, data, columns(1), columns(2, code=code))
    assert "code: 1 new categories in 3.4% of the rows" in found.reason
    assert "jane" not in found.to_bytes().decode()


def test_a_shift_below_the_least_effect_is_none(store: Store, data: Path) -> None:
    after = columns(2, x=np.random.default_rng(9).normal(0.4, 1, ROWS))
    assert not compare(store, data, columns(1), after, min_effect=0.1).success
    assert compare(store, data, columns(1), after, min_effect=0.5).success


def test_only_the_columns_that_are_asked_for(store: Store, data: Path) -> None:
    after = columns(2, x=np.random.default_rng(9).normal(2, 1, ROWS))
    assert compare(store, data, columns(1), after, columns=["few"]).success
    with pytest.raises(
        SpecError, match=r"validation.drift.columns names .* given fewer; expected close: few"
    ):
        compare(store, data, columns(1), after, columns=["fewer"])


def test_what_can_not_be_compared_is_named_and_the_rest_goes_on(store: Store, data: Path) -> None:
    after = columns(2, code=np.arange(ROWS) * 1.5, x=np.random.default_rng(9).normal(2, 1, ROWS))
    found = compare(store, data, columns(1), after)
    assert "not compared: code" in found.reason
    assert found.column == "x"


def test_a_growing_version_is_compared_by_what_is_new(store: Store, data: Path) -> None:
    """A twentieth of the rows has moved: among all rows it is too little to see."""
    old = version_of(store, data, start="2023-01-01", **columns(1))
    more = {name: np.concatenate([values, values[:100]]) for name, values in columns(1).items()}
    more["x"] = np.concatenate([columns(1)["x"], columns(1)["x"][:100] + 2])
    new = version_of(store, data, start="2023-01-01", **more)
    found = drift(store, old, new)
    assert "2,000 rows of" in found.reason
    assert "against 100 of" in found.reason
    assert found.column == "x"


def test_the_same_version_has_not_drifted(store: Store, data: Path) -> None:
    version = version_of(store, data, **columns(1))
    assert drift(store, version, version, min_effect=0).success


def test_more_rows_than_the_bound_are_sampled_and_give_the_same_again(
    store: Store, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks_drift, "_LEAST_ROWS", 100)
    monkeypatch.setattr(checks_drift, "MOST_ROWS", 500)
    after = columns(2, x=np.random.default_rng(9).normal(0.8, 1, ROWS))
    first, second = (compare(store, data, columns(1), after) for _ in range(2))
    assert first == second
    assert first.column == "x"
    rows = int(first.reason.split("shifted: ")[1].split(" rows")[0])
    assert 400 < rows < 600


def test_whole_numbers_that_became_floats_are_the_same_categories(store: Store, data: Path) -> None:
    few = columns(2)["few"].astype(float)
    few[::50] = np.nan
    assert compare(store, data, columns(1), columns(2, few=few)).success


def test_hundreds_of_columns_without_drift_do_not_alarm(store: Store, data: Path) -> None:
    names = [f"c{number}" for number in range(400)]
    rng = np.random.default_rng(7)
    frames = [pd.DataFrame(rng.normal(size=(200, 400)), columns=names) for _ in range(2)]
    old, new = (
        version_of(store, data, start=start, **{name: frame[name].to_numpy() for name in names})
        for start, frame in zip(("2023-01-01", "2024-01-01"), frames, strict=True)
    )
    found = drift(store, old, new, columns=names, min_effect=0)
    assert found.success, found.reason
    assert "0 of 400 columns" in found.reason


def test_an_empty_side_is_told(store: Store, data: Path) -> None:
    old = version_of(store, data, x=np.zeros(48), until=datetime(2024, 1, 2, tzinfo=timezone.utc))
    assert drift(store, old, old, columns=["at"]).reason.startswith("nothing to compare")
