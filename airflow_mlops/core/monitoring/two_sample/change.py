"""What a test of two samples found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One test of one column.

    :param p_value: of a difference as large without any change, 0 to 1.
    :param effect: the difference as a share of the rows, 0 to 1.
    :param reference, current: the shares of rows behind it on both sides.
    :param where: which rows these are, e.g. ``above 74``.
    """

    p_value: float
    effect: float
    reference: float
    current: float
    where: str
