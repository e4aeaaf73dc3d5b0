"""From a result of Great Expectations to a record and the rows that are bad."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.validation.plain import shown
from airflow_mlops.core.validation.result import ExpectationResult
from airflow_mlops.core.validation.suite import Planned

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_EXAMPLES = 5


@dataclass(frozen=True)
class Outcome:
    """What an expectation found, and the positions of the rows that broke it, rising; none unless it
    failed.
    """

    result: ExpectationResult
    bad: npt.NDArray[np.int64]


def read_outcome(
    planned: Planned, raw: Any, kinds: Mapping[str, str], place: Callable[[int], str]
) -> Outcome:
    """Read one result. An expectation that could not be evaluated has failed: what was not tested does not
    pass.

    :param raw: GX's result; the list of unexpected rows is taken out of it.
    :param kinds: the type of each column.
    :param place: names the row at a position.
    """
    import numpy as np

    found = raw.result or {}
    listed = found.pop("unexpected_index_list", None) or ()
    found.pop("partial_unexpected_index_list", None)
    bad = np.unique(np.asarray([] if raw.success else listed, dtype=np.int64))
    examples: tuple[str, ...]
    problem = _exception(raw.exception_info or {})
    counted = problem is None and None not in (found.get("unexpected_count"), found.get("element_count"))
    share = found.get("unexpected_percent") if counted else None
    if problem is not None:
        kind = ", ".join(f"{name} is {kinds[name]}" for name in planned.columns if name in kinds)
        examples = ()
        reason = f"could not be evaluated: {problem}" + (f" ({kind})" if kind else "")
    elif counted:
        examples = _examples(found, bad, place)
        reason = _counted(planned, found, examples)
    else:
        examples = _observations(found)
        reason = _observed(planned, bool(raw.success), found, examples)
    result = ExpectationResult(
        type=planned.type,
        column=", ".join(planned.columns) or None,
        severity=planned.severity,
        success=bool(raw.success),
        unexpected_count=int(found["unexpected_count"]) if counted else None,
        unexpected_share=float(share) / 100 if share is not None else None,
        element_count=int(found["element_count"]) if counted else None,
        examples=examples,
        reason=reason,
    )
    return Outcome(result, bad)


def _exception(info: Mapping[str, Any]) -> str | None:
    """The message of what was raised; GX keeps one, or one per metric."""
    for one in [info, *(value for value in info.values() if isinstance(value, dict))]:
        if one.get("raised_exception"):
            return " ".join(str(one.get("exception_message")).split())[:200]
    return None


def _examples(
    found: Mapping[str, Any], bad: npt.NDArray[np.int64], place: Callable[[int], str]
) -> tuple[str, ...]:
    """Distinct unexpected values; where values are missing, the rows in which they are."""
    return _distinct(found) or tuple(place(int(position)) for position in bad[:_EXAMPLES])


def _distinct(found: Mapping[str, Any]) -> tuple[str, ...]:
    values = (shown(value) for value in found.get("partial_unexpected_list") or ())
    return tuple(dict.fromkeys(text for text in values if text))[:_EXAMPLES]


def _observations(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What an expectation without a count of values saw: an aggregate, or distinct values that are unexpected."""
    observed = shown(found.get("observed_value"))
    return (observed,) if observed else _distinct(found)


def _counted(planned: Planned, found: Mapping[str, Any], examples: tuple[str, ...]) -> str:
    count, total = int(found["unexpected_count"]), int(found["element_count"])
    what = "values" if len(planned.columns) < 2 else "rows"
    if not count:
        return f"all of {total:,} {what} as expected"
    share = f"{float(found.get('unexpected_percent') or 0):.3g} %"
    return f"{count:,} of {total:,} {what} ({share}) unexpected{_asked(planned)}; e.g. {'; '.join(examples)}"


def _observed(planned: Planned, success: bool, found: Mapping[str, Any], examples: tuple[str, ...]) -> str:
    told = "holds" if success else "does not hold"
    if examples:
        told = f"observed {', '.join(examples)}"
    return told + _asked(planned) + _mismatched((found.get("details") or {}).get("mismatched"))


def _mismatched(names: Any) -> str:
    """Where columns were compared with a list: which are missing, unexpected or out of order."""
    if isinstance(names, Mapping):
        return "".join(f"; {kind} {shown(these)}" for kind, these in names.items())
    return f"; mismatched {shown(names)}" if names else ""


def _asked(planned: Planned) -> str:
    asked = ", ".join(f"{name}={shown(value)}" for name, value in planned.arguments.items())
    return f", expected {asked}" if asked else ""
