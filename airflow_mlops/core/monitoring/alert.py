"""Alerts: what people are told, once for one cause and not once for each column."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow_mlops.core.record import Record

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
]
Severity = Literal["info", "warning", "critical"]


class Alert(Record):
    """One thing that people should know about a model.

    :param title: what happened, in one line that names the model.
    :param how_bad: how bad it is, in numbers.
    :param since: since when it is so, as far as that is known.
    :param details: further lines, the most important first.
    :param link: where to look: an address of a page.
    :param next_step: what to do now.
    :param cause: what makes two alerts the same: an alert of the same kind and cause is not sent again while it lasts.
    """

    model: str
    kind: Kind
    severity: Severity
    title: str
    how_bad: str
    since: datetime | None = None
    details: tuple[str, ...] = ()
    link: str | None = None
    next_step: str
    cause: str = ""
    at: datetime

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        since = f"Since {self.since.isoformat(timespec='minutes')}" if self.since else None
        where = f"Look at {self.link}" if self.link else None
        lines = [
            f"{self.severity.upper()}: {self.title}",
            self.how_bad,
            since,
            *self.details,
            self.next_step,
            where,
        ]
        return "\n".join(line for line in lines if line)
