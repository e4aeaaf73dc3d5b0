"""What Evidently itself says of columns, to hold ours against."""

from __future__ import annotations

import math
import os
import warnings
from typing import Any

import numpy as np
import pandas as pd

from airflow_mlops.core.monitoring.columns import Watched
from airflow_mlops.core.monitoring.sample import Sample
from airflow_mlops.core.monitoring.statistics import Statistic
from airflow_mlops.core.monitoring.statistics.reading import sample_of_series


def watched(name: str) -> Watched:
    """Columns of these tests are numbers, those whose names start with c categories."""
    return Watched(name, "string", "category") if name.startswith("c") else Watched(name, "number", "number")


def sample(values: Any, name: str = "n") -> Sample:
    dtype = object if name.startswith("c") else "float64"
    return sample_of_series(pd.Series(values, dtype=dtype), watched(name))


def preset(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Statistic]:
    """``DataDriftPreset`` with its defaults, by its public interface."""
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    names = list(reference.columns)
    definition = DataDefinition(
        numerical_columns=[name for name in names if not name.startswith("c")],
        categorical_columns=[name for name in names if name.startswith("c")],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = (
            Report([DataDriftPreset()], include_tests=True)
            .run(
                Dataset.from_pandas(current, data_definition=definition),
                Dataset.from_pandas(reference, data_definition=definition),
            )
            .dict()
        )
    failed = {
        test["metric_config"]["metric_id"]: test["status"].name == "FAIL"
        for test in found["tests"]
        if test["id"] == "drift"
    }
    return {
        one["config"]["column"]: Statistic(
            one["config"]["method"], one["config"]["threshold"], float(one["value"]), failed[one["id"]]
        )
        for one in found["metrics"]
        if "column" in one["config"]
    }


def stattest(method: str | None, reference: Any, current: Any, name: str = "n") -> Statistic | None:
    """One of Evidently's methods (its default without one) on one column, cleaned as Evidently cleans it; None
    where it raises or gives no number.
    """
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    kind = ColumnType.Categorical if name.startswith("c") else ColumnType.Numerical
    dtype = object if name.startswith("c") else "float64"
    sides = [
        pd.Series(side, dtype=dtype).replace([-np.inf, np.inf], np.nan).dropna()
        for side in (reference, current)
    ]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            test = get_stattest(*sides, kind, method)
            found = test(*sides, kind, None)
        except (ValueError, ZeroDivisionError):
            return None
    if not math.isfinite(found.drift_score):
        return None
    return Statistic(test.display_name, found.actual_threshold, float(found.drift_score), bool(found.drifted))
