from __future__ import annotations

import numpy as np
import pytest

from airflow_mlops.core.monitoring.two_sample.discovery import adjusted


def test_the_example_of_benjamini_and_hochberg():
    """Their section 3.2: of 15 p-values the four smallest fall at 0.05, where Bonferroni's rule takes three."""
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262]
    p_values += [0.5719, 0.6528, 0.7590, 1.0000]
    assert sum(one <= 0.05 for one in adjusted(p_values)) == 4


def test_it_is_monotone_and_keeps_the_order():
    draw = np.random.default_rng(0)
    p_values = draw.random(50).tolist()
    found = np.array(adjusted(p_values))
    assert (found >= np.array(p_values) - 1e-12).all()
    assert (np.diff(found[np.argsort(p_values)]) >= 0).all()
    assert adjusted([]) == ()
    assert adjusted([0.03]) == pytest.approx((0.03,))
