"""Elements of an SVG that is read in light and dark pages, by people who tell few colours apart, and by machines.

Everything is said by attributes, for a light page; the style sheet only changes colours on a dark one, so a reader
without style sheets loses nothing. Nothing has an id, and classes have a prefix: a page may hold many pictures.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from html import escape

from airflow_mlops.core.gates import Outcome
from airflow_mlops.core.wording import plain

#: Colour on a light page, and on a dark one, by role. Green and red after Okabe & Ito, "Color universal design", 2008.
_COLOURS = {
    "page": ("#ffffff", "#16191d"),
    "ink": ("#1c2126", "#e8ebee"),
    "muted": ("#59626b", "#a4adb6"),
    "rule": ("#d9dee3", "#343b43"),
    "good": ("#e3f4ee", "#173229"),
    "band": ("#9cc6e6", "#2f5f85"),
    "edge": ("#0072b2", "#6bbcf0"),
    "pass": ("#009e73", "#2cc79a"),
    "fail": ("#d55e00", "#ff8f45"),
    "inconclusive": ("#59626b", "#a4adb6"),
}
_FAR = 1e5
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def dark() -> str:
    """The style sheet of a dark page."""
    rules = "".join(
        f".am-{role}{{fill:{dark}}}.am-{role}-line{{stroke:{dark}}}" for role, (_, dark) in _COLOURS.items()
    )
    return f"@media screen and (prefers-color-scheme:dark){{{rules}}}"


def either() -> str:
    """The style sheet of a page that may be switched between light and dark, by its ``color-scheme``."""
    return "\n".join(
        f".am-{role}{{fill:light-dark({light},{dark})}}.am-{role}-line{{stroke:light-dark({light},{dark})}}"
        for role, (light, dark) in _COLOURS.items()
    )


def document(
    width: int, height: int, title: str, description: str, parts: Iterable[str], *, alone: bool = True
) -> str:
    """A whole picture on a ground of the page's colour.

    :param description: what it shows, in words, for who can't see it.
    :param alone: with the style sheet of :func:`dark`; without, the page that it stands in has it, once for all
        pictures.
    """
    box = f'role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="{FONT}">',
            f"<title>{safe(title)}</title>",
            f"<desc>{safe(description)}</desc>",
            *([f"<style>{dark()}</style>"] if alone else []),
            rect(0, 0, width, height, fill("page")),
            *parts,
            "</svg>",
        ]
    )


def fill(role: str) -> str:
    """Attributes that fill a shape."""
    return f'class="am-{role}" fill="{_COLOURS[role][0]}"'


def stroke(role: str, width: float = 1.0, *, also: str = "") -> str:
    """Attributes that draw a line. :param also: role that fills the shape; none without."""
    filled = (
        f'class="am-{role}-line am-{also}" fill="{_COLOURS[also][0]}"'
        if also
        else f'class="am-{role}-line" fill="none"'
    )
    return f'{filled} stroke="{_COLOURS[role][0]}" stroke-width="{width:g}"'


def safe(text: str) -> str:
    """Plain text, escaped."""
    return escape(plain(text))


def lines(text: str, width: int, most: int = 1) -> list[str]:
    """Plain text in at most ``most`` lines of ``width`` characters; where it is cut off stands an ellipsis."""
    found = textwrap.wrap(plain(text), width)
    if len(found) > most:
        found[most - 1] = f"{found[most - 1][: width - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"
    return found[:most]


def place(pixels: float) -> str:
    """A coordinate, to a tenth of a pixel; what is far outside of the picture stays outside of it."""
    return f"{min(max(pixels, -_FAR), _FAR) + 0.0:.1f}".replace("-0.0", "0.0")


def points(corners: Iterable[tuple[float, float]]) -> str:
    """Corners of a polygon or a line."""
    return " ".join(f"{place(x)},{place(y)}" for x, y in corners)


def rect(x: float, y: float, width: float, height: float, look: str) -> str:
    """A rectangle."""
    return f'<rect x="{place(x)}" y="{place(y)}" width="{place(width)}" height="{place(height)}" {look}/>'


def line(x1: float, y1: float, x2: float, y2: float, look: str) -> str:
    """A straight line."""
    return f'<line x1="{place(x1)}" y1="{place(y1)}" x2="{place(x2)}" y2="{place(y2)}" {look}/>'


def text(
    x: float, y: float, words: str, look: str, *, anchor: str = "start", size: int = 12, bold: bool = False
) -> str:
    """One line of text."""
    weight = ' font-weight="600"' if bold else ""
    at = f'x="{place(x)}" y="{place(y)}" text-anchor="{anchor}"'
    return f'<text {at} font-size="{size}"{weight} {look}>{safe(words)}</text>'


def mark(outcome: Outcome, x: float, y: float) -> str:
    """A tick in a disc, a cross or an empty diamond; each with the page's colour around it."""
    at = f'<g transform="translate({place(x)} {place(y)})">'
    if outcome == "pass":
        tick = f'<path d="M-3 0.2l2.2 2.3L3.2 -2.4" {stroke("page", 1.8)}/>'
        return f'{at}<circle r="6.5" {stroke("page", 1.5, also="pass")}/>{tick}</g>'
    if outcome == "fail":
        cross = "M-5 -5L5 5M-5 5L5 -5"
        return f'{at}<path d="{cross}" {stroke("page", 6.5)}/><path d="{cross}" {stroke("fail", 3.4)}/></g>'
    return f'{at}<path d="M0 -5.5L5.5 0L0 5.5L-5.5 0Z" {stroke("inconclusive", 2.0, also="page")}/></g>'
