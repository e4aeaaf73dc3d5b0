from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from scipy.stats import hypergeom

from airflow_mlops.core.monitoring.two_sample.unseen import all_inside, compare_range, compare_unseen

LONG = (1 / np.arange(1, 3001)) / (1 / np.arange(1, 3001)).sum()


def drawn(draw, rows):
    return dict(Counter(map(str, draw.choice(3000, rows, p=LONG))))


def test_values_that_no_sample_has_are_expected():
    """With 3,000 categories a tenth of the rows is new, without any change."""
    draw = np.random.default_rng(2)
    found = [compare_unseen(drawn(draw, 1500), drawn(draw, 500)) for _ in range(300)]
    assert np.mean([one.current for one in found]) > 0.1
    assert np.mean([one.current - one.reference for one in found]) == pytest.approx(
        0, abs=0.02
    )  # Good-Turing
    assert np.mean([one.p_value <= 0.05 for one in found]) <= 0.05 + 0.038


def test_more_of_them_than_chance_are_not():
    draw = np.random.default_rng(2)
    live = drawn(draw, 400) | {f"new {number}": 1 for number in range(100)}
    found = compare_unseen(drawn(draw, 1500), live)
    assert found.p_value < 1e-3
    assert found.effect == pytest.approx(0.2 * (1 - found.reference), abs=0.04)


def test_one_new_category_that_is_frequent():
    found = compare_unseen({"a": 5000, "b": 5000}, {"a": 250, "c": 250})
    assert found.p_value < 1e-12
    assert (found.effect, found.where) == (0.5, "'c'")


def test_a_single_new_row_is_chance():
    assert compare_unseen({"a": 1000}, {"a": 999, "b": 1}).p_value == pytest.approx(0.5, abs=0.01)


def test_ids_are_all_new_every_day():
    found = compare_unseen({str(n): 1 for n in range(2000)}, {f"x{n}": 1 for n in range(500)})
    assert found.effect == 0.0
    assert found.p_value > 0.3


@pytest.mark.parametrize("rows, n, total", [(1, 5, 20), (3, 5, 20), (5, 5, 20), (6, 5, 20)])
def test_the_chance_of_lying_wholly_in_the_window(rows, n, total):
    assert all_inside(rows, n, total) == pytest.approx(
        hypergeom.pmf(rows, total, rows, n) if rows <= n else 0
    )


def test_a_new_record_is_chance_and_far_values_are_not():
    draw = np.random.default_rng(4)
    p_values = [
        compare_range(np.sort(draw.normal(size=300)), np.sort(draw.normal(size=300))).p_value
        for _ in range(400)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05
    before, live = np.sort(draw.uniform(0, 100, 5000)), np.sort(draw.uniform(0, 100, 500))
    live[-100:] = 150.0
    found = compare_range(before, live)
    assert (found.effect, found.where) == (0.2, "-10 to 110") or math.isclose(found.effect, 0.2)
    assert found.p_value < 1e-50
    live[-100:] = 105.0  # out of the range, but not far
    assert compare_range(before, live).effect == 0.0


def test_anything_else_is_out_of_the_range_of_a_constant():
    assert compare_range(np.full(1000, 7.0), np.full(500, 8.0)).effect == 1.0
