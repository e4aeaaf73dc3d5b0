"""The evidence of a stage over time as one SVG: a panel per gate with its confidence sequence and its limit."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from airflow_mlops.core.drawing import svg
from airflow_mlops.core.drawing.axes import Interval
from airflow_mlops.core.gates import GateResult, Outcome
from airflow_mlops.core.rollout.panel import EDGE, FITTING, HEIGHT, WIDTH, Moment, Panel
from airflow_mlops.core.rollout.trace import Point, Trace
from airflow_mlops.core.rollout.verdict import Decision, Verdict

_FITTING_TITLE = 76
_LINE = 16
_MARK_OF: dict[Decision, Outcome] = {
    "PROMOTE": "pass",
    "ROLLBACK": "fail",
    "CONTINUE": "inconclusive",
    "INCONCLUSIVE": "inconclusive",
}


def draw(trace: Trace, verdict: Verdict, title: str) -> bytes:
    """Draw how the evidence of each gate grew until the verdict.

    A panel shows the band between the bounds of a gate, valid at all times at once, and its limit as a dashed
    line; the side that is good enough is shaded. Where the outcome changed there is a mark: a tick for passed, a cross
    for failed. The picture needs nothing from outside and suits light and dark pages. The same input gives the same
    bytes.

    :param verdict: on the gates of the trace, in their order, and then on those of the machine, each with its series.
    :param title: one line, e.g. model, version and stage.
    """
    panels = _panels(trace, verdict)
    head, top = _head(verdict, title)
    height = top + len(panels) * HEIGHT
    words = " ".join([f"{verdict.decision} in {verdict.stage}.", *(panel.in_words() for panel in panels)])
    drawn = [panel.draw(top + number * HEIGHT) for number, panel in enumerate(panels)]
    return f"{svg.document(WIDTH, height, title, words, [*head, *drawn])}\n".encode()


def _panels(trace: Trace, verdict: Verdict) -> list[Panel]:
    times = _times(trace.points)
    requests, machine = verdict.gates[: len(trace.limits)], verdict.gates[len(trace.limits) :]
    ends = [*times[-1:], *(series[-1][0] for series in trace.series.values() if series)]
    longest = max(ends, default=0.0) or 1.0
    return [
        *(
            Panel(result, limit, _moments(trace.points, times, number), longest)
            for number, (result, (_, limit)) in enumerate(zip(requests, trace.limits, strict=True))
        ),
        *(Panel(result, float(result.limit or 0.0), _measured(trace, result), longest) for result in machine),
    ]


def _measured(trace: Trace, result: GateResult) -> tuple[Moment, ...]:
    """What a machine's instruments said: no interval, so both bounds are the value; the newest has the outcome."""
    kept = trace.series.get(result.gate.metric, ())
    return tuple(
        Moment(at, (value, value), result.outcome if number == len(kept) else "inconclusive")
        for number, (at, value) in enumerate(kept, start=1)
    )


def _times(points: Sequence[Point]) -> list[float]:
    """When each point was known: late records may be of an earlier time, but nobody had them then."""
    times: list[float] = []
    for point in points:
        times.append(max(point.elapsed, times[-1] if times else 0.0))
    return times


def _moments(points: Sequence[Point], times: Sequence[float], number: int) -> tuple[Moment, ...]:
    return tuple(
        Moment(at, _finite(point.intervals[number]), point.outcomes[number])
        for at, point in zip(times, points, strict=True)
    )


def _finite(interval: Interval | None) -> Interval | None:
    return interval if interval is not None and all(map(math.isfinite, interval)) else None


def _head(verdict: Verdict, title: str) -> tuple[list[str], int]:
    """Title, decision, what else the verdict says, and the legend; and where they end."""
    samples = verdict.counts.get("samples", 0)
    words = f"{verdict.decision} in {verdict.stage}: {samples:,} samples, alpha {verdict.alpha:g}"
    parts = [
        *(
            svg.text(EDGE, 34, one, svg.fill("ink"), size=18, bold=True)
            for one in svg.lines(title, _FITTING_TITLE)
        ),
        svg.mark(_MARK_OF[verdict.decision], EDGE + 7, 55),
        svg.text(EDGE + 22, 60, words, svg.fill("ink"), size=14, bold=True),
    ]
    y = 62
    for one in svg.lines(_own_words(verdict), FITTING, 2):
        y += _LINE
        parts.append(svg.text(EDGE, y + 2, one, svg.fill("muted")))
    return [*parts, *_legend(y + 28)], y + 52


def _own_words(verdict: Verdict) -> str:
    """The reason of the verdict without those of its gates: they stand in the panels."""
    rest = verdict.reason
    for reason in sorted({gate.reason for gate in verdict.gates if gate.reason}, key=len, reverse=True):
        rest = rest.replace(reason, "")
    return re.sub(r"([:;])( ?;)+", r"\1", rest).strip(" :;")


def _legend(y: int) -> list[str]:
    def words(x: int, text: str) -> str:
        return svg.text(x, y, text, svg.fill("muted"), size=11)

    return [
        svg.rect(EDGE, y - 10, 22, 11, svg.stroke("edge", also="band")),
        words(EDGE + 28, "confidence sequence"),
        svg.line(EDGE + 190, y - 4, EDGE + 212, y - 4, svg.stroke("ink", 1.5) + ' stroke-dasharray="5 4"'),
        words(EDGE + 218, "limit"),
        svg.rect(EDGE + 276, y - 10, 22, 11, svg.stroke("rule", also="good")),
        words(EDGE + 304, "good enough"),
        svg.mark("pass", EDGE + 412, y - 4),
        words(EDGE + 424, "passed"),
        svg.mark("fail", EDGE + 494, y - 4),
        words(EDGE + 506, "failed"),
        svg.mark("inconclusive", EDGE + 568, y - 4),
        words(EDGE + 580, "undecided"),
    ]
