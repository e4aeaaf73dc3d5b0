"""What changed in the columns since the version before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.validation.result import ExpectationResult, Severity
from airflow_mlops.core.wording import some

if TYPE_CHECKING:
    from airflow_mlops.spec.validation import SchemaContract

_SHOWN = 20


def check_contract(
    asked: SchemaContract, version: DatasetVersion, previous: DatasetVersion | None
) -> list[ExpectationResult]:
    """One result for each way in which the columns changed and may not, or one that says that they did not.

    Types are compared as people use them: the width of whole numbers, the unit of times, and how text is stored make
    no difference; a time that lost its zone does. A column without any value has no type.
    """
    if previous is None:
        return [_result("fail", True, "no version before to compare with")]
    before = {column.name: column.type for column in previous.columns}
    after = {column.name: column.type for column in version.columns}
    types = {
        name: f"{name} {before[name]} -> {kind}"
        for name, kind in after.items()
        if name in before and _family(before[name]) != _family(kind) and "null" not in (before[name], kind)
    }
    changes: tuple[tuple[str, Literal["allow", "warn", "fail"], list[str], list[str]], ...] = (
        ("removed", asked.removed, [name for name in before if name not in after], []),
        ("added", asked.added, [name for name in after if name not in before], []),
        ("types", asked.types, list(types), list(types.values())),
    )
    found, allowed = [], []
    for what, action, names, words in changes:
        told = f"{_WORDS[what]} since {previous.id[:12]}: {some(words or names, _SHOWN)}"
        if names and action != "allow":
            found.append(_result(action, False, told, names))
        elif names:
            allowed.append(f"{told} (allowed)")
    reason = "; ".join(allowed) or f"{len(after):,} columns, as in {previous.id[:12]}"
    return found or [_result("fail", True, reason)]


_WORDS = {"removed": "columns removed", "added": "columns added", "types": "types changed"}


def _result(
    severity: Severity, success: bool, reason: str, names: list[str] | None = None
) -> ExpectationResult:
    return ExpectationResult(
        type="check_contract",
        column=some(names, _SHOWN) if names else None,
        severity=severity,
        success=success,
        reason=reason,
    )


def _family(kind: str) -> str:
    """An Arrow type without what makes no difference to people."""
    if match := re.fullmatch(r"dictionary<values=(.+), indices=\w+, ordered=\d>", kind):
        return _family(match[1])
    kind = re.sub(r"\bu?int(8|16|32|64)\b", "whole number", kind)
    kind = re.sub(r"\b(half_?float|float|double|decimal\w*\([^)]*\))(?!\w)", "number", kind)
    kind = re.sub(r"\blarge_(string|binary|list)\b|\b(string|binary)_view\b", lambda m: m[1] or m[2], kind)
    kind = re.sub(r"\btimestamp\[\w+(, tz=[^\]]+)?\]", lambda m: "time in a zone" if m[1] else "time", kind)
    return re.sub(r"\bdate(32|64)\[\w+\]", "date", kind)
