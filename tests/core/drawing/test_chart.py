import math
import re
from xml.etree import ElementTree

import pytest

from airflow_mlops.core.drawing.chart import Plot, around, dot

SVG = "{http://www.w3.org/2000/svg}"


def test_values_lie_where_the_axes_say():
    plot = Plot((0.0, 10.0), (0.0, 1.0), height=200, left=100, width=324)
    assert (plot.x(0.0), plot.x(5.0), plot.x(10.0)) == (100.0, 200.0, 300.0)
    assert (plot.y(1.0), plot.y(0.0)) == (14.0, 214.0)
    root = ElementTree.fromstring(plot.document("t", "d", plot.axes("what", plot.x_ticks(), plot.y_ticks())))
    ticks = {text.text: text.get("x") for text in root.iter(f"{SVG}text")}
    assert ticks["4"] == "180.0"
    assert "what" in ticks


def test_rows_stand_below_one_another_with_their_names():
    plot = Plot.of_rows(3, (0.0, 1.0))
    assert plot.y(0) < plot.y(1) < plot.y(2)
    root = ElementTree.fromstring(plot.document("t", "d", plot.names(["a", "", "n" * 500], "what")))
    words = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert "a" in words
    assert max(map(len, words)) == 40
    assert root.get("role") == "img"


@pytest.mark.parametrize(
    "values,least",
    [
        ([], None),
        ([1.0], None),
        ([0.0, 0.0], None),
        ([3.0, None, math.inf, math.nan], 0.0),
        ([1e-300], 0.0),
        ([1e300], 0.0),
    ],
)
def test_there_is_a_range_around_whatever_is_given(values, least):
    low, high = around(values, least=least)
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < high
    Plot((low, high), (low, high)).x_ticks()


def test_a_range_has_air_but_not_below_its_least_value():
    assert around([1.0, 2.0]) == pytest.approx((0.94, 2.06))
    assert around([1.0, 2.0], least=0.0) == pytest.approx((0.0, 2.12))


def test_marks_differ_in_shape_not_only_in_colour():
    shapes = {
        re.match(r"<(\w+)", dot(shape, 1, 2, "ink"))[1] for shape in ("disc", "diamond", "square", "cross")
    }
    assert len(shapes) == 4
