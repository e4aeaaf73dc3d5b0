"""The tests behind drift: as often wrong as they say, and no blinder than they must be. Simulated with fixed seeds."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.validation.checks_statistics import (
    Shift,
    compare_categories,
    compare_missing,
    compare_new_categories,
    compare_numbers,
    rejected,
    require_scipy,
    two_shares_p,
)

ALPHA = 0.05
RUNS = 600
#: An honest test stays below this in 999 of 1000 worlds: 600 runs at 0.05, three standard errors.
TOO_OFTEN = ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / RUNS)


def shares(kinds: int, skew: float) -> np.ndarray:
    weights = np.arange(1.0, kinds + 1) ** -skew
    return weights / weights.sum()


@pytest.mark.parametrize("kinds, skew", [(2, 0), (10, 0), (10, 1.5), (50, 0), (50, 1.5), (1000, 1)])
@pytest.mark.parametrize("sizes", [(500, 500), (3000, 500)])
def test_categories_that_did_not_change_are_seldom_called_changed(
    kinds: int, skew: float, sizes: tuple[int, int]
) -> None:
    rng = np.random.default_rng(kinds)
    values = new = 0
    for _ in range(RUNS):
        before, after = (rng.multinomial(size, shares(kinds, skew)) for size in sizes)
        values += compare_categories(before, after).p_value <= ALPHA
        new += compare_new_categories(before, after).p_value <= ALPHA
    assert values / RUNS <= TOO_OFTEN
    assert new / RUNS <= TOO_OFTEN


@pytest.mark.parametrize("sizes", [(30, 40), (500, 500), (3000, 500)])
def test_numbers_and_missing_rates_that_did_not_change(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a, b = sizes
    values = rounded = missing = 0
    for _ in range(RUNS):
        before, after = rng.normal(size=a), rng.normal(size=b)
        values += compare_numbers(before, after).p_value <= ALPHA
        rounded += compare_numbers(before.round(), after.round()).p_value <= ALPHA
        lost = (int(rng.binomial(a, 0.02)), a), (int(rng.binomial(b, 0.02)), b)
        missing += compare_missing(*lost).p_value <= ALPHA
    assert max(values, rounded, missing) / RUNS <= TOO_OFTEN


def table(rng: np.random.Generator, moved: float) -> list[Shift]:
    """All tests of a table with ten columns of each sort, n = 500: only the first column moves."""
    tests: list[Shift] = []
    for column in range(10):
        shift = moved if column == 0 else 0.0
        tests.append(compare_numbers(rng.normal(size=500), rng.normal(size=500) + shift))
        for kinds in (10, 50):
            counts = [rng.multinomial(500, shares(kinds, 0)) for _ in range(2)]
            tests += [compare_categories(*counts), compare_new_categories(*counts)]
    return tests


def test_a_table_without_drift_alarms_in_fewer_runs_than_alpha() -> None:
    rng = np.random.default_rng(2)
    alarms = [bool(rejected([one.p_value for one in table(rng, 0)], ALPHA).any()) for _ in range(200)]
    assert np.mean(alarms) <= ALPHA


def test_one_column_of_thirty_that_shifts_by_half_a_deviation_is_found() -> None:
    rng = np.random.default_rng(3)
    found = [bool(rejected([one.p_value for one in table(rng, 0.5)], ALPHA)[0]) for _ in range(50)]
    assert np.mean(found) >= 0.95


def test_statistics_are_those_of_scipy() -> None:
    rng = np.random.default_rng(4)
    before, after = rng.normal(size=900), rng.normal(0.1, 1.2, size=700)
    ours, theirs = compare_numbers(before, after), ks_2samp(before, after, method="asymp")
    assert ours.effect == pytest.approx(theirs.statistic, abs=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    counts = np.array([[90, 60, 50], [70, 40, 90]])
    plain = chi2_contingency(counts, correction=False)
    assert compare_categories(*counts).p_value == pytest.approx(plain.pvalue, rel=1e-9)
    assert two_shares_p(90, 200, 70, 200) == pytest.approx(
        chi2_contingency([[90, 110], [70, 130]], correction=False).pvalue
    )


def test_the_effect_of_many_categories_is_not_their_number() -> None:
    """A thousand categories of one row each: the two sides share hardly any, and nothing has changed."""
    rng = np.random.default_rng(5)
    before, after = (rng.multinomial(500, shares(1000, 0)) for _ in range(2))
    assert compare_categories(before, after).effect < 0.05
    assert np.abs(before / 500 - after / 500).sum() / 2 > 0.5


def test_a_new_category_is_told_by_its_rows() -> None:
    found = compare_new_categories(np.array([500, 500, 0]), np.array([480, 480, 40]))
    assert found.p_value < 1e-10
    assert found.effect == 0.04
    assert found.note == "1 new categories in 4.0% of the rows"
    assert compare_new_categories(np.array([500, 0]), np.array([500, 1])).p_value > 0.5


def test_false_discoveries_are_held_as_benjamini_and_yekutieli_say() -> None:
    """m = 4: the harmonic sum is 25/12, so the limits at 0.05 are 0.006, 0.012, 0.018 and 0.024."""
    assert rejected([0.0059, 0.5, 0.9, 1.0], 0.05).tolist() == [True, False, False, False]
    assert rejected([0.0061, 0.5, 0.9, 1.0], 0.05).tolist() == [False] * 4
    assert rejected([0.017, 0.0179, 0.9, 0.016], 0.05).tolist() == [True, True, False, True], "step up"
    assert rejected([], 0.05).tolist() == []


def test_without_scipy_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(PlatformError, match="drift of data needs scipy; pip install 'airflow-mlops"):
        require_scipy()
