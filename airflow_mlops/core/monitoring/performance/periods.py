"""One period, measured and estimated: all its rows, and its slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.evaluation.gating import MIN_ROWS
from airflow_mlops.core.evaluation.intervals import Interval, measure_with_intervals
from airflow_mlops.core.monitoring.estimation.champion import Estimator
from airflow_mlops.core.monitoring.estimation.errors import errors_of
from airflow_mlops.core.monitoring.performance.report import EstimationError, PeriodPerformance, Value
from airflow_mlops.core.monitoring.performance.rows import SLICE, PeriodRows

if TYPE_CHECKING:
    import pandas as pd

#: Most frequent values of a column that are reported.
MOST_SLICES = 20


def performance_of(
    rows: PeriodRows,
    champion: int,
    objective: str,
    estimator: Estimator | None,
    slices: Sequence[str],
    gated: Sequence[tuple[str, str]],
) -> list[PeriodPerformance]:
    """The record of all rows, then those of the slices.

    :param slices: columns whose most frequent values, with at least 50 rows, are reported.
    :param gated: column and value of further slices, which a gate is about.
    """
    found = [_one(rows, champion, objective, estimator, None)]
    common = [
        (column, value)
        for column in slices
        for value in _largest({text: n for (name, text), n in rows.slices.items() if name == column})
    ]
    chosen = dict.fromkeys([*common, *(one for one in gated if one in rows.slices)])
    return found + [_one(rows, champion, objective, estimator, one) for one in chosen]


def _largest(counts: dict[str, int]) -> list[str]:
    kept = sorted((-count, text) for text, count in counts.items() if count >= MIN_ROWS)
    return [text for _, text in kept[:MOST_SLICES]]


def errors_in(
    rows: PeriodRows, whole: PeriodPerformance, estimator: Estimator | None
) -> tuple[EstimationError, ...]:
    """What the estimates of a period were off by: for its labelled rows, as those alone were measured."""
    if estimator is None or not whole.measured:
        return ()
    estimated = whole.estimated
    if whole.labelled < whole.rows:
        estimated = _estimated(rows.frame[rows.frame["_label"].notna()], estimator)
    return errors_of(rows.since, rows.until, estimated, whole.measured)


def _one(
    rows: PeriodRows,
    champion: int,
    objective: str,
    estimator: Estimator | None,
    which: tuple[str, str] | None,
) -> PeriodPerformance:
    frame = rows.frame if which is None else rows.frame[rows.frame[SLICE + which[0]] == which[1]]
    labelled = frame[frame["_label"].notna()]
    return PeriodPerformance(
        since=rows.since,
        until=rows.until,
        champion=champion,
        slice=None if which is None else _name(*which),
        rows=rows.rows if which is None else rows.slices[which],
        labelled=rows.labelled if which is None else rows.slices_labelled[which],
        measured=_measured(rows, labelled, objective),
        estimated={} if estimator is None else _estimated(frame, estimator),
    )


def _name(column: str, value: str) -> str:
    from airflow_mlops.core.evaluation.conditions import Is

    return str(Is(column, value))


def _measured(rows: PeriodRows, labelled: pd.DataFrame, objective: str) -> dict[str, Value]:
    if not len(labelled):
        return {}
    labels, scores = (labelled[name].to_numpy(dtype=np.float64) for name in ("_label", "_prediction"))
    found = measure_with_intervals(objective, labels, scores, rows.clusters(labelled))
    return {name: _value(one) for name, one in found.items()}


def _estimated(frame: pd.DataFrame, estimator: Estimator) -> dict[str, Value]:
    scores = frame["_prediction"].to_numpy(dtype=np.float64)
    return {name: _value(one) for name, one in estimator.estimate(frame, scores).items()}


def _value(one: Interval) -> Value:
    """As a record, which holds no infinity."""
    ends = one.low is not None and one.high is not None and math.isfinite(one.low + one.high)
    return Value(value=one.value, low=one.low if ends else None, high=one.high if ends else None)
