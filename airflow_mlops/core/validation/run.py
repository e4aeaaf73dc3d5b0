"""Data is tested before it is used: expectations on a dataset version, bad rows in quarantine."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.validation.details import details_of
from airflow_mlops.core.validation.dropping import without
from airflow_mlops.core.validation.explain import explain, summary
from airflow_mlops.core.validation.judging import Tested, judge_all
from airflow_mlops.core.validation.mask import Masking
from airflow_mlops.core.validation.outcome import masked, read_outcome
from airflow_mlops.core.validation.result import ExpectationResult, ValidationResult
from airflow_mlops.core.validation.suite import bind, plan

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

__all__ = ["explain", "validate"]


@dataclass(frozen=True)
class _Judged:
    """The expectations' part of a result."""

    results: tuple[ExpectationResult, ...] = ()
    tested: Tested = field(default_factory=Tested)
    details: str | None = None


def validate(
    store: Store,
    root: DataRoot,
    spec: ModelSpec,
    version: DatasetVersion,
    *,
    previous: DatasetVersion | None = None,
    now: datetime | None = None,
    by: str = "validate",
    progress: Progress = ignore,
) -> ValidationResult:
    """Test a dataset version by the expectations and the checks of the spec.

    A failure is a result, not an error. Rows that break an expectation go to quarantine, the version stays as it is;
    where rows are to be dropped and nothing stops the run, a version without them is made, and the result names it.
    The expectations that DuckDB provably judges alike run as one query over the Parquet files, the others in Great
    Expectations, which reads only the columns that they look at.

    :param previous: the version before, which checks compare with; None for the first.
    :param now: the time of the checks.
    :param by: who asked for it.
    :raises SpecError: for an unknown expectation, a wrong argument or an unknown column, before data is read.
    :raises DataError: if the suite file can't be read, or every row would be dropped.
    :raises PlatformError: if Great Expectations is needed and not installed.
    """
    start = time.perf_counter()
    judged = _judge(store, root, spec, version, progress)
    results = (*judged.results, *_checked(store, spec, version, previous, now, judged.tested.dropped.rows))
    success = not any(one.stops for one in results)
    tested, goes_on = judged.tested, version
    if success and tested.dropped.rows:
        progress(f"{tested.dropped.rows:,} rows are dropped")
        goes_on = without(store, version, tested.dropped, tested.quarantine, by)
    result = ValidationResult(
        dataset=goes_on.ref,
        tested=version.ref,
        success=success,
        rows=version.rows,
        expectations=results,
        reason=summary(results, version.rows),
        quarantine=tested.quarantine,
        quarantined_rows=tested.rows,
        dropped_rows=version.rows - goes_on.rows,
        details=judged.details,
        seconds=time.perf_counter() - start,
    )
    return _documented(store, version, result)


def _judge(
    store: Store, root: DataRoot, spec: ModelSpec, version: DatasetVersion, progress: Progress
) -> _Judged:
    planned = bind(plan(root, spec.validation), version)
    if not planned:
        return _Judged()
    in_memory = spec.validation.engine == "gx"
    tested = judge_all(store, version, planned, in_memory=in_memory, progress=progress)
    masking = _masking(store, spec, version)
    shown = [masked(one, found, masking) for one, found in zip(planned, tested.found, strict=True)]
    results = tuple(read_outcome(one, found, version) for one, found in zip(planned, shown, strict=True))
    details = put_bytes(store, details_of(version, planned, shown, tested.in_memory))
    return _Judged(results, tested, details)


def _masking(store: Store, spec: ModelSpec, version: DatasetVersion) -> Masking:
    """Which columns' values must not be shown; their module is needed only where the spec asks for privacy."""
    if spec.privacy is None:
        return Masking()
    from airflow_mlops.core.validation.privacy import sensitive_columns

    return Masking(sensitive_columns(store, spec, version))


def _checked(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    previous: DatasetVersion | None,
    now: datetime | None,
    dropped: int,
) -> tuple[ExpectationResult, ...]:
    """What the checks of the version as a whole say; their module is needed only where the spec asks for one."""
    asked = spec.validation
    if not any((asked.freshness, asked.volume, asked.contract, asked.drift, asked.unique)):
        return ()
    from airflow_mlops.core.validation.checks import run_checks

    return run_checks(store, spec, version, previous, now or utc_now(), dropped)


def _documented(store: Store, version: DatasetVersion, result: ValidationResult) -> ValidationResult:
    """The result with its page, where there is something to show."""
    from airflow_mlops.core.validation.page import page_of

    if not result.expectations:
        return result
    return result.model_copy(update={"docs": put_bytes(store, page_of(version, result).encode())})
