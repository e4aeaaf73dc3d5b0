"""What a check found, in one line."""

from __future__ import annotations

from typing import Literal

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.record import Record

State = Literal["ok", "warning", "problem"]


class Finding(Record):
    """One line of what was looked at.

    :param check: what was looked at, in a word.
    :param state: ``problem`` keeps something from working; ``warning`` may, or will.
    :param found: what was found.
    :param expected: what would be right; None where all is.
    :param remedy: what to do; None where there is nothing to do.
    """

    check: str
    state: State
    found: str
    expected: str | None = None
    remedy: str | None = None

    @property
    def said(self) -> str:
        """All of it but the check's name and the state, in one line."""
        expected = f"expected {self.expected}" if self.expected else None
        text = "; ".join(part for part in (self.found, expected, self.remedy) if part)
        return "".join(sign if sign.isprintable() else " " for sign in text)


def ok(check: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(check=check, state="ok", found=found)


def warning(check: str, found: str, expected: str | None = None, remedy: str | None = None) -> Finding:
    """It works, but somebody should know."""
    return Finding(check=check, state="warning", found=found, expected=expected, remedy=remedy)


def problem(check: str, found: str, expected: str | None = None, remedy: str | None = None) -> Finding:
    """Something does not work."""
    return Finding(check=check, state="problem", found=found, expected=expected, remedy=remedy)


def of_error(check: str, error: MlopsError) -> Finding:
    """The problem that an error of ours tells of."""
    given = f" ({error.given})" if error.given is not None else ""
    expected = None if error.expected is None else str(error.expected)
    return problem(check, f"{error.problem}{given}", expected, error.remedy)
