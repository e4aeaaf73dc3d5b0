"""Numbers as counts per cell: what is kept, and that rounding never helps the gambler."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.core.rollout.betting import OneSample, log_path, mixed
from airflow_mlops.core.rollout.cells import DIFFERENCE, UNIT, Counts, Grid

numbers = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(x=numbers)
def test_number_and_mean_are_kept(x):
    counts = UNIT.counts(np.array(x))[0]
    assert counts.min() >= 0
    assert counts.sum() == pytest.approx(len(x), abs=1e-9)
    assert counts @ UNIT.values == pytest.approx(sum(x), abs=1e-9)


@given(x=st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_differences_keep_theirs(x):
    counts = DIFFERENCE.counts(np.array(x))[0]
    assert counts @ DIFFERENCE.values == pytest.approx(sum(x), abs=1e-9)


@settings(max_examples=100)
@given(x=numbers, mean=st.floats(0.01, 0.99), steps=st.integers(1, 128))
def test_cells_never_have_more_capital_than_the_numbers(x, mean, steps):
    grid = Grid(0.0, 1.0, steps)
    cells = OneSample(grid.values, grid.counts(np.array(x))[0], 0.0, 1.0)
    assert mixed(cells.above(mean)) <= log_path(np.array(x), mean)[-1] + 1e-9
    assert mixed(cells.below(mean)) <= log_path(1 - np.array(x), 1 - mean)[-1] + 1e-9


def test_what_is_lost_by_rounding_is_little():
    x = np.random.default_rng(3).beta(2, 6, 5000)
    cells = OneSample(UNIT.values, UNIT.counts(x)[0], 0.0, 1.0)
    exact = log_path(x, 0.22)[-1]
    assert 0.99 * exact < mixed(cells.above(0.22)) <= exact


@given(x=numbers, y=numbers)
def test_counts_of_parts_are_the_counts_of_the_whole(x, y):
    whole = UNIT.counts(np.array(x + y))
    assert UNIT.counts(np.array(x)) + UNIT.counts(np.array(y)) == pytest.approx(whole, abs=1e-9)


def test_groups_are_counted_apart():
    x, group = np.array([0.0, 1.0, 0.5, 0.25]), np.array([0, 2, 2, 0])
    counts = UNIT.counts(x, group, 3)
    assert counts.shape == (3, UNIT.size)
    for one in range(3):
        assert counts[one] == pytest.approx(UNIT.counts(x[group == one])[0])


def test_both_ends_are_cells_and_beyond_them_counts_as_the_end():
    counts = UNIT.counts(np.array([0.0, 1.0, -5.0, 7.0]))[0]
    assert (counts[0], counts[-1], counts[1:-1].sum()) == (2, 2, 0)
    # no difference is a cell of its own, so that ties cost nothing
    assert DIFFERENCE.counts(np.zeros(3))[0].max() == 3


def test_counts_that_grow_are_those_of_the_whole():
    rng = np.random.default_rng(5)
    x, group = rng.random(300), rng.integers(0, 3, 300) * 20
    parts = [Counts(UNIT, 96), Counts(UNIT, 96)]
    for number, part in enumerate(parts):
        for start in range(0, 150, 30):
            chosen = slice(150 * number + start, 150 * number + start + 30)
            part.add(x[chosen], group[chosen])
    parts[0].merge(parts[1])
    assert parts[0].dense() == pytest.approx(UNIT.counts(x, group, 96), abs=1e-9)
    parts[1].add(x[:10], group[:10])
    assert parts[0].dense().sum() == pytest.approx(300), "a merge shares nothing"


def test_groups_without_numbers_take_no_memory():
    counts = Counts(UNIT, 96)
    counts.add(np.zeros(5), np.full(5, 40))
    assert list(counts._rows) == [40]
