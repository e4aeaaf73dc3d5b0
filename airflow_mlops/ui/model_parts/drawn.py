"""Pictures for the templates: SVG that stands in the page, or a line where there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from airflow_mlops.core.drawing import svg
from airflow_mlops.core.drawing.chart import WIDTH


@dataclass(frozen=True)
class Drawing:
    """A picture. :param markup: safe SVG: :mod:`airflow_mlops.core.drawing.svg` has escaped what stands in it."""

    title: str
    markup: Markup


def drawn(draw: Callable[[], str], title: str) -> Drawing | None:
    """What a function of ``core`` draws; None where the numbers are such that none can be drawn."""
    try:
        return Drawing(title, Markup(draw()))  # noqa: S704 - its texts were escaped where it was drawn
    except (ArithmeticError, ValueError, IndexError):
        return None


def picture(
    parts: Callable[[], tuple[Sequence[str], int]], title: str, words: Callable[[], str]
) -> Drawing | None:
    """A picture of some parts and their height, to stand in the page."""

    def draw() -> str:
        found, height = parts()
        return svg.document(WIDTH, height, title, words(), found, alone=False)

    return drawn(draw, title)
