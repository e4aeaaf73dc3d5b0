from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from airflow_mlops.core.monitoring.two_sample.categories import chi_square_p, compare_categories, variation

UNIFORM = np.full(200, 1 / 200)
ZIPF = (1 / np.arange(1, 201)) / (1 / np.arange(1, 201)).sum()
LONG = (1 / np.arange(1, 3001)) / (1 / np.arange(1, 3001)).sum()


def counted(draw, shares, rows):
    return {str(name): int(count) for name, count in enumerate(draw.multinomial(rows, shares)) if count}


def changes(shares, n, m, runs):
    draw = np.random.default_rng(3)
    return [compare_categories(counted(draw, shares, m), counted(draw, shares, n)) for _ in range(runs)]


@pytest.mark.parametrize("shares", [UNIFORM, ZIPF, LONG], ids=["uniform", "zipf", "3,000"])
def test_no_change_with_sparse_cells_is_called_one_no_more_often_than_the_level_says(shares):
    found = np.array([one.p_value for one in changes(shares, 500, 5000, 600)])
    assert (found <= 0.05).mean() == pytest.approx(0.05, abs=0.027)
    assert (found <= 0.01).mean() <= 0.01 + 0.0125


@pytest.mark.long
@pytest.mark.parametrize("shares", [UNIFORM, ZIPF, LONG], ids=["uniform", "zipf", "3,000"])
@pytest.mark.parametrize("n, m", [(500, 500), (500, 50_000), (5000, 50_000)])
def test_no_change_at_length(shares, n, m):
    found = np.array([one.p_value for one in changes(shares, n, m, 2000)])
    assert (found <= 0.05).mean() == pytest.approx(0.05, abs=0.015)
    assert (found <= 0.005).mean() <= 0.005 + 0.0055


def test_the_moments_are_those_of_random_tables():
    """Against 4,000 random tables with the same margins: Haldane's mean and variance make the p-value right far out."""
    draw = np.random.default_rng(0)
    total = np.array([1, 1, 2, 2, 3, 5, 8, 20, 60])
    tables = draw.multivariate_hypergeometric(total, 30, size=4000)
    found = np.array([chi_square_p(total - one, one.astype(float)) for one in tables])
    for level in (0.2, 0.05, 0.01):
        assert (found <= level).mean() == pytest.approx(level, abs=3.5 * np.sqrt(level / 4000) + 0.004)


def test_with_full_cells_it_is_pearsons_test():
    before, after = np.array([4000.0, 3000, 3000]), np.array([2100.0, 1400, 1500])
    shares = (before + after) / 15_000
    statistic = sum(
        (((side - shares * side.sum()) ** 2) / (shares * side.sum())).sum() for side in (before, after)
    )
    assert chi_square_p(before, after) == pytest.approx(chi2.sf(statistic, 2), rel=0.01)


def test_the_effect_of_chance_is_taken_off():
    """The plain distance of 500 rows in 200 equal categories is about 0.26 without any change."""
    found = [one.effect for one in changes(UNIFORM, 500, 5000, 50)]
    assert np.median(found) < 0.08
    draw = np.random.default_rng(1)
    moved = ZIPF * 0.7
    moved[0] += 0.3
    effects = [
        compare_categories(counted(draw, ZIPF, 5000), counted(draw, moved, 500)).effect for _ in range(50)
    ]
    assert np.mean(effects) == pytest.approx(0.3 * (1 - ZIPF[0]), abs=0.03)


def test_the_category_that_moved_most_is_named():
    found = compare_categories({"UA": 500, "AA": 500}, {"UA": 100, "AA": 500, "XX": 400})
    assert (found.where, found.reference, found.current) == ("'UA'", 0.5, 0.1) or found.where == "'XX'"
    assert found.p_value < 1e-50
    assert found.effect == pytest.approx(0.4, abs=0.01)


def test_all_new_and_one_row():
    assert compare_categories({"a": 1}, {"b": 1}).p_value == 1.0
    renamed = compare_categories({"a": 900}, {"b": 900})
    assert renamed.p_value < 1e-50
    assert renamed.effect == pytest.approx(1.0, abs=0.01)
    assert variation(np.array([1.0]), np.array([1.0])) == 0.0
