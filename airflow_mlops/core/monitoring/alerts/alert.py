"""Alerts: what people are told, once for one cause and not once for each column."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator

from airflow_mlops.core.record import Record
from airflow_mlops.core.wording import moment, plain

Kind = Literal[
    "drift",
    "decay",
    "blocked release",
    "rollback",
    "fallback",
    "unhealthy",
    "missing labels",
    "stale data",
    "late release",
    "retraining",
    "approval",
]
Severity = Literal["info", "warning", "critical"]
#: new: told for the first time; worse: than it was told before; lasting: told again; resolved: the cause is gone.
State = Literal["new", "worse", "lasting", "resolved"]
#: From the least to the most.
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
_LONGEST = 300
_MOST_LINES = 20
_MOST_NAMES = 100


def _line(value: Any) -> Any:
    """One line that can be read: names of columns and categories come from data, and may hold anything."""
    if not isinstance(value, str):
        return value
    line = plain(value)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _few(most: int) -> BeforeValidator:
    return BeforeValidator(lambda value: tuple(value)[:most])


Line = Annotated[str, BeforeValidator(_line)]


class Alert(Record):
    """One thing that people should know about a model.

    :param title: what happened, in one line that names the model.
    :param how_bad: how bad it is, in numbers.
    :param since: since when it is so, as far as that is known.
    :param details: further lines, the most important first.
    :param link: where to look: an address of a page.
    :param next_step: what to do now.
    :param cause: what makes two alerts the same: an alert of the same kind and cause is not sent again while it lasts.
    :param about: names of what it is about: columns, gates, inputs. One that was not told before is news.
    :param lasts: a state, which lasts until its cause is gone; else something that happened once.
    :param at: when it was found.
    """

    model: str
    kind: Kind
    severity: Severity
    state: State = "new"
    title: Line
    how_bad: Line
    since: datetime | None = None
    details: Annotated[tuple[Line, ...], _few(_MOST_LINES)] = ()
    link: str | None = None
    next_step: Line
    cause: str = ""
    about: Annotated[tuple[Line, ...], _few(_MOST_NAMES)] = ()
    lasts: bool = True
    at: datetime

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        where = f"Look at {self.link}" if self.link else None
        lines = [self.headline, self.how_bad, self.since_text, *self.details, self.next_step, where]
        return "\n".join(line for line in lines if line)

    @property
    def headline(self) -> str:
        """Severity and title; the state of what was told before."""
        state = {"new": "", "worse": " (worse)", "lasting": " (lasts)", "resolved": " (resolved)"}[self.state]
        return f"{self.severity.upper()}{state}: {self.title}"

    @property
    def since_text(self) -> str:
        """Since when, in words; empty where nobody knows."""
        return f"Since {moment(self.since)}" if self.since else ""


class Found(NamedTuple):
    """What one task found.

    :param alerts: all that is so now, told before or not; at most one of a kind.
    :param judged: kinds that this task could judge. An alert of such a kind that was told before and isn't among
        ``alerts`` any more is over.
    """

    alerts: tuple[Alert, ...] = ()
    judged: frozenset[Kind] = frozenset()

    def __or__(self, other: object) -> Found:
        """Both together."""
        if not isinstance(other, Found):
            return NotImplemented
        return Found((*self.alerts, *other.alerts), self.judged | other.judged)


def judged(alert: Alert | None, kind: Kind) -> Found:
    """A kind that was judged, with its alert where there is one."""
    return Found((alert,) if alert else (), frozenset({kind}))
