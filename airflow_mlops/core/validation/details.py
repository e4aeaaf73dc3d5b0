"""The full results of the expectations, as JSON in the form of Great Expectations."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.validation.found import Found
from airflow_mlops.core.validation.plain import plain
from airflow_mlops.core.validation.suite import Planned


def details_of(
    version: DatasetVersion, planned: Sequence[Planned], found: Sequence[Found], in_memory: Collection[int]
) -> bytes:
    """Arguments and results of all expectations; rows are named in the quarantine, not here.

    :param in_memory: numbers of those that Great Expectations judged; the others ran in the query.
    """
    results = [
        {
            "type": one.type,
            "place": one.place,
            "severity": one.severity,
            "engine": "gx" if number in in_memory else "query",
            "kwargs": one.given,
            "success": result.success,
            "result": result.result,
            "exception": result.exception_info,
        }
        for number, (one, result) in enumerate(zip(planned, found, strict=True))
    ]
    full = {
        "dataset": {"name": version.name, "id": version.id},
        "great_expectations": _installed() if in_memory else None,
        "results": results,
    }
    return json.dumps(plain(full), sort_keys=True, allow_nan=False).encode()


def _installed() -> str | None:
    try:
        return installed("great-expectations")
    except PackageNotFoundError:
        return None
