"""What a card is made of, before it is drawn as HTML or Markdown: words, facts, tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Look = Literal["pass", "fail", "inconclusive"]

#: Rows of a table on a card; the rest is in the records.
MOST_ROWS = 50


@dataclass(frozen=True)
class Code:
    """A hash, a name or a path."""

    text: str


@dataclass(frozen=True)
class Toned:
    """Words in the colour of an outcome."""

    text: str
    look: Look


Cell = str | Code | Toned


@dataclass(frozen=True)
class Words:
    """A paragraph; a note is in a quieter colour."""

    text: str
    note: bool = False


@dataclass(frozen=True)
class Missing:
    """Nobody said or measured it: what, and where it would come from."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Facts:
    """Names, and what each one is."""

    pairs: Sequence[tuple[str, Cell]]


@dataclass(frozen=True)
class Table:
    """Rows under a head; so many last columns are ``numbers``."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numbers: int = 0


@dataclass(frozen=True)
class Picture:
    """An SVG and what it shows. Markdown has no place for it: a table beside it holds the numbers."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Pre:
    """Text or a command, as it is."""

    text: str


Block = Words | Missing | Facts | Table | Picture | Pre


@dataclass(frozen=True)
class Part:
    """One section of a card.

    :param key: name of the section, see :data:`~airflow_mlops.spec.governance.CardSection` and :mod:`.sections`.
    """

    key: str
    heading: str
    blocks: Sequence[Block]

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What is not said in it."""
        return tuple(one for one in self.blocks if isinstance(one, Missing))


@dataclass(frozen=True)
class Chapter:
    """Sections that belong together."""

    heading: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Document:
    """A whole card.

    :param verdict: its first line: a word and what it means.
    :param look: the colour of the verdict.
    """

    title: str
    subtitle: str
    verdict: tuple[str, str]
    look: Look
    chapters: Sequence[Chapter]
    footer: str

    @property
    def complete(self) -> str:
        """How many of the sections that tell something of the version lack nothing."""
        told = [part for part in self.parts if part.key not in ("summary", "annex")]
        return f"{sum(not part.missing for part in told)} of {len(told)} sections"

    @property
    def parts(self) -> tuple[Part, ...]:
        """All sections, in their order."""
        return tuple(part for chapter in self.chapters for part in chapter.parts)


def capped(
    caption: str, rows: Sequence[Sequence[Cell]], most: int = MOST_ROWS
) -> tuple[str, list[Sequence[Cell]]]:
    """The caption and the first rows; the caption says if there are more."""
    more = f" (the first {most} of {len(rows):,})" if len(rows) > most else ""
    return caption + more, list(rows[:most])
