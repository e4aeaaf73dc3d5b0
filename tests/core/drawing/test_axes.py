import pytest

from airflow_mlops.core.drawing.axes import time_ticks, value_range, value_ticks


@pytest.mark.parametrize(
    "longest,expected",
    [
        (1.0, ["0", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"]),
        (90.0, ["0", "15 s", "30 s", "45 s", "60 s", "75 s", "90 s"]),
        (7200.0, ["0", "30 min", "60 min", "90 min", "120 min"]),
        (86400.0, ["0", "6 h", "12 h", "18 h", "24 h"]),
        (86400.0 * 3, ["0", "12 h", "24 h", "36 h", "48 h", "60 h", "72 h"]),
    ],
)
def test_times_are_round_and_in_their_unit(longest, expected):
    assert [text for _, text in time_ticks(longest)] == expected


@pytest.mark.parametrize("longest", [0.002, 0.7, 59.0, 3601.0, 1e6, 1e8, 1e12])
def test_times_are_few(longest):
    ticks = time_ticks(longest)
    assert 2 <= len(ticks) <= 7
    assert ticks[-1][0] <= longest * (1 + 1e-6)


@pytest.mark.parametrize(
    "low,high,expected",
    [
        (-0.59, 1.09, ["\N{MINUS SIGN}0.5", "0.0", "0.5", "1.0"]),
        (-0.001, 0.0121, ["0.000", "0.005", "0.010"]),
        (120.0, 980.0, ["200", "400", "600", "800"]),
    ],
)
def test_values_are_round(low, high, expected):
    assert [text for _, text in value_ticks(low, high)] == expected


def test_wide_intervals_of_the_beginning_are_cut_off():
    low, high = value_range([(-1.0, 1.0), (-0.5, 0.4), (-0.01, 0.01)], 0.02)
    assert low == pytest.approx(-0.025 - 0.06 * 0.06)
    assert high == pytest.approx(0.035 + 0.06 * 0.06)
