"""What an expectation found, in the form that Great Expectations gives its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: So many unexpected values are kept as examples.
PARTIAL = 50


@dataclass(frozen=True)
class Found:
    """The result of one expectation.

    :param result: what was counted or observed, under the names of Great Expectations.
    :param exception_info: what was raised while it was evaluated.
    :param first: for an expectation that judges rows, the places (file, row) of the first bad rows.
    """

    success: bool
    result: Mapping[str, Any] = field(default_factory=dict)
    exception_info: Mapping[str, Any] = field(default_factory=dict)
    first: tuple[tuple[int, int], ...] = ()


def counted(total: int, considered: int | None, unexpected: int, examples: list[Any]) -> dict[str, Any]:
    """The result of an expectation that judges rows, as Great Expectations words it.

    :param total: all rows.
    :param considered: those that were judged; None where missing values are what is judged.
    """
    share_of_all = unexpected / total * 100 if total else None
    result: dict[str, Any] = {"element_count": total, "unexpected_count": unexpected}
    if considered is None:
        result["unexpected_percent"] = share_of_all
    else:
        share = unexpected / considered * 100 if considered else None
        result["unexpected_percent"] = result["unexpected_percent_nonmissing"] = share
        result["unexpected_percent_total"] = share_of_all
        result["missing_count"] = total - considered
        result["missing_percent"] = (total - considered) / total * 100 if total else None
    result["partial_unexpected_list"] = examples
    return result


def mostly_holds(judged: int, unexpected: int, mostly: float) -> bool:
    """Great Expectations' own rule: the share of good values, as a float, is at least ``mostly``."""
    return not judged or (float(judged) - float(unexpected)) / float(judged) >= mostly
