import pytest
from group_sequential import crossing, lan_demets, obrien_fleming


def test_obrien_fleming_bounds_are_the_published_ones():
    # Jennison & Turnbull 1999, table 2.3, five looks, two-sided 5 %
    assert obrien_fleming(5, 0.05) == pytest.approx((4.562, 3.226, 2.634, 2.281, 2.040), abs=1e-3)


def test_bounds_that_spend_like_obrien_fleming_are_the_published_ones():
    # Reboussin, DeMets, Kim & Lan 2000, five looks, one-sided 2.5 %
    assert lan_demets(5, 0.025) == pytest.approx((4.8769, 3.3569, 2.6803, 2.2898, 2.0310), abs=2e-4)


@pytest.mark.parametrize("looks", [1, 2, 5, 20])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_all_of_alpha_is_spent_at_the_last_look(looks, alpha):
    spent = crossing(lan_demets(looks, alpha))
    assert spent[-1] == pytest.approx(alpha, abs=1e-8)
    assert (spent[:-1] <= alpha).all()
    assert crossing(obrien_fleming(looks, alpha), two_sided=True)[-1] == pytest.approx(alpha, abs=1e-6)


@pytest.mark.parametrize("looks,error", [(1, 0.050), (2, 0.083), (5, 0.142), (10, 0.193), (20, 0.248)])
def test_repeating_a_test_of_5_percent_has_the_published_error(looks, error):
    # Armitage, McPherson & Rowe 1969, two-sided
    assert crossing([1.959964] * looks, two_sided=True)[-1] == pytest.approx(error, abs=1e-3)


def test_forty_looks_one_sided_at_5_percent_stop_26_percent():
    assert crossing([1.644854] * 40)[-1] == pytest.approx(0.26, abs=0.005)
