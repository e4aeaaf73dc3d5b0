"""From what an expectation found to its record, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.validation.found import Found
from airflow_mlops.core.validation.mask import Masking
from airflow_mlops.core.validation.plain import plain, shown
from airflow_mlops.core.validation.result import ExpectationResult
from airflow_mlops.core.validation.suite import Planned

_EXAMPLES = 5
#: Where a result holds values of the data.
_VALUES = ("partial_unexpected_list", "partial_missing_list", "observed_value")


def masked(planned: Planned, found: Found, masking: Masking) -> Found:
    """The same with no value of a sensitive column in it: all that is told of a result passes here."""
    if not masking.hides(planned.columns):
        return found

    def hide(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [hide(one) for one in value]
        return None if plain(value) is None else masking.shown(planned.columns, value)

    result = {name: hide(value) if name in _VALUES else value for name, value in found.result.items()}
    raised = _exception(found.exception_info)
    info = {"raised_exception": True, "exception_message": "its message holds values"} if raised else {}
    return replace(found, result=result, exception_info=info)


def read_outcome(planned: Planned, found: Found, version: DatasetVersion) -> ExpectationResult:
    """The record of a result. An expectation that could not be evaluated has failed: what was not tested does not
    pass.
    """
    result = found.result
    examples: tuple[str, ...]
    problem = _exception(found.exception_info)
    counted = problem is None and None not in (result.get("unexpected_count"), result.get("element_count"))
    share = result.get("unexpected_percent") if counted else None
    if problem is not None:
        kinds = {column.name: column.type for column in version.columns}
        kind = ", ".join(f"{name} is {kinds[name]}" for name in planned.columns if name in kinds)
        examples = ()
        reason = f"could not be evaluated: {problem}" + (f" ({kind})" if kind else "")
    elif counted:
        examples = _distinct(result) or _places(found, version)
        reason = _counted(planned, result, examples)
    else:
        examples = _observations(result)
        reason = _observed(planned, found.success, result, examples)
    return ExpectationResult(
        type=planned.type,
        column=", ".join(planned.columns) or None,
        severity=planned.severity,
        success=found.success,
        unexpected_count=int(result["unexpected_count"]) if counted else None,
        unexpected_share=float(share) / 100 if share is not None else None,
        element_count=int(result["element_count"]) if counted else None,
        examples=examples,
        reason=reason,
    )


def _places(found: Found, version: DatasetVersion) -> tuple[str, ...]:
    """Where values are missing: the rows in which they are."""
    return tuple(f"{version.files[file].source} row {row}" for file, row in found.first[:_EXAMPLES])


def _exception(info: Mapping[str, Any]) -> str | None:
    """The message of what was raised; GX keeps one, or one per metric."""
    for one in [info, *(value for value in info.values() if isinstance(value, dict))]:
        if one.get("raised_exception"):
            return " ".join(str(one.get("exception_message")).split())[:200]
    return None


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
    shown_ones = f"; e.g. {'; '.join(examples)}" if examples else ""
    return f"{count:,} of {total:,} {what} ({share}) unexpected{_asked(planned)}{shown_ones}"


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
