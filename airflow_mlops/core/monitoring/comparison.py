"""The verdict: live traffic beside the training data, each watched column by several tests, and all of them together.

Under no change at most ``monitoring.drift.alpha`` of the windows are called drift: a fifth of it is for the classifier
of the two sides, the rest for the columns. Within a column its aspects share the level (Bonferroni), over the columns
the false discovery rate is controlled (Benjamini and Hochberg 1995).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.monitoring.aspects import movements
from airflow_mlops.core.monitoring.columns import Watched, sample_of, watched_columns
from airflow_mlops.core.monitoring.report import (
    PREDICTION,
    Aspect,
    ColumnDrift,
    DriftReport,
    Movement,
    Multivariate,
)
from airflow_mlops.core.monitoring.sample import Categories, Numbers, Sample
from airflow_mlops.core.monitoring.statistics import distance
from airflow_mlops.core.monitoring.two_sample.classifier import tell_apart
from airflow_mlops.core.monitoring.two_sample.discovery import adjusted
from airflow_mlops.core.monitoring.usual import UsualChange
from airflow_mlops.core.monitoring.window import Reference, Window
from airflow_mlops.core.progress import Progress, ignore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from airflow_mlops.spec import ModelSpec

__all__ = ["compare", "inconclusive", "watched_columns"]

#: The classifier's part of the level.
CLASSIFIER_SHARE = 0.2
#: Where a classifier tells any window of the training data from the rest by such an AUC, one more tells nothing.
TELLS_ALL_APART = 0.95


def compare(
    spec: ModelSpec,
    columns: Sequence[Watched],
    window: Window,
    reference: Reference,
    *,
    importance: Mapping[str, float] | None = None,
    usual: UsualChange | None = None,
    progress: Progress = ignore,
) -> DriftReport:
    """Compare a window of live traffic with the champion's training data. A pure function of its arguments.

    Columns that vanished, are all null or constant are reported and the rest goes on; of times only the missing values
    are compared (they always move on). Fewer rows than ``monitoring.min_rows`` give an inconclusive
    report, never drift.

    :param importance: of raw columns, in any unit; all alike without it.
    :param usual: how far windows of the training data are apart: a change that is not larger does not count.
    """
    if window.rows < max(1, spec.monitoring.min_rows):
        least = spec.monitoring.min_rows
        return inconclusive(
            spec, window, reference, f"{window.rows} live rows, monitoring.min_rows is {least}"
        )
    if not len(reference.frame):
        return inconclusive(spec, window, reference, "the training data have no rows")
    progress(
        f"comparing {len(columns)} columns of {len(window.frame):,} live rows with {len(reference.frame):,} rows of "
        "training data"
    )
    limits = _Limits(spec, usual)
    shares = _shares(columns, importance)
    looked = [_column(one, window, reference, shares.get(one.name, 0.0)) for one in columns]
    looked += _prediction(window.predictions, reference.predictions)
    told = _multivariate(columns, window, reference, limits) if limits.classifier else None
    judged = _judged(looked, limits)
    return DriftReport(
        **_head(spec, window, reference),
        compared_rows=len(window.frame),
        reference_compared_rows=len(reference.frame),
        columns=judged,
        multivariate=told,
        share=min(1.0, sum(one.importance for one in judged if one.drifted)),
        **_outcome(judged, told),
    )


def inconclusive(spec: ModelSpec, window: Window, reference: Reference | None, reason: str) -> DriftReport:
    """A report that says why nothing can be said."""
    return DriftReport(**_head(spec, window, reference), outcome="inconclusive", reason=reason)


class _Limits:
    """From where on a change counts: by how likely it is, and by how large."""

    def __init__(self, spec: ModelSpec, usual: UsualChange | None) -> None:
        drift = spec.monitoring.drift
        self.least = drift.least
        usually = usual.auc if usual and usual.auc else 0.0
        self.classifier = drift.classifier and usually < TELLS_ALL_APART
        self.level = drift.alpha * (1 - CLASSIFIER_SHARE if drift.classifier else 1)
        self.classifier_level = drift.alpha * CLASSIFIER_SHARE
        self._usual = usual

    def size(self, column: str, aspect: Aspect) -> float:
        """The smallest effect that counts."""
        usual = self._usual.effect(column, aspect) if self._usual else 0.0
        return max(self.least, usual)

    @property
    def auc(self) -> float:
        """If a share e of the rows moved where no row was before, the best classifier reaches at least (1 + e) / 2."""
        return max((1 + self.least) / 2, self._usual.auc or 0.0 if self._usual else 0.0)


def _shares(columns: Sequence[Watched], importance: Mapping[str, float] | None) -> dict[str, float]:
    """The part of each column in what moves the model's answers."""
    weights = dict(importance or {})
    if not sum(weights.values()) > 0:
        weights = {one.name: 1.0 for one in columns}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _column(column: Watched, window: Window, reference: Reference, importance: float) -> ColumnDrift:
    before = sample_of(reference.frame[column.name], column.kind)
    vanished = column.name not in window.frame.columns
    after = (
        _all_missing(before, len(window.frame))
        if vanished
        else sample_of(window.frame[column.name], column.kind)
    )
    return _compared(column, before, after, importance=importance, vanished=vanished)


def _prediction(live: NDArray[np.float64], reference: NDArray[np.float64]) -> list[ColumnDrift]:
    """The champion's answers as one more column, where both sides have any."""
    import pandas as pd

    if not len(reference) or not len(live):
        return []
    before, after = (sample_of(pd.Series(one, dtype="float64"), "number") for one in (reference, live))
    return [_compared(Watched(PREDICTION, "number", "number"), before, after)]


def _compared(
    column: Watched, before: Sample, after: Sample, *, importance: float = 0.0, vanished: bool = False
) -> ColumnDrift:
    found = movements(before, after, vanished=vanished)
    statistic = distance(before, after) if column.kind != "time" else None
    return ColumnDrift(
        column=column.name,
        kind=column.kind,
        importance=importance,
        method=statistic.method if statistic else None,
        threshold=statistic.threshold if statistic else None,
        value=statistic.value if statistic else None,
        p_value=_p_value(found, len(found)),
        effect=max((one.effect for one in found), default=0.0),
        movements=found,
        note=_note(column, before, after, vanished),
    )


def _note(column: Watched, before: Sample, after: Sample, vanished: bool) -> str:
    """Why values were not compared, or what is odd about them; empty where nothing is."""
    if before.missing == before.rows:
        return "all null in the training data"
    if vanished:
        return "vanished: no live row carries it"
    if after.missing == after.rows:
        return "all null in the window"
    if column.kind == "time":
        return "a time: only missing values are compared, it always moves on"
    if all(_constant(side) for side in (before, after)):
        return "constant on both sides"
    return ""


def _constant(side: Sample) -> bool:
    if isinstance(side, Numbers):
        return bool(side.values[0] == side.values[-1])
    return len(side.counts) == 1


def _all_missing(like: Sample, rows: int) -> Sample:
    import numpy as np

    return Numbers(np.empty(0), rows) if isinstance(like, Numbers) else Categories({}, rows)


def _p_value(some: Sequence[Movement], of: int) -> float | None:
    """Bonferroni over the aspects of a column; None where nothing was compared."""
    return min(1.0, of * min(one.p_value or 0.0 for one in some)) if some else None


def _judged(looked: Sequence[ColumnDrift], limits: _Limits) -> tuple[ColumnDrift, ...]:
    """Which columns drifted. A movement that is too small to count is no discovery, however certain it is: it leaves
    its column a p-value of 1, which errs on the side of no change.
    """
    compared = [one for one in looked if one.movements]
    large = [
        tuple(move for move in one.movements if move.effect >= limits.size(one.column, move.aspect))
        for one in compared
    ]
    p_values = [
        1.0 if (found := _p_value(some, len(one.movements))) is None else found
        for one, some in zip(compared, large, strict=True)
    ]
    corrected = adjusted(p_values)
    level = max((p for p, q in zip(p_values, corrected, strict=True) if q <= limits.level), default=-1.0)
    judged = {
        one.column: _verdict(one, some, q, level)
        for one, some, q in zip(compared, large, corrected, strict=True)
    }
    return tuple(judged.get(one.column, one) for one in looked)


def _verdict(column: ColumnDrift, large: Sequence[Movement], adjusted_p: float, level: float) -> ColumnDrift:
    """:param level: the largest p-value of a column that is significant; below 0 where none is."""
    count = len(column.movements)
    counts = [one for one in large if count * (one.p_value or 0.0) <= level]
    rest = [one for one in column.movements if one not in counts]
    return column.model_copy(
        update={
            "adjusted": adjusted_p if large else None,
            "drifted": bool(counts),
            "movements": (*counts, *rest),
            "effect": counts[0].effect if counts else column.effect,
        }
    )


def _multivariate(
    columns: Sequence[Watched], window: Window, reference: Reference, limits: _Limits
) -> Multivariate | None:
    """The classifier's verdict on the columns that both sides have values of."""
    names = [
        column.name
        for column in columns
        if column.kind != "time"
        and column.name in window.frame.columns
        and all(side[column.name].notna().any() for side in (window.frame, reference.frame))
    ]
    told = tell_apart(reference.frame[names], window.frame[names], level=limits.classifier_level)
    if told is None:
        return None
    return Multivariate(
        auc=told.auc,
        p_value=told.p_value,
        drifted=told.p_value <= limits.classifier_level and told.auc >= limits.auc,
        columns=told.columns,
        rows=told.rows,
    )


def _outcome(columns: Sequence[ColumnDrift], told: Multivariate | None) -> dict[str, Any]:
    compared = [one for one in columns if one.movements]
    moved = sum(one.drifted for one in columns)
    reason = f"{moved} of {len(compared)} columns drifted"
    if told is not None and told.drifted:
        reason += f"; a classifier tells the rows apart, AUC {told.auc:.2f}"
        if told.columns:
            reason += f", by {', '.join(told.columns)}"
    if not compared:
        return {"outcome": "inconclusive", "reason": "no column could be compared"}
    drifted = moved or (told is not None and told.drifted)
    return {"outcome": "drift" if drifted else "stable", "reason": reason}


def _head(spec: ModelSpec, window: Window, reference: Reference | None) -> dict[str, Any]:
    """What every report says, whatever was found."""
    return {
        "model": spec.name,
        "champion": window.champion,
        "dataset": reference.version.ref if reference else None,
        "since": window.since,
        "until": window.until,
        "rows": window.rows,
        "reference_rows": reference.version.rows if reference else 0,
        "alpha": spec.monitoring.drift.alpha,
        "set_aside": window.set_aside,
    }
