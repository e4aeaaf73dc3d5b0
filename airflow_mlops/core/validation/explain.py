"""A validation in one line, for the task log."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_mlops.core.validation.result import ExpectationResult, ValidationResult

NOTHING_TESTED = (
    "warning: nothing was tested, because the spec has no expectation; "
    "data is tested before it is used: give validation.expectations or validation.suite"
)
_SHOWN = 5


def summary(results: Sequence[ExpectationResult], rows: int) -> str:
    """How many expectations held, in words."""
    if not results:
        return NOTHING_TESTED
    failed = [one for one in results if not one.success]
    severe = sum(one.severity == "fail" for one in failed)
    told = f"{len(results) - len(failed)} of {len(results)} expectations hold on {rows:,} rows"
    return f"{told}, {severe} failed, {len(failed) - severe} warned" if failed else told


def explain(result: ValidationResult) -> str:
    """One line: which expectation failed on which column, how many of how many, examples, the quarantine."""
    where = f"{result.dataset.name}@{result.dataset.id}"
    parts = [f"{where}: {result.reason}"]
    failures = result.failures
    parts += [f"{one.severity}: {one.name}: {one.reason}" for one in failures[:_SHOWN]]
    if len(failures) > _SHOWN:
        parts.append(f"and {len(failures) - _SHOWN} more")
    if result.quarantine:
        parts.append(f"{result.quarantined_rows:,} rows are in quarantine (blob {result.quarantine[:12]})")
    return " | ".join(parts)
