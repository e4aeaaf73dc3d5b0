"""One gate in the picture of a stage: its confidence sequence over time, its limit, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from airflow_mlops.core.drawing import svg
from airflow_mlops.core.drawing.axes import Interval, time_ticks, value_range, value_ticks
from airflow_mlops.core.gates import Gate, GateResult, Outcome
from airflow_mlops.core.rollout.scales import quantile_of

WIDTH, EDGE = 860, 20
_LEFT, _RIGHT, _TOP = 76, 104, 28
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - _LEFT - _RIGHT, 130
#: Characters of a line of small letters, also in a wide font; of the caption of a panel; of its heading.
FITTING, _FITTING_CAPTION, _FITTING_NAME = 112, 102, 44
_LINE = 15
HEIGHT = _TOP + _PLOT_HEIGHT + 18 + 2 * _LINE + 26
#: Points of a curve that are drawn as dots; more would run into each other.
_MOST_DOTS = 64
#: Height of the small letters beside the plot.
_LETTERS = 13
_WORDS = {"pass": "passed", "fail": "failed", "inconclusive": "undecided"}
_NOTHING = svg.text(
    _PLOT_WIDTH / 2, _PLOT_HEIGHT / 3, "no observation yet", svg.fill("muted"), anchor="middle"
)


@dataclass(frozen=True)
class Moment:
    """What a gate said at one time.

    :param elapsed: seconds since the stage started.
    """

    elapsed: float
    interval: Interval | None
    outcome: Outcome


@dataclass(frozen=True)
class Panel:
    """A gate from the start of its stage to the verdict.

    :param limit: in the unit of the intervals.
    :param moments: in the order of time.
    :param longest: seconds that the axis of all panels spans.
    """

    result: GateResult
    limit: float
    moments: tuple[Moment, ...]
    longest: float

    def draw(self, y: float) -> str:
        """The panel as an SVG group, ``HEIGHT`` high. :param y: of its upper end."""
        heading = [
            svg.mark(self.result.outcome, EDGE + 7, 12),
            svg.text(
                EDGE + 22, 16, svg.lines(self._name(), _FITTING_NAME)[0], svg.fill("ink"), size=13, bold=True
            ),
            svg.text(WIDTH - EDGE, 16, measure(self.result.gate), svg.fill("muted"), anchor="end"),
        ]
        caption = [
            svg.text(_LEFT, _TOP + _PLOT_HEIGHT + 18 + _LINE * (1 + number), one, svg.fill("muted"))
            for number, one in enumerate(svg.lines(self.result.reason, _FITTING_CAPTION, 2))
        ]
        parts = [*heading, *self._axes(), self._plot(), *self._end(), *caption]
        return "\n".join([f'<g transform="translate(0 {svg.place(y)})">', *parts, "</g>"])

    def in_words(self) -> str:
        """The same for who can't see it."""
        words = f"{self.result.gate.name}: {_WORDS[self.result.outcome]}, limit {self.limit:.4g}"
        newest = next((one.interval for one in reversed(self.moments) if one.interval), None)
        interval = f", last between {newest[0]:.4g} and {newest[1]:.4g}" if newest else ", no observation"
        return f"{words}{interval}, {self.result.samples or 0} samples."

    @property
    def _range(self) -> Interval:
        return value_range([one.interval for one in self.moments if one.interval], self.limit)

    def _x(self, elapsed: float) -> float:
        return elapsed / self.longest * _PLOT_WIDTH

    def _y(self, value: float) -> float:
        low, high = self._range
        return (high - value) / (high - low) * _PLOT_HEIGHT

    def _name(self) -> str:
        return f"{_WORDS[self.result.outcome]}: {self.result.gate.name}"

    def _axes(self) -> list[str]:
        """The numbers around the plot."""
        parts = []
        for value, words in value_ticks(*self._range):
            y = _TOP + self._y(value) + 4
            parts.append(svg.text(_LEFT - 8, y, words, svg.fill("muted"), anchor="end", size=11))
        bottom = _TOP + _PLOT_HEIGHT
        for elapsed, words in time_ticks(self.longest):
            x = _LEFT + self._x(elapsed)
            parts.append(svg.line(x, bottom, x, bottom + 4, svg.stroke("muted")))
            parts.append(svg.text(x, bottom + 16, words, svg.fill("muted"), anchor="middle", size=11))
        return parts

    def _plot(self) -> str:
        """What lies within the plot; an inner SVG cuts off the rest."""
        level = self._y(self.limit)
        good = (0.0, level) if self.result.gate.min is not None else (level, _PLOT_HEIGHT)
        shade = svg.rect(
            0, good[0], _PLOT_WIDTH, good[1] - good[0], svg.fill("good") + ' fill-opacity="0.75"'
        )
        limit = svg.line(0, level, _PLOT_WIDTH, level, svg.stroke("ink", 1.5) + ' stroke-dasharray="5 4"')
        ticks = [self._y(value) for value, _ in value_ticks(*self._range)]
        grid = [svg.line(0, y, _PLOT_WIDTH, y, svg.stroke("rule")) for y in ticks]
        frame = svg.line(0, _PLOT_HEIGHT, _PLOT_WIDTH, _PLOT_HEIGHT, svg.stroke("muted", 2))
        words = [] if any(one.interval for one in self.moments) else [_NOTHING]
        box = f'x="{_LEFT}" y="{_TOP}" width="{_PLOT_WIDTH}" height="{_PLOT_HEIGHT}"'
        parts = [shade, *grid, *self._band(), limit, frame, *words]
        return "\n".join([f"<svg {box}>", *parts, "</svg>", *self._marks()])

    def _band(self) -> list[str]:
        """The band of each stretch without a gap."""
        parts = []
        for there, group in groupby(self.moments, key=lambda one: one.interval is not None):
            if there:
                parts += self._stretch([(one.elapsed, one.interval) for one in group if one.interval])
        return parts

    def _stretch(self, known: list[tuple[float, Interval]]) -> list[str]:
        lower = [(self._x(at), self._y(low)) for at, (low, _) in known]
        upper = [(self._x(at), self._y(high)) for at, (_, high) in known]
        if len(known) == 1:
            (x, bottom), (_, top) = lower[0], upper[0]
            x = min(max(x, 5.0), _PLOT_WIDTH - 5.0)
            return [svg.rect(x - 5, top, 10, bottom - top, svg.stroke("edge", 1.6, also="band"))]
        band = f'<polygon points="{svg.points([*upper, *reversed(lower)])}" {svg.fill("band")} fill-opacity="0.55"/>'
        edges = [
            f'<polyline points="{svg.points(edge)}" {svg.stroke("edge", 1.8)}/>' for edge in (upper, lower)
        ]
        dots = "".join(f"M{svg.place(x)} {svg.place(y)}h0" for x, y in (*upper, *lower))
        dotted = f'<path d="{dots}" {svg.stroke("edge", 3.6)} stroke-linecap="round"/>'
        return [band, *edges, *([dotted] if len(known) <= _MOST_DOTS else [])]

    def _marks(self) -> list[str]:
        """A mark wherever the outcome changed, on the bound that changed it."""
        parts: list[str] = []
        before: Outcome = "inconclusive"
        for one in self.moments:
            if one.outcome != before and one.interval is not None:
                decided = before if one.outcome == "inconclusive" else one.outcome
                y = self._y(one.interval[self._deciding(decided)])
                y = min(max(y, 0.0), _PLOT_HEIGHT)
                parts.append(svg.mark(one.outcome, _LEFT + self._x(one.elapsed), _TOP + y))
                before = one.outcome
        return parts

    def _deciding(self, outcome: Outcome) -> int:
        """Which bound an outcome rests on: 0 the lower one, 1 the upper one."""
        good_is_above = self.result.gate.min is not None
        return int((outcome == "fail") == good_is_above)

    def _end(self) -> list[str]:
        """Beside the plot: the newest bounds, the limit, and the sample count."""
        x, muted = _LEFT + _PLOT_WIDTH + 8, svg.fill("muted")
        count = f"n = {self.result.samples or 0:,}"
        bottom = _TOP + _PLOT_HEIGHT + 16
        parts = [svg.text(WIDTH - EDGE, bottom, count, svg.fill("ink"), anchor="end", size=11)]
        newest = next((one.interval for one in reversed(self.moments) if one.interval), None)
        values = [(self.limit, f"limit {self.limit:.4g}", svg.fill("ink"))]
        values += [(value, f"{value:.4g}", muted) for value in (newest or ())]
        places = apart([self._y(value) for value, *_ in values], _LETTERS, _PLOT_HEIGHT)
        for y, (_, words, look) in zip(places, values, strict=True):
            parts.append(svg.text(x, _TOP + y + 4, words.replace("-", "\N{MINUS SIGN}"), look, size=11))
        return parts


def measure(gate: Gate) -> str:
    """What the intervals of a gate are about, and what is allowed."""
    if gate.metric == "latency_quantile":
        quantile = quantile_of(gate)
        if gate.margin is None:
            return f"share of requests beyond {gate.max:g} ms; at most {1 - quantile:.2g}"
        return f"extra share beyond the champion's p{quantile * 100:g} + {gate.margin:g} ms; at most 0"
    if gate.on_machine:
        return f"per cent of the instance; {gate.limit_text}"
    what = f"share over {gate.threshold:g} ms; " if gate.metric == "latency" else ""
    return f"{what}{gate.limit_text}"


def apart(wanted: Sequence[float], gap: float, most: float) -> list[float]:
    """Places from 0 to ``most`` near those that are wanted, and at least ``gap`` from each other."""
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    places = [0.0] * len(wanted)
    free = 0.0
    for number in order:
        places[number] = max(wanted[number], free)
        free = places[number] + gap
    free = most
    for number in reversed(order):
        places[number] = min(places[number], free)
        free = places[number] - gap
    return places
