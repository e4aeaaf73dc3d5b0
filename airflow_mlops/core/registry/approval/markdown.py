"""Markdown that shows what it was given as text: no name from data becomes a link, a picture or a tag.

For GitHub-flavoured Markdown (CommonMark 0.31, GFM 0.29), which Airflow's pages show without raw HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from airflow_mlops.core.wording import plain

_LONGEST = 300
#: Signs that mean something within a line; a backslash takes the meaning away (CommonMark, 2.4).
_SIGNS = re.compile(r"([\\`*_\[\]<>|~&#!$])")
#: What makes a line a list, a heading or a rule when it stands at its start.
_START = re.compile(r"^([-+=](?!\d)|\d+(?=[.)](?:\s|$)))")
#: What GFM makes a link without being asked; a backslash does not help, a sign of no width within does.
_LINKS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
_NO_WIDTH = "\N{WORD JOINER}"


def text(value: object) -> str:
    """Any value as one line of text that means nothing to Markdown."""
    line = " ".join(plain(str(value)).split())
    line = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
    line = _LINKS.sub(_NO_WIDTH, _SIGNS.sub(r"\\\1", line))
    start = _START.match(line)
    if start is None:
        return line
    return f"\\{line}" if not start[1].isdigit() else f"{start[1]}\\{line[start.end() :]}"


def code(value: object) -> str:
    """One line in the letters of code; nothing within is Markdown."""
    line = " ".join(plain(str(value)).split())
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{space}{line}{space}{fence}"


def section(title: str, *parts: str) -> str:
    """A heading and what stands under it; nothing where there is nothing."""
    given = [part for part in parts if part]
    return "\n\n".join([f"## {title}", *given]) if given else ""


def bullets(lines: Iterable[str]) -> str:
    """A list of lines that are Markdown."""
    return "\n".join(f"- {line}" for line in lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown; nothing without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines])


def limited(body: str, most: int, note: str) -> str:
    """The text in at most so many bytes of UTF-8; where it was longer, whole lines of it and ``note``."""
    data = body.encode()
    if len(data) <= most:
        return body
    ending = f"\n\n{note}\n"
    kept = data[: most - len(ending.encode())]
    return kept[: kept.rfind(b"\n")].decode().rstrip() + ending
