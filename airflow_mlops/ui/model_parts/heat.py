"""Drift as a heat map: how far each feature had moved from the training data at each of the newest looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from airflow_mlops.core.drawing import svg
from airflow_mlops.core.drawing.chart import WIDTH, dot
from airflow_mlops.core.gates import Outcome as Mark
from airflow_mlops.core.monitoring.look import Look
from airflow_mlops.core.monitoring.report import DriftReport, Outcome
from airflow_mlops.core.overview.model_records import ModelRecords
from airflow_mlops.core.wording import day, line
from airflow_mlops.ui.model_parts.drawn import Drawing, picture

#: Looks and features of the map: those that moved most.
LOOKS, _FEATURES = 30, 25
_LEFT, _TOP, _CELL, _FITTING = 190, 40, 22, 25
_RIGHT = 16
_MARKS: Final[dict[Outcome, Mark]] = {"stable": "pass", "drift": "fail", "inconclusive": "inconclusive"}
#: Shades by how much a feature moved, as a share of the rows: from here on.
_SHADES: Final = ((0.5, 1.0), (0.3, 0.75), (0.2, 0.55), (0.1, 0.38), (0.05, 0.22), (0.0, 0.1))


@dataclass(frozen=True)
class Cell:
    """A feature at a look. :param effect: how far it had moved, as a share of the rows."""

    effect: float
    drifted: bool
    said: str


@dataclass(frozen=True)
class DriftDigest:
    """What the map needs of a report. :param page: hash of the stored page, None without one."""

    cells: dict[str, Cell]
    importance: dict[str, float]
    reason: str
    rows: int
    page: str | None


@dataclass(frozen=True)
class LookRow:
    """A look in words. :param number: its place in the log, from 1."""

    number: int
    at: datetime
    since: datetime
    until: datetime
    champion: int | None
    outcome: Outcome
    said: str
    rows: int | None
    failed_gates: tuple[str, ...]
    decision: str
    retrain: bool
    drift_page: str | None
    performance_page: str | None


@dataclass(frozen=True)
class HeatMap:
    """The map.

    :param features: names of its rows, what drifted most often first; ``left_out``: so many more are not shown.
    :param looks: oldest first, as its columns; ``cells``: for each feature one for each look, None where it was not
        compared.
    """

    features: tuple[str, ...]
    looks: tuple[LookRow, ...]
    cells: tuple[tuple[Cell | None, ...], ...]
    left_out: int
    drawing: Drawing | None


def digest(report: DriftReport) -> DriftDigest:
    """What the map needs of a report."""
    compared = [one for one in report.columns if one.movements]
    return DriftDigest(
        cells={
            one.column: Cell(one.effect, one.drifted, line(one.movements[0].said, 200)) for one in compared
        },
        importance={one.column: one.importance for one in compared},
        reason=line(report.reason, 300),
        rows=report.rows,
        page=report.report_html,
    )


def heat_map(
    records: ModelRecords, looks: Sequence[Look], performance_pages: dict[str, str | None]
) -> HeatMap | None:
    """The map of the newest looks; None before the first one.

    :param performance_pages: hashes of the stored pages of performance reports, by the report's own.
    """
    shown = list(looks[-LOOKS:])
    if not shown:
        return None
    found = records.blobs([look.drift for look in shown], DriftReport, "drift report", digest)
    digests = [found.get(look.drift) for look in shown]
    first = len(looks) - len(shown) + 1
    rows = tuple(
        _look(first + place, look, one, performance_pages)
        for place, (look, one) in enumerate(zip(shown, digests, strict=True))
    )
    names = _ranked([one for one in digests if one is not None])
    features = tuple(names[:_FEATURES])
    cells = tuple(
        tuple(one.cells.get(name) if one is not None else None for one in digests) for name in features
    )
    heat = HeatMap(features, rows, cells, len(names) - len(features), None)
    drawing = picture(lambda: _draw(heat), "Drift by feature and look", lambda: _words(heat))
    return HeatMap(features, rows, cells, heat.left_out, drawing if features else None)


def _look(number: int, look: Look, found: DriftDigest | None, pages: dict[str, str | None]) -> LookRow:
    return LookRow(
        number=number,
        at=look.at,
        since=look.since,
        until=look.until,
        champion=look.champion,
        outcome=look.outcome,
        said=found.reason if found else "its report can't be read",
        rows=found.rows if found else None,
        failed_gates=tuple(line(one, 100) for one in look.failed_gates),
        decision=line(look.decision.said, 600),
        retrain=look.decision.retrain,
        drift_page=found.page if found else None,
        performance_page=pages.get(look.performance or ""),
    )


def _ranked(digests: Sequence[DriftDigest]) -> list[str]:
    """All features: what drifted most often first, then what matters most to the model."""
    drifted: dict[str, int] = {}
    weight: dict[str, float] = {}
    for one in digests:
        for name, cell in one.cells.items():
            drifted[name] = drifted.get(name, 0) + cell.drifted
            weight[name] = max(weight.get(name, 0.0), one.importance[name])
    return sorted(drifted, key=lambda name: (-drifted[name], -weight[name], name))


def _draw(heat: HeatMap) -> tuple[list[str], int]:
    width = min(44.0, (WIDTH - _LEFT - _RIGHT) / len(heat.looks))
    bottom = _TOP + _CELL * len(heat.features)
    parts = [svg.text(_LEFT - 10, _TOP - 14, "outcome", svg.fill("muted"), anchor="end", size=11)]
    for place, look in enumerate(heat.looks):
        parts.append(svg.mark(_MARKS[look.outcome], _LEFT + width * (place + 0.5), _TOP - 18))
    for row, (name, cells) in enumerate(zip(heat.features, heat.cells, strict=True)):
        y = _TOP + _CELL * row
        words = (svg.lines(name, _FITTING) or [""])[0]
        parts.append(svg.text(_LEFT - 10, y + 15, words, svg.fill("ink"), anchor="end"))
        for place, cell in enumerate(cells):
            parts += _cell(cell, _LEFT + width * place, y, width)
    return [*parts, *_times(heat, width, bottom), *_legend(bottom + 46)], bottom + 62


def _cell(cell: Cell | None, x: float, y: float, width: float) -> list[str]:
    if cell is None:
        return [
            svg.line(x + width / 2 - 3, y + _CELL / 2, x + width / 2 + 3, y + _CELL / 2, svg.stroke("muted"))
        ]
    shade = next(share for least, share in _SHADES if cell.effect >= least)
    look = f'{svg.fill("edge")} fill-opacity="{shade:g}"'
    parts = [svg.rect(x + 1, y + 1, width - 2, _CELL - 2, look)]
    if cell.drifted:
        parts.append(svg.rect(x + 1, y + 1, width - 2, _CELL - 2, svg.stroke("fail", 2.0)))
        parts.append(dot("cross", x + width / 2, y + _CELL / 2, "ink"))
    return parts


def _times(heat: HeatMap, width: float, bottom: float) -> list[str]:
    """The times of some looks, so many as fit."""
    same_day = len({day(look.until) for look in heat.looks}) < len(heat.looks)
    form, letters = ("%d %b %H:%M", 12) if same_day else ("%d %b", 6)
    every = max(1, -(-letters * 7 // max(1, int(width))))
    return [
        svg.text(_LEFT + width * (place + 0.5), bottom + 17, f"{look.until:{form}}", svg.fill("muted"), anchor="middle",
                 size=11)
        for place, look in enumerate(heat.looks)
        if (len(heat.looks) - 1 - place) % every == 0
    ]  # fmt: skip


def _legend(y: float) -> list[str]:
    parts, x = [svg.text(_LEFT, y, "moved by", svg.fill("muted"), size=11)], _LEFT + 58.0
    for (least, _), words in zip(reversed(_SHADES), ("0", "0.05", "0.1", "0.2", "0.3", "0.5"), strict=True):
        parts += _cell(Cell(least, False, ""), x, y - 15, 22)
        parts.append(svg.text(x + 26, y, words, svg.fill("muted"), size=11))
        x += 58
    parts += _cell(Cell(0.2, True, ""), x, y - 15, 22)
    return [*parts, svg.text(x + 27, y, "drifted", svg.fill("muted"), size=11)]


def _words(heat: HeatMap) -> str:
    told = []
    for name, cells in zip(heat.features, heat.cells, strict=True):
        count = sum(cell is not None and cell.drifted for cell in cells)
        told.append(f"{name} drifted at {count} of {len(cells)} looks")
    return "; ".join(told)
