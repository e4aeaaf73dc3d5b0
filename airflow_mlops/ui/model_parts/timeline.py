"""The deployment log as a timeline: which version answered when, what stood beside it, and what ended it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from airflow_mlops.core.card.pictures import dates
from airflow_mlops.core.drawing import svg
from airflow_mlops.core.drawing.chart import Legend, Plot, dot
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.places import Place, places, ruled
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import line, moment
from airflow_mlops.ui.model_parts.drawn import Drawing, drawn

#: The newest decisions that are drawn and listed: one rollout makes about four.
_MOST: Final = 60
_LONGEST: Final = 600
_LETTER: Final = 7.0
_LEAST_WIDTH: Final = 3.0

Row = Literal["champion", "canary", "shadow", "fallback"]
_ROWS: Final[tuple[Row, ...]] = ("champion", "canary", "shadow", "fallback")
_LOOKS: Final = {"champion": "good", "canary": "band", "shadow": "page", "fallback": "rule"}


@dataclass(frozen=True)
class Stretch:
    """Something served from one time to another.

    :param name: the version and its share, e.g. ``v3 10 %``.
    """

    row: Row
    name: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Decision:
    """An entry of the deployment log, in words."""

    number: int
    at: datetime
    action: str
    said: str
    who: str
    why: str


@dataclass(frozen=True)
class Timeline:
    """The newest decisions, newest first, and their picture. :param earlier: so many older ones are not shown."""

    decisions: tuple[Decision, ...]
    stretches: tuple[Stretch, ...]
    drawing: Drawing | None
    earlier: int


def timeline(entries: Sequence[tuple[int, Deployment]], now: datetime) -> Timeline:
    """The timeline until now. :param entries: of the deployment log with their numbers, oldest first."""
    shown = entries[-_MOST:]
    found = _stretches(shown, now)
    decisions = tuple(_decision(*one) for one in reversed(shown))
    backs = [in_utc(entry.at) for _, entry in shown if entry.action in ("rollback", "fallback")]
    drawing = drawn(lambda: _draw(found, backs, now), "Deployment timeline") if found else None
    return Timeline(decisions, tuple(found), drawing, len(entries) - len(shown))


def _stretches(entries: Sequence[tuple[int, Deployment]], now: datetime) -> list[Stretch]:
    """What served until now, in the order in which it began."""
    found = [Stretch(one.role, _name(one), one.since, one.until or now) for one in places(entries, now)]
    found += [Stretch("fallback", "rule", one.since, one.until or now) for one in ruled(entries)]
    # The clock of who wrote the newest entry may be ahead of ours.
    ended = [replace(one, until=max(one.since, one.until)) for one in found]
    return sorted(ended, key=lambda one: one.since)


def _name(place: Place) -> str:
    return f"v{place.version}" + (f" {place.weight * 100:.3g} %" if place.weight else "")


def _decision(number: int, entry: Deployment) -> Decision:
    return Decision(
        number=number,
        at=entry.at,
        action="hold" if entry.held else "resume" if entry.control else entry.action,
        said=_said(entry),
        who=line(entry.who, 100),
        why=line(entry.why, _LONGEST),
    )


def _said(entry: Deployment) -> str:
    champion = "nobody" if entry.champion is None else f"v{entry.champion}"
    if entry.action == "fallback":
        return "the fallback rule answers" + ("" if entry.champion is None else f" for {champion}")
    if entry.action == "shadow":
        return f"v{entry.challenger} in shadow of {champion}"
    if entry.action == "canary":
        return f"v{entry.challenger} answers {entry.weight * 100:.3g} %, {champion} the rest"
    return f"{champion} answers alone"


def _draw(stretches: Sequence[Stretch], backs: Sequence[datetime], now: datetime) -> str:
    first = min(one.since for one in stretches)
    last = max([now, *(one.until for one in stretches)])
    length = max((last - first).total_seconds(), 1.0)
    rows = [row for row in _ROWS if any(one.row == row for one in stretches)]
    plot = Plot((-0.01 * length, 1.01 * length), (len(rows) - 0.5, -0.5), height=34 * len(rows), left=86)
    parts = plot.axes("time (UTC)", dates(first, length), [(place, "") for place in range(len(rows))])
    for place, row in enumerate(rows):
        parts.append(svg.text(plot.left - 10, plot.y(place) + 4, row, svg.fill("ink"), anchor="end"))
    for one in stretches:
        left = plot.x((one.since - first).total_seconds())
        width = max(plot.x((one.until - first).total_seconds()) - left, _LEAST_WIDTH)
        y = plot.y(rows.index(one.row))
        parts.append(svg.rect(left, y - 10, width, 20, svg.stroke("edge", 1.0, also=_LOOKS[one.row])))
        if _LETTER * len(one.name) + 6 <= width:
            parts.append(
                svg.text(left + width / 2, y + 4, one.name, svg.fill("ink"), anchor="middle", size=11)
            )
    for at in backs:
        parts.append(dot("cross", plot.x((at - first).total_seconds()), plot.y(0) - 12, "fail"))
    words = "; ".join(
        f"{one.row} {one.name} from {moment(one.since)} to {moment(one.until)}" for one in stretches
    )
    legend: Legend = (("cross", "fail", "rollback or fallback"),) if backs else ()
    return plot.document("Deployment timeline", words, parts, legend)
