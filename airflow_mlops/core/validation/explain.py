"""A validation in one line, for the task log."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_mlops.core.validation.result import ExpectationResult, ValidationResult

NOTHING_TESTED = (
    "warning: nothing was tested, because the spec has no expectation and no check; "
    "data is tested before it is used: give validation.expectations or validation.suite"
)
_SHOWN = 5
#: Signs that failures may take in one line, beyond the first; and those of one.
_MOST_SIGNS = 200
_MOST_OF_ONE = 250


def summary(results: Sequence[ExpectationResult], rows: int) -> str:
    """How many expectations and checks held, in words."""
    if not results:
        return NOTHING_TESTED
    failed = [one for one in results if not one.success]
    checks = sum(one.type.startswith("check_") for one in results)
    words = ["expectations"] * (checks < len(results)) + ["checks"] * (checks > 0)
    told = f"{len(results) - len(failed)} of {len(results)} {' and '.join(words)} hold on {rows:,} rows"
    if not failed:
        return told
    severe = sum(one.stops for one in failed)
    drops = sum(one.severity == "drop" and not one.stops for one in failed)
    dropping = f", {drops} with dropped rows" if drops else ""
    return f"{told}, {severe} failed, {len(failed) - severe - drops} warned{dropping}"


def explain(result: ValidationResult) -> str:
    """One line: which expectation failed on which column, how many of how many, examples, the quarantine."""
    where = f"{result.tested.name}@{result.tested.id}"
    parts = [f"{where}: {result.reason}"]
    failures = result.failures
    shown = _shown(failures)
    parts += shown
    if len(failures) > len(shown):
        parts.append(f"and {len(failures) - len(shown)} more")
    if result.quarantine:
        parts.append(f"{result.quarantined_rows:,} rows are in quarantine (blob {result.quarantine[:12]})")
    if result.dataset != result.tested:
        parts.append(
            f"goes on without {result.dropped_rows:,} rows as {result.dataset.name}@{result.dataset.id}"
        )
    return " | ".join(parts)


def _shown(failures: Sequence[ExpectationResult]) -> list[str]:
    """The first failures in words, as many as one line can hold; the data docs have all of them."""
    found: list[str] = []
    for one in failures[:_SHOWN]:
        told = f"{one.severity}: {one.name}: {one.reason}"
        told = told if len(told) <= _MOST_OF_ONE else f"{told[:_MOST_OF_ONE]}..."
        if found and sum(map(len, found)) + len(told) > _MOST_SIGNS:
            break
        found.append(told)
    return found
