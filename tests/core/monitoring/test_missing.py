from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from airflow_mlops.core.monitoring.missing import compare_missing, two_proportion_p


@pytest.mark.parametrize(
    "first, second", [((10, 500), (30, 500)), ((0, 900), (7, 300)), ((55, 100), (40, 90))]
)
def test_the_p_value_is_that_of_the_uncorrected_chi_square_test(first, second):
    table = [[hits, trials - hits] for hits, trials in (first, second)]
    assert two_proportion_p(first, second) == pytest.approx(chi2_contingency(table, correction=False).pvalue)


def test_a_column_that_becomes_60_percent_null_drifts():
    found = compare_missing("x", (50, 5000), (300, 500))
    assert found.drifted
    assert found.difference == pytest.approx(0.59)


@pytest.mark.parametrize(
    "reference, current",
    [
        ((0, 50_000), (4_500, 50_000)),  # certain, but below ten points
        ((1, 10), (4, 10)),  # thirty points of ten rows are chance
        ((0, 0), (500, 500)),  # nothing to compare with
        ((500, 500), (500, 500)),
    ],
)
def test_what_is_small_or_chance_does_not_drift(reference, current):
    assert not compare_missing("x", reference, current).drifted


def test_no_change_is_flagged_far_more_rarely_than_the_level():
    draw = np.random.default_rng(1)
    flags = sum(
        compare_missing("x", (int(a), 2000), (int(b), 200)).drifted
        for a, b in zip(draw.binomial(2000, 0.5, 5000), draw.binomial(200, 0.5, 5000), strict=True)
    )
    assert flags <= 15
