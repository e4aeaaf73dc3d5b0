"""A card as one HTML page that needs nothing from outside and runs no script."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_mlops.core.card.blocks import (
    Block,
    Cell,
    Chapter,
    Code,
    Document,
    Facts,
    Missing,
    Part,
    Picture,
    Pre,
    Table,
    Toned,
    Words,
)
from airflow_mlops.core.drawing import html
from airflow_mlops.core.drawing.html import Markup
from airflow_mlops.core.wording import plain


def as_html(card: Document) -> str:
    """The page; the same card gives the same text."""
    word, told = card.verdict
    verdict = html.tag("p", html.join([html.tag("strong", word), told]), class_=f"verdict {card.look}")
    subtitle = [html.tag("p", card.subtitle, class_="note")] if card.subtitle else []
    head = html.tag("header", html.tag("h1", f"Model card: {card.title}"), *subtitle, verdict)
    body = html.tag("main", html.join(_chapter(one) for one in card.chapters))
    foot = html.tag("footer", html.tag("p", card.footer, class_="note"))
    contents = html.contents(one.heading for one in card.chapters)
    return html.page(f"Model card: {card.title}", head, contents, body, foot)


def blocks_as_html(blocks: Iterable[Block]) -> Markup:
    """Some blocks, to stand in another page: whatever comes from data is escaped, and no style stands in it."""
    return html.join(_block(block) for block in blocks)


def _chapter(chapter: Chapter) -> Markup:
    alone = len(chapter.parts) == 1
    return html.section(chapter.heading, *(_part(part, alone) for part in chapter.parts))


def _part(part: Part, alone: bool) -> Markup:
    heading = [] if alone else [html.tag("h3", part.heading, id=html.anchor(f"card {part.key}"))]
    return html.join([*heading, blocks_as_html(part.blocks)])


def _block(block: Block) -> Markup:
    if isinstance(block, Words):
        return html.tag("p", block.text, class_="note") if block.note else html.tag("p", block.text)
    if isinstance(block, Missing):
        what = html.join([html.tag("strong", f"{block.what}."), f"To fill it: {block.remedy}."])
        return html.tag("p", what, class_="verdict")
    if isinstance(block, Facts):
        return html.listing((name, _cell(what)) for name, what in block.pairs)
    if isinstance(block, Picture):
        return html.figure(block.svg, block.caption)
    if isinstance(block, Pre):
        lines = Markup("\n".join(html.text(plain(one)) for one in block.text.splitlines()))
        return html.tag("pre", html.tag("code", lines), tabindex="0")
    return _table(block)


def _table(table: Table) -> Markup:
    rows = [
        [
            _cell(row[0]),
            *(_as_td(one, place >= len(table.head) - table.numbers) for place, one in enumerate(row[1:], 1)),
        ]
        for row in table.rows
    ]
    return html.table(table.caption, table.head, rows, numbers=table.numbers)


def _as_td(cell: Cell, is_number: bool) -> Markup:
    if isinstance(cell, Toned):
        return html.cell(cell.text, cell.look)
    return html.cell(_cell(cell), "n" if is_number else "t")


def _cell(cell: Cell) -> Markup:
    if isinstance(cell, Code):
        return html.tag("code", cell.text)
    if isinstance(cell, Toned):
        return html.tag("span", html.tag("strong", cell.text), class_=cell.look)
    return html.text(cell)
