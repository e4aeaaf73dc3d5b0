"""Drift statistics by Evidently's defaults. The only module that knows Evidently."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.monitoring.columns import Kind

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Statistic:
    """What Evidently measured for one column, and whether its own test calls that drift."""

    column: str
    method: str
    threshold: float
    value: float
    drifted: bool


@dataclass(frozen=True)
class Measured:
    """All statistics of one comparison, with Evidently's own report for people and for programs."""

    statistics: tuple[Statistic, ...]
    html: bytes
    json: bytes


def measure(reference: pd.DataFrame, current: pd.DataFrame, kinds: Mapping[str, Kind]) -> Measured:
    """Compare two frames column by column with ``DataDriftPreset``'s default methods.

    Which method Evidently takes depends on the reference's size (p-values up to 1,000 rows, distances above)
    and on how many values a column has. The direction of the comparison is Evidently's own: its tests say
    what drifted.

    :param kinds: number or category for each column of both frames; each has values on both sides.
    """
    # Evidently reports its use over the network unless this stands before its import.
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[name for name, kind in kinds.items() if kind == "number"],
        categorical_columns=[name for name, kind in kinds.items() if kind == "category"],
    )
    with warnings.catch_warnings():
        # Evidently's plots correlate constant columns and warn about each of them.
        warnings.simplefilter("ignore", RuntimeWarning)
        run = Report([DataDriftPreset()], include_tests=True).run(
            Dataset.from_pandas(current[list(kinds)], data_definition=definition),
            Dataset.from_pandas(reference[list(kinds)], data_definition=definition),
        )
        return Measured(
            statistics=tuple(_statistics(run.dict())),
            html=run.get_html_str(as_iframe=False).encode(),
            json=run.json().encode(),
        )


def _statistics(found: Mapping[str, Any]) -> list[Statistic]:
    failed = {
        test["metric_config"]["metric_id"]: test["status"].name == "FAIL"
        for test in found["tests"]
        if test["id"] == "drift"
    }
    return [
        Statistic(
            column=metric["config"]["column"],
            method=metric["config"]["method"],
            threshold=float(metric["config"]["threshold"]),
            value=float(metric["value"]),
            drifted=failed[metric["id"]],
        )
        for metric in found["metrics"]
        if "column" in metric["config"]
    ]
