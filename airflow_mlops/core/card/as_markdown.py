"""A card as GitHub-flavoured Markdown. Pictures have no place in it: the tables beside them hold their numbers."""

from __future__ import annotations

import re

from airflow_mlops.core.card.blocks import (
    Block,
    Cell,
    Code,
    Document,
    Facts,
    Missing,
    Part,
    Pre,
    Table,
    Toned,
    Words,
)
from airflow_mlops.core.wording import plain

#: What means something within a line; underscores within words do not.
_SIGNS = re.compile(r"[\\`*{}\[\]|~#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
#: What GitHub would make a link of, though nobody wrote one.
_LINKS = re.compile(r"(?i)(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)")
#: What means something at the start of a line: a list, a number, a rule.
_STARTS = re.compile(r"^(\d+)([.)])|^([-+=])")


def as_markdown(card: Document) -> str:
    """The text; the same card gives the same one."""
    word, told = card.verdict
    lines = [f"# Model card: {escaped(card.title)}", ""]
    if card.subtitle:
        lines += [_paragraph(card.subtitle), ""]
    lines += [f"> **{escaped(word)}** {escaped(told)}", ""]
    for chapter in card.chapters:
        lines += [f"## {escaped(chapter.heading)}", ""]
        for part in chapter.parts:
            lines += _part(part, alone=len(chapter.parts) == 1)
    return "\n".join([*lines, "---", "", _paragraph(card.footer), ""])


def escaped(text: str) -> str:
    """Plain text on one line, in which nothing means anything to Markdown or HTML."""
    words = "".join(_ENTITIES.get(sign, sign) for sign in plain(text))
    words = _SIGNS.sub(lambda found: f"\\{found.group()}", words)
    return _LINKS.sub(lambda found: f"{found[1] or found[3]}\\{found[2] or found[4]}", words)


def _part(part: Part, *, alone: bool) -> list[str]:
    lines = [] if alone else [f"### {escaped(part.heading)}", ""]
    for block in part.blocks:
        drawn = _block(block)
        if drawn:
            lines += [*drawn, ""]
    return lines


def _block(block: Block) -> list[str]:
    if isinstance(block, Words):
        return [_paragraph(block.text)]
    if isinstance(block, Missing):
        return [f"> **{escaped(block.what)}.** To fill it: {escaped(block.remedy)}."]
    if isinstance(block, Facts):
        return [f"- **{escaped(name)}**: {_cell(what)}" for name, what in block.pairs]
    if isinstance(block, Table):
        return _table(block)
    return _fenced(block) if isinstance(block, Pre) else []


def _table(table: Table) -> list[str]:
    first = len(table.head) - table.numbers
    rule = " | ".join("---:" if place >= first else "---" for place in range(len(table.head)))
    return [
        f"*{escaped(table.caption)}*",
        "",
        f"| {' | '.join(map(escaped, table.head))} |",
        f"| {rule} |",
        *(f"| {' | '.join(map(_cell, row))} |" for row in table.rows),
    ]


def _fenced(block: Pre) -> list[str]:
    lines = [plain(line) for line in block.text.splitlines()]
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *lines, fence]


def _cell(cell: Cell) -> str:
    if isinstance(cell, Code):
        return _code(cell.text)
    if isinstance(cell, Toned):
        return f"**{escaped(cell.text)}**"
    return escaped(cell)


def _code(text: str) -> str:
    """A code span. A table is cut at pipes even there, and a backtick would end it: such text stands as it is."""
    words = plain(text)
    return f"`{words}`" if words and not set(words) & set("`|\\") else escaped(words)


def _paragraph(text: str) -> str:
    words = escaped(text)
    return _STARTS.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", words)
