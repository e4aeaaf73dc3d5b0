from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstwobign

from airflow_mlops.core.monitoring.two_sample.numbers import compare_numbers, kolmogorov_p, kuiper_p

COLUMNS = {
    "normal": lambda draw, n: draw.normal(size=n),
    "two values": lambda draw, n: draw.integers(0, 2, n).astype(float),
    "counts": lambda draw, n: draw.poisson(1.0, n).astype(float),
    "mostly zero": lambda draw, n: np.where(draw.random(n) < 0.7, 0.0, draw.exponential(size=n)),
    "heavy tails": lambda draw, n: draw.standard_cauchy(n),
}


def p_values(column, n, m, runs):
    draw = np.random.default_rng(5)
    make = COLUMNS[column]
    return np.array(
        [compare_numbers(np.sort(make(draw, m)), np.sort(make(draw, n))).p_value for _ in range(runs)]
    )


@pytest.mark.parametrize("column", COLUMNS)
def test_no_change_is_called_one_no_more_often_than_the_level_says(column):
    found = p_values(column, 500, 2000, 500)
    # Three standard errors above the level, of 500 runs.
    assert (found <= 0.05).mean() <= 0.05 + 0.029
    assert (found <= 0.01).mean() <= 0.01 + 0.013


@pytest.mark.long
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("n, m", [(500, 500), (500, 20_000), (5000, 5000)])
def test_no_change_at_length(column, n, m):
    found = p_values(column, n, m, 1500)
    assert (found <= 0.05).mean() <= 0.05 + 0.017
    assert (found <= 0.005).mean() <= 0.005 + 0.0055


def test_ties_do_not_make_it_blind():
    """The untied law would give these two shares ten times the p-value."""
    shares = np.array([0.5, 0.5])
    untied = kstwobign.sf(0.1 * np.sqrt(250))
    assert kolmogorov_p(0.1, 250, shares) < untied / 8
    assert kolmogorov_p(0.1, 250, shares) == pytest.approx(0.00157, rel=0.01)  # of a normal beyond 3.16


@pytest.mark.parametrize("level, p_value", [(1.620, 0.10), (1.747, 0.05), (1.862, 0.025), (2.001, 0.01)])
def test_kuiper_has_the_published_critical_values(level, p_value):
    """Stephens (1970), table 1: upper tail percentage points of V (sqrt(n) + 0.155 + 0.24 / sqrt(n))."""
    root = np.sqrt(500.0)
    assert kuiper_p(level / (root + 0.155 + 0.24 / root), 500) == pytest.approx(p_value, rel=0.01)


def test_a_shift_and_a_spread_are_told_in_shares_of_the_rows():
    draw = np.random.default_rng(0)
    before = np.sort(draw.normal(size=20_000))
    up = compare_numbers(before, np.sort(draw.normal(3, 1, 500)))
    assert up.p_value < 1e-50
    assert up.effect == pytest.approx(0.866, abs=0.03)  # 2 Phi(1.5) - 1
    assert up.where.startswith("above 1.")
    assert up.current - up.reference == pytest.approx(up.effect)

    wide = compare_numbers(before, np.sort(draw.normal(0, 2, 500)))
    assert wide.p_value < 1e-8
    assert wide.effect == pytest.approx(0.323, abs=0.05)  # both sides of it: the total variation distance
    assert wide.where.startswith("between -")


def test_constants():
    same = compare_numbers(np.zeros(500), np.zeros(700))
    assert (same.p_value, same.effect) == (1.0, 0.0)
    other = compare_numbers(np.zeros(500), np.ones(700))
    assert other.effect == 1.0
    assert other.p_value < 1e-20


def test_huge_values_overflow_nothing():
    huge = np.sort(np.array([-1e308, 1e308] * 300))
    assert compare_numbers(huge, huge).p_value == 1.0
