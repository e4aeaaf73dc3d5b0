"""What sensitive values look like, and when a column is believed to hold them.

Many ids are digits with one check digit, so one in ten order numbers of the right length passes as one. A form
therefore knows how often what is none passes by chance, and a column is believed only by what goes beyond that.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from airflow_mlops.spec.data import SensitiveKind

#: No sign before or after a piece that would make it part of something longer: a UUID, a price, a path, a version.
BEFORE = r"(?<![\w.,/+-])"
AFTER = r"(?:\.0)?(?![\w/-]|[.,]\d)"
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
#: Digits alone prove nothing by their form: the column has to pass at this level, a chance in ten thousand.
STRICT = 1e-4


class Verdict(IntEnum):
    """What a piece of text is: none, though it has the form; one, unless by chance; one."""

    NO = 0
    MAYBE = 1
    YES = 2


Piece = tuple[int, int, Verdict]


@dataclass(frozen=True)
class Form:
    """One form of one kind of sensitive data.

    :param find: the pieces of a text that have the form, each with what it is.
    :param chance: how often a piece that has the form and is none is ``MAYBE`` all the same.
    :param level: the largest chance at which that many ``MAYBE`` are believed.
    :param hinted: looked for only in columns whose name says what they hold.
    """

    kind: SensitiveKind
    label: str
    find: Callable[[str], Iterable[Piece]]
    chance: float = 0.0
    level: float = 1.0
    hinted: bool = False


@dataclass
class Seen:
    """How often a form was seen in a column, by verdict: different values, and rows."""

    values: list[int] = field(default_factory=lambda: [0, 0, 0])
    rows: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def believed(self, form: Form, hinted: bool) -> float:
        """Rows that are believed to hold one: those that are sure, and of the others what goes beyond chance.

        Different values are tested, for the same order number in a thousand rows passes a thousand times or never.
        The tail of the binomial distribution is bounded by Chernoff's n KL(k/n, chance), which errs towards none.

        :param hinted: the column's name says what it holds; then a value that passes is one.
        """
        no, maybe, yes = self.rows
        if hinted:
            return yes + maybe
        tried, passed = self.values[Verdict.NO] + self.values[Verdict.MAYBE], self.values[Verdict.MAYBE]
        if not passed or _tail(passed, tried, form.chance) > form.level:
            return yes
        return yes + max(0.0, maybe - form.chance * (no + maybe)) / (1.0 - form.chance)


def _tail(passed: int, tried: int, chance: float) -> float:
    """An upper bound of the chance that so many of so many pass."""
    share = passed / tried
    if share <= chance:
        return 1.0
    if chance == 0.0:
        return 0.0
    distance = share * math.log(share / chance)
    if share < 1.0:
        distance += (1 - share) * math.log((1 - share) / (1 - chance))
    return math.exp(-tried * distance)


def plain_text(text: str) -> str:
    """A text as its reader sees it: no invisible signs, one dash, full-width and other digits as ASCII."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).translate(_DASHES)
    return "".join(
        str(unicodedata.decimal(sign)) if sign.isdecimal() and not sign.isascii() else sign for sign in text
    )


def by_pattern(
    pattern: str, judge: Callable[[str], Verdict | None], flags: int = 0
) -> Callable[[str], Iterator[Piece]]:
    """Finds the pieces that match, and leaves out those that ``judge`` calls None: they do not have the form."""
    compiled = re.compile(pattern, flags)

    def find(text: str) -> Iterator[Piece]:
        for match in compiled.finditer(text):
            verdict = judge(match[0].removesuffix(".0"))
            if verdict is not None:
                yield match.start(), match.end(), verdict

    return find


def passes(valid: Callable[[str], bool]) -> Callable[[str], Verdict]:
    """A judge that says ``MAYBE`` of what is valid and ``NO`` of the rest."""
    return lambda piece: Verdict.MAYBE if valid(piece) else Verdict.NO


def look(text: str, forms: Iterable[tuple[int, Form]]) -> dict[int, Verdict]:
    """The best verdict of each form on a text; a piece that is one is none of another kind.

    :param forms: with their numbers, in the order in which they may claim a piece.
    """
    text = plain_text(text)
    found: dict[int, Verdict] = {}
    taken: list[tuple[int, int, SensitiveKind]] = []
    for number, form in forms:
        for start, end, verdict in form.find(text):
            if any(start < b and a < end and kind != form.kind for a, b, kind in taken):
                continue
            found[number] = max(found.get(number, Verdict.NO), verdict)
            if verdict is not Verdict.NO:
                taken.append((start, end, form.kind))
    return found
