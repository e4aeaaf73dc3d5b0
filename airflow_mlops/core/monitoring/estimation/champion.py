"""What estimates a champion's performance: made from its held-out rows, once for a look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from airflow_mlops.core.errors import DataError, IntegrityError, KeyMissing, SourceUnavailable
from airflow_mlops.core.evaluation.intervals import Interval
from airflow_mlops.core.monitoring.estimation.calibration import Calibration, calibrate
from airflow_mlops.core.monitoring.estimation.classifier import estimate
from airflow_mlops.core.monitoring.held_out import HeldOut, held_out
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.core.data.source import DataRoot

#: Held-out rows of each class, or of a regression in all, below which nothing is estimated.
LEAST_OF_A_CLASS, LEAST_ROWS = 50, 300


class Estimator(Protocol):
    """Tells the metrics of rows without their labels."""

    def estimate(self, frame: pd.DataFrame, scores: NDArray[np.float64]) -> dict[str, Interval]:
        """The metrics to expect, each with the 95 % interval of what will be measured on these rows."""
        ...


@dataclass(frozen=True)
class ByConfidence:
    """Of a binary classifier: from its scores alone."""

    calibration: Calibration

    def estimate(self, frame: pd.DataFrame, scores: NDArray[np.float64]) -> dict[str, Interval]:
        """See :class:`Estimator`."""
        return estimate(scores, self.calibration)


def estimator_of(
    store: Store,
    model: str,
    number: int,
    *,
    objective: str,
    columns: Sequence[str],
    event_time: str,
    period: timedelta,
    root: DataRoot | None = None,
    progress: Progress = ignore,
) -> Estimator | str:
    """What estimates version ``number``; why nothing can, in words, where its held-out rows do not suffice.

    :param columns: raw columns that the errors of a regression are learned from.
    :param event_time: column with the time of the held-out rows.
    :param period: length of the periods that will be estimated.
    """
    try:
        rows = held_out(store, model, number, root=root, progress=progress)
    except SourceUnavailable:
        raise
    except (DataError, KeyMissing, IntegrityError) as error:
        return f"held-out rows of version {number} can't be read: {error.problem}"
    return make_estimator(rows, objective=objective, columns=columns, event_time=event_time, period=period)


def make_estimator(
    rows: HeldOut, *, objective: str, columns: Sequence[str], event_time: str, period: timedelta
) -> Estimator | str:
    """See :func:`estimator_of`."""
    finite = np.isfinite(rows.scores)
    frame, labels, scores = rows.frame[finite], rows.labels[finite], rows.scores[finite]
    if objective != "binary":
        if len(labels) < LEAST_ROWS:
            return f"{len(labels):,} held-out rows are fewer than {LEAST_ROWS}"
        from airflow_mlops.core.monitoring.estimation.loss import learn_losses

        return learn_losses(frame, labels, scores, _times(frame[event_time]), period, columns)
    rare = int(min(labels.sum(), len(labels) - labels.sum()))
    if rare < LEAST_OF_A_CLASS:
        return f"{rare} held-out rows with the rarer label are fewer than {LEAST_OF_A_CLASS}"
    return ByConfidence(calibrate(labels, scores, _times(frame[event_time]), period))


def _times(column: Any) -> NDArray[np.int64]:
    """Times as microseconds."""
    import pandas as pd

    times = pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    return np.asarray(times.astype(np.int64))
