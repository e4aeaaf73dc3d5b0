"""A plot with two axes, and what is drawn in it: dots with whiskers, bars, lines, and a legend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from airflow_mlops.core.drawing import svg
from airflow_mlops.core.drawing.axes import Interval, value_ticks

WIDTH = 860
_RIGHT, _TOP, _BELOW = 24, 14, 46
_LEGEND = 26
#: Height of a row of a chart with names at its left, and what fits there.
_ROW, _NAMES, _FITTING = 26, 290, 40
_LETTER = 7.0
_AIR = 0.06

Shape = Literal["disc", "diamond", "square", "cross"]
Tick = tuple[float, str]


def around(values: Iterable[float | None], *, least: float | None = None) -> Interval:
    """A range that holds all finite values, with some air; :param least: it is held, too, without air below it."""
    known = [one for one in values if one is not None and math.isfinite(one)]
    if least is not None:
        known.append(least)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        reach = abs(high) / 2 or 1.0
        low, high = low - reach, high + reach
    air = (high - low) * _AIR
    return low if least == low else low - air, high + air


@dataclass(frozen=True)
class Plot:
    """Where values lie in a picture.

    :param x_range, y_range: values at the left and right end, and at the lower and upper one.
    :param left: space for the numbers or names of the vertical axis.
    """

    x_range: Interval
    y_range: Interval
    height: int = 260
    left: int = 76
    width: int = WIDTH

    @classmethod
    def of_rows(cls, count: int, x_range: Interval) -> Plot:
        """A plot with a row for each name; the y of a row is its number from 0, the first one above."""
        return cls(x_range, (count - 0.5, -0.5), height=_ROW * count, left=_NAMES)

    def x(self, value: float) -> float:
        """The place of a value in pixels."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.width - self.left - _RIGHT)

    def y(self, value: float) -> float:
        """The place of a value in pixels."""
        low, high = self.y_range
        return _TOP + (high - value) / (high - low) * self.height

    def x_ticks(self, most: int = 7) -> list[Tick]:
        """Round values of the horizontal axis."""
        return value_ticks(*self.x_range, most)

    def y_ticks(self, most: int = 6) -> list[Tick]:
        """Round values of the vertical axis."""
        return value_ticks(*self.y_range, most)

    def axes(self, x_title: str, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick]) -> list[str]:
        """Grid, numbers, and what the horizontal axis shows."""
        bottom, right = _TOP + self.height, self.width - _RIGHT
        parts = []
        for value, words in y_ticks:
            y = self.y(value)
            parts.append(svg.line(self.left, y, right, y, svg.stroke("rule")))
            parts.append(svg.text(self.left - 8, y + 4, words, svg.fill("muted"), anchor="end", size=11))
        for value, words in x_ticks:
            x = self.x(value)
            parts.append(svg.line(x, _TOP, x, bottom + 4, svg.stroke("rule")))
            parts.append(svg.text(x, bottom + 17, words, svg.fill("muted"), anchor="middle", size=11))
        middle = (self.left + right) / 2
        title = svg.text(middle, bottom + 35, x_title, svg.fill("ink"), anchor="middle")
        return [*parts, svg.line(self.left, bottom, right, bottom, svg.stroke("muted", 1.5)), title]

    def names(self, names: Sequence[str], x_title: str) -> list[str]:
        """The axes of a plot of rows."""
        parts = self.axes(x_title, self.x_ticks(), [(number, "") for number in range(len(names))])
        for number, name in enumerate(names):
            words = (svg.lines(name, _FITTING) or [""])[0]
            parts.append(svg.text(self.left - 10, self.y(number) + 4, words, svg.fill("ink"), anchor="end"))
        return parts

    def level(self, *, x: float | None = None, y: float | None = None, dashes: str = "5 4") -> str:
        """A dashed line through the whole plot, at an x or a y."""
        look = f'{svg.stroke("ink", 1.5)} stroke-dasharray="{dashes}"'
        if x is not None:
            return svg.line(self.x(x), _TOP, self.x(x), _TOP + self.height, look)
        return svg.line(self.left, self.y(y or 0.0), self.width - _RIGHT, self.y(y or 0.0), look)

    def document(self, title: str, description: str, parts: Iterable[str], legend: Legend = ()) -> str:
        """The whole picture, to stand in a page."""
        below = _TOP + self.height + _BELOW
        drawn = [*parts, *_legend(legend, self.left, below + 10)]
        height = below + (_LEGEND if legend else 0)
        return svg.document(self.width, height, title, description, drawn, alone=False)


#: What a mark means: the mark, and its words.
Legend = Sequence[tuple[Shape | Literal["line", "band", "bar"], str, str]]


def dot(shape: Shape, x: float, y: float, role: str) -> str:
    """A mark of about ten pixels; a disc is filled, a diamond and a square are hollow, so that no colour is needed."""
    if shape == "disc":
        at = f'cx="{svg.place(x)}" cy="{svg.place(y)}"'
        return f'<circle {at} r="5" {svg.stroke("page", 1.2, also=role)}/>'
    if shape == "cross":
        ends = f"M{svg.place(x - 4.5)} {svg.place(y - 4.5)}l9 9m0 -9l-9 9"
        return f'<path d="{ends}" {svg.stroke(role, 2.4)}/>'
    if shape == "square":
        return svg.rect(x - 4.5, y - 4.5, 9, 9, svg.stroke(role, 2.0, also="page"))
    corners = [(x, y - 6.5), (x + 6.5, y), (x, y + 6.5), (x - 6.5, y)]
    return f'<polygon points="{svg.points(corners)}" {svg.stroke(role, 2.0, also="page")}/>'


def whisker(x1: float, y1: float, x2: float, y2: float, role: str = "edge") -> str:
    """A line from one bound to the other."""
    return svg.line(x1, y1, x2, y2, svg.stroke(role, 2.2))


def polyline(corners: Iterable[tuple[float, float]], role: str, *, dashes: str = "") -> str:
    """A line through some places."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{svg.points(corners)}" {svg.stroke(role, 2.0)}{dashed}/>'


def _legend(entries: Legend, x: float, y: float) -> list[str]:
    parts = []
    for kind, role, words in entries:
        if kind == "line":
            look = f'{svg.stroke(role, 1.5)} stroke-dasharray="5 4"'
            parts.append(svg.line(x, y - 4, x + 20, y - 4, look))
        elif kind == "band":
            parts.append(whisker(x + 10, y - 11, x + 10, y + 3, role))
        elif kind == "bar":
            parts.append(svg.rect(x, y - 10, 20, 11, svg.fill(role)))
        else:
            parts.append(dot(kind, x + 10, y - 4, role))
        parts.append(svg.text(x + 27, y, words, svg.fill("muted"), size=11))
        x += 27 + _LETTER * len(words) + 16
    return parts
