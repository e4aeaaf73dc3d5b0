from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstwobign, norm

from airflow_mlops.core.monitoring.two_sample.bridge import exceeds, steps_of


@pytest.mark.parametrize("level", [0.6, 0.9, 1.36, 1.9, 2.5])
@pytest.mark.parametrize(
    "steps", [[(1.0, False)], [(0.3, False), (0.2, False), (0.5, False)]], ids=["one", "three"]
)
def test_without_ties_it_is_kolmogorovs_law_however_it_is_cut(level, steps):
    assert exceeds(level, steps) == pytest.approx(kstwobign.sf(level), rel=1e-6)


@pytest.mark.parametrize("level", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_two_values_are_looked_at_once(level, share):
    """Between two tied values a bridge is normal with variance p (1 - p)."""
    expected = 2 * norm.sf(level / np.sqrt(share * (1 - share)))
    assert exceeds(level, [(share, True), (1 - share, True)]) == pytest.approx(max(expected, 1e-9), rel=1e-4)


def test_a_large_atom_is_against_simulated_bridges():
    draw = np.random.default_rng(0)
    times = np.concatenate([[0.0], np.linspace(0.6, 1.0, 401)])  # 60 % of the rows are zero
    steps = np.sqrt(np.diff(times)) * draw.normal(size=(8_000, 401))
    walks = steps.cumsum(axis=1)
    highest = np.abs(walks - times[1:] * walks[:, -1:]).max(axis=1)
    for level in (0.8, 1.2):
        # Looked at 401 times a path exceeds a level as rarely as one 0.5826 steps higher (Siegmund 1979).
        between = level + 0.5826 * np.sqrt(0.001)
        expected = (highest >= level).mean()
        assert exceeds(between, [(0.6, True), (0.4, False)]) == pytest.approx(expected, abs=0.016)


def test_ties_that_are_too_few_to_matter_make_no_steps():
    assert steps_of(np.full(1000, 0.001)) is None
    assert steps_of(np.array([0.5, *np.full(500, 0.001)])) == [
        (pytest.approx(0.5), True),
        (pytest.approx(0.5), False),
    ]


def test_what_is_next_to_nothing_is_certain():
    assert exceeds(0.0, [(1.0, False)]) == 1.0
