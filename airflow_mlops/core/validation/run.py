"""Data is tested before it is used: expectations on a dataset version, bad rows in quarantine."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.reading import read_rows
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetRef, DatasetVersion
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.validation.engine import run_expectations
from airflow_mlops.core.validation.explain import explain, summary
from airflow_mlops.core.validation.outcome import Outcome, read_outcome
from airflow_mlops.core.validation.plain import plain
from airflow_mlops.core.validation.quarantine import quarantine
from airflow_mlops.core.validation.result import ValidationResult
from airflow_mlops.core.validation.suite import Planned, bind, columns_to_read, plan

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

__all__ = ["explain", "validate"]


def validate(
    store: Store, root: DataRoot, spec: ModelSpec, version: DatasetVersion, *, progress: Progress = ignore
) -> ValidationResult:
    """Test a dataset version by the expectations of the spec.

    A failed expectation is a result, not an error. Rows that break it go to quarantine, the version stays as
    it is. Only the columns that the expectations look at are read.

    :raises SpecError: for an unknown expectation, a wrong argument or an unknown column, before data is read.
    :raises DataError: if the suite file can't be read.
    :raises PlatformError: if Great Expectations is not installed.
    """
    start = time.perf_counter()
    planned = bind(plan(root, spec.validation), version)
    outcomes: list[Outcome] = []
    details = aside = None
    count = 0
    if planned:
        progress(f"reading {version.rows:,} rows of {version.name}@{version.id}")
        rows = read_rows(store, version, columns_to_read(planned, version))
        progress(f"testing {len(planned)} expectations on {version.rows:,} rows")
        found = run_expectations(rows.frame, planned)
        kinds = {column.name: column.type for column in version.columns}

        def place(position: int) -> str:
            return f"{version.files[rows.file[position]].source} row {rows.row[position]}"

        outcomes = [read_outcome(one, raw, kinds, place) for one, raw in zip(planned, found, strict=True)]
        aside, count = quarantine(store, version, rows, outcomes)
        details = put_bytes(store, _details(version, planned, found))
    results = tuple(outcome.result for outcome in outcomes)
    return ValidationResult(
        dataset=DatasetRef(name=version.name, id=version.id),
        success=not any(one.severity == "fail" and not one.success for one in results),
        rows=version.rows,
        expectations=results,
        reason=summary(results, version.rows),
        quarantine=aside,
        quarantined_rows=count,
        details=details,
        seconds=time.perf_counter() - start,
    )


def _details(version: DatasetVersion, planned: Sequence[Planned], found: Sequence[Any]) -> bytes:
    """GX's full results as JSON; rows are named in the quarantine, not here."""
    from importlib.metadata import version as installed

    results = [
        {
            "type": one.type,
            "place": one.place,
            "severity": one.severity,
            "kwargs": raw.expectation_config.kwargs,
            "success": bool(raw.success),
            "result": raw.result,
            "exception": raw.exception_info,
        }
        for one, raw in zip(planned, found, strict=True)
    ]
    full = {
        "dataset": {"name": version.name, "id": version.id},
        "great_expectations": installed("great-expectations"),
        "results": results,
    }
    return json.dumps(plain(full), sort_keys=True, allow_nan=False).encode()
