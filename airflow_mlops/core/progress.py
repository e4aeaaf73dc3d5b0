"""Live progress: long work says one line per step to whoever listens."""

from __future__ import annotations

from collections.abc import Callable

#: Takes one line per step.
Progress = Callable[[str], None]


def ignore(line: str) -> None:
    """Nobody listens."""
