"""Drift of label and features against the version before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import Column, DatasetVersion
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.validation.checks_part import Part, parts_to_compare
from airflow_mlops.core.validation.checks_statistics import (
    Shift,
    compare_categories,
    compare_missing,
    compare_new_categories,
    compare_numbers,
    rejected,
    require_scipy,
)
from airflow_mlops.core.validation.checks_unique import known_columns
from airflow_mlops.core.validation.result import ExpectationResult
from airflow_mlops.core.wording import some

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

#: Rows of each side that are compared, drawn with a fixed seed; fewer where there are very many columns.
MOST_ROWS = 100_000
_MOST_CELLS = 20_000_000
_LEAST_ROWS = 2_000
_SEED = 0
#: Numbers with so few different values are compared as categories: ties make Kolmogorov-Smirnov blind.
_FEW_VALUES = 20
#: New categories count from this share of rows: the model has never seen them.
_LEAST_NEW = 0.01
#: Smaller p-values are not told: no tail of a distribution is known so far out.
_LEAST_P = 1e-16
_EXAMPLES = 10


@dataclass(frozen=True)
class _Found:
    """One test of one column."""

    column: str
    shift: Shift

    @property
    def words(self) -> str:
        shift = self.shift
        told = shift.note or f"values by {shift.effect:.2f}"
        chance = f"p {shift.p_value:.1g}" if shift.p_value >= _LEAST_P else f"p < {_LEAST_P:g}"
        return f"{self.column}: {told} ({chance})"


def check_drift(
    store: Store, spec: ModelSpec, version: DatasetVersion, previous: DatasetVersion | None
) -> ExpectationResult:
    """Which of the label and the features shifted since the version before; no value is shown.

    A column shifted when a test of its values, its missing rate or its new categories holds among all tests of
    all columns (Benjamini-Yekutieli at ``alpha``), and the effect is at least ``min_effect``; for new categories
    1 % of the rows, or ``min_effect`` if that is less. At most :data:`MOST_ROWS` rows of each side are compared,
    a random sample with a fixed seed.

    :raises SpecError: if ``validation.drift.columns`` names a column that the version does not have.
    :raises PlatformError: if scipy is not installed.
    """
    asked = spec.validation.drift
    assert asked is not None  # noqa: S101 - run_checks asks only then
    known_columns("validation.drift.columns", asked.columns, version)
    require_scipy()
    if previous is None:
        return _result(asked.severity, True, "no version before to compare with")
    columns, left_out = _comparable(spec, version, previous)
    old, new = parts_to_compare(version, previous)
    before, after = (_sample(store, part, list(columns)) for part in (old, new))
    sides = f"{len(before):,} rows of {old.words} against {len(after):,} of {new.words}"
    if left_out:
        sides += f"; not compared: {some(left_out, _EXAMPLES)}"
    if not len(before) or not len(after) or not columns:
        return _result(asked.severity, True, f"nothing to compare: {sides}")
    tests = [
        _Found(name, shift)
        for name, as_number in columns.items()
        for shift in _shifts(before.column(name), after.column(name), as_number)
    ]
    falls = rejected([one.shift.p_value for one in tests], asked.alpha)
    moved = [
        one
        for one, falling in zip(tests, falls, strict=True)
        if falling and one.shift.effect >= _least(one.shift, asked.min_effect)
    ]
    moved.sort(key=lambda one: (one.shift.p_value, -one.shift.effect))
    names = list(dict.fromkeys(one.column for one in moved))
    told = tuple(one.words for one in moved[:_EXAMPLES])
    reason = f"{len(names)} of {len(columns):,} columns shifted: {sides}"
    return _result(asked.severity, not names, "; ".join([reason, *told]), names, told)


def _result(
    severity: Any, success: bool, reason: str, names: Sequence[str] = (), examples: tuple[str, ...] = ()
) -> ExpectationResult:
    return ExpectationResult(
        type="check_drift",
        column=some(names, _EXAMPLES) or None,
        severity=severity,
        success=success,
        examples=examples,
        reason=reason,
    )


def _least(shift: Shift, min_effect: float) -> float:
    return min(min_effect, _LEAST_NEW) if shift.what == "new categories" else min_effect


def _comparable(
    spec: ModelSpec, version: DatasetVersion, previous: DatasetVersion
) -> tuple[dict[str, bool], list[str]]:
    """The columns to compare, each with whether it is one of numbers; and those that can't be compared."""
    asked = spec.validation.drift
    wanted = (asked.columns if asked else ()) or (spec.data.label, *spec.features.columns)
    olds, news = ({column.name: column for column in one.columns} for one in (previous, version))
    categories = set(spec.features.categorical)
    if spec.training.objective == "binary":
        categories.add(spec.data.label)
    found: dict[str, bool] = {}
    left_out: list[str] = []
    for name in dict.fromkeys(wanted):
        if name not in news or name == version.event_time:
            continue  # features may be made of joins that come later; the event time always moves on
        kind = _kind(olds.get(name), news[name])
        if kind is None:
            left_out.append(name)
        else:
            found[name] = kind and name not in categories
    return found, left_out


def _kind(before: Column | None, after: Column) -> bool | None:
    """Whether both hold numbers to be compared as such; None when they can't be compared."""
    if before is None:
        return None
    kinds = {_sort(one.type) for one in (before, after)} - {"nothing"}
    if kinds - {"number", "category"} or len(kinds) > 1:
        return None
    few = all(one.distinct is not None and one.distinct <= _FEW_VALUES for one in (before, after))
    return kinds == {"number"} and not few


def _sort(kind: str) -> str:
    if kind.startswith(("int", "uint", "float", "double", "halffloat", "decimal")):
        return "number"
    if kind in ("string", "large_string", "string_view", "bool") or kind.startswith("dictionary"):
        return "category"
    return "nothing" if kind == "null" else "other"


def _sample(store: Store, part: Part, columns: Sequence[str]) -> pa.Table:
    """Rows of a part: all, or about as many as allowed, each with the same chance."""
    import numpy as np
    import pyarrow as pa

    most = int(np.clip(_MOST_CELLS // max(1, len(columns)), _LEAST_ROWS, MOST_ROWS))
    rows = part.rows(store)
    chance = min(1.0, most / rows) if rows else 1.0
    rng = np.random.default_rng(_SEED)
    taken = []
    for batch in part.batches(store, columns):
        some = batch.select(list(columns))
        taken.append(some if chance == 1.0 else some.filter(pa.array(rng.random(len(some)) < chance)))
    return pa.Table.from_batches(taken) if taken else pa.table({})


def _shifts(before: pa.ChunkedArray, after: pa.ChunkedArray, as_number: bool) -> list[Shift]:
    """All tests of one column."""
    import pyarrow.compute as pc

    present = [side.filter(pc.invert(pc.is_null(side, nan_is_null=True))) for side in (before, after)]
    sizes = [len(side) for side in (before, after)]
    missing = [size - len(side) for size, side in zip(sizes, present, strict=True)]
    found = [compare_missing((missing[0], sizes[0]), (missing[1], sizes[1]))]
    if not all(len(side) for side in present):
        return found
    if as_number:
        numbers = [side.cast("float64", safe=False).to_numpy() for side in present]
        return [*found, compare_numbers(numbers[0], numbers[1])]
    counts = _counts(present)
    return [*found, compare_categories(*counts), compare_new_categories(*counts)]


def _counts(sides: Sequence[pa.ChunkedArray]) -> tuple[Any, Any]:
    """How often each category is on each side, in the same order."""
    import numpy as np
    import pyarrow as pa

    text = [side.cast(pa.large_string()) for side in _alike(sides)]
    codes = pa.chunked_array([chunk for side in text for chunk in side.chunks], pa.large_string())
    encoded = codes.combine_chunks().dictionary_encode()
    index = encoded.indices.to_numpy(zero_copy_only=False)
    size, first = len(encoded.dictionary), len(text[0])
    return (
        np.bincount(index[:first], minlength=size).astype(np.int64),
        np.bincount(index[first:], minlength=size).astype(np.int64),
    )


def _alike(sides: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
    """Numbers as floats on both sides: a column may be whole on one side only, and 3 is 3.0."""
    from pyarrow import types

    if any(types.is_floating(side.type) for side in sides):
        return [side.cast("float64", safe=False) for side in sides]
    return list(sides)
