"""How far apart windows of the training data are: what a window may differ by before that means anything.

Tests of two samples take rows as independent. Real rows are not: a day's weather is one value for hundreds of them, so
a day differs from a year by more than chance, every day. What the model has seen is days of all kinds; a window that
is as far from the whole training data as those were is nothing new.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from airflow_mlops.core.monitoring.aspects import movements
from airflow_mlops.core.monitoring.columns import Kind, Watched, read_frame_of, sample_of
from airflow_mlops.core.monitoring.report import PREDICTION, Aspect
from airflow_mlops.core.monitoring.two_sample.classifier import tell_apart
from airflow_mlops.core.record import Record

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.core.data.version import DatasetVersion
    from airflow_mlops.core.monitoring.held_out import HeldOut
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec import ModelSpec

#: Fewer windows of training data say too little about what is usual.
LEAST_WINDOWS = 5
#: More are thinned out, evenly over time.
MOST_WINDOWS = 100
#: Windows that are held against the rest by the classifier.
_CLASSIFIED = 12
#: Fewer rows make no window.
_LEAST_ROWS = 30
#: Rows of a window, and of the rest that it is held against.
_MOST_ROWS = 5_000
_SEED = 0
#: From so many windows on one may be odd.
_ODD_FROM = 40
#: Shares are at least so far from 0 and 1, to have log odds.
_NOTHING = 1e-3
_Effects = dict[tuple[str, Aspect], float]
#: Parts of alpha: the columns, the predictions, the classifier.
_COLUMNS, _PREDICTIONS, _CLASSIFIER = 0.5, 0.25, 0.25


class UsualEffect(Record):
    """The largest effect of a column in one aspect that is usual."""

    column: str
    aspect: Aspect
    effect: float


class UsualChange(Record):
    """How far windows of the training data are from the rest of it.

    :param windows: how many were compared; with fewer than :data:`LEAST_WINDOWS` nothing is known.
    :param effects: the limits, for each column and aspect.
    :param auc: of a classifier of a window's rows; None where it was not asked.
    """

    windows: int
    effects: tuple[UsualEffect, ...] = ()
    auc: float | None = None

    def effect(self, column: str, aspect: Aspect) -> float:
        """The limit of one aspect of a column; 0 where none is known."""
        # A column that vanishes is one whose values are all missing.
        wanted = "missing" if aspect == "vanished" else aspect
        return next((one.effect for one in self.effects if (one.column, one.aspect) == (column, wanted)), 0.0)


def usual_change(
    frame: pd.DataFrame,
    times: pd.Series[Any],
    columns: Sequence[Watched],
    *,
    length: timedelta,
    alpha: float,
    classifier: bool = True,
    predictions: tuple[pd.Series[Any], NDArray[np.float64]] | None = None,
) -> UsualChange:
    """Hold each window of the training data against the rest of it.

    A limit is the largest effect that was seen, the second largest from :data:`_ODD_FROM` windows on: what happened in
    one of them only, e.g. a day without a sensor, is not usual. For a column's values it is no less than the prediction
    limit of one more window (Student's, of the log odds of the effects, ``alpha`` shared by all columns): with many
    columns some is always at its largest. Missing, new and extreme values are mostly none and then a lot: no law is
    near.

    :param frame: raw training rows, unsampled; ``times`` goes with them.
    :param length: of a window.
    :param predictions: times and answers of rows that the champion did not learn from.
    """
    rng = np.random.default_rng(_SEED)
    blocks = _blocks(times, length)
    if len(blocks) < LEAST_WINDOWS:
        return UsualChange(windows=len(blocks))
    read = read_frame_of(frame, columns)
    kinds = {column.name: column.kind for column in columns if column.name in read.columns}
    sides = [_sides(len(read), rows, rng) for rows in blocks]
    found = _limits([_effects(read, kinds, *one) for one in sides], alpha * _COLUMNS)
    if predictions is not None:
        found |= _of_predictions(*predictions, length, alpha * _PREDICTIONS, rng)
    return UsualChange(
        windows=len(blocks),
        effects=tuple(
            UsualEffect(column=column, aspect=aspect, effect=limit)
            for (column, aspect), limit in sorted(found.items())
        ),
        auc=_auc(read[[name for name, kind in kinds.items() if kind != "time"]], sides, alpha * _CLASSIFIER)
        if classifier
        else None,
    )


def usual_change_of(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    columns: Sequence[Watched],
    number: int,
    held: HeldOut | None = None,
) -> UsualChange:
    """:func:`usual_change` of the data of a model's version ``number``, computed once and kept in the store; nothing is
    known without ``monitoring.drift.usual``.

    :param held: the version's answers to rows that it did not learn from.
    :raises IntegrityError: if the stored data is not what was recorded.
    """
    from airflow_mlops.core.data.reading import read_frame
    from airflow_mlops.core.store.results import keep_first, read_kept

    length, drift = spec.monitoring.window, spec.monitoring.drift
    if not drift.usual:
        return UsualChange(windows=0)
    asked = repr(
        (sorted((one.name, one.kind) for one in columns), length, drift.alpha, drift.classifier, held is None)
    )
    key = f"models/{spec.name}/usual/{number}-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"
    if (kept := read_kept(store, key, UsualChange)) is not None:
        return kept
    frame = read_frame(store, version, columns=[version.event_time, *(one.name for one in columns)])
    predictions = None if held is None else (held.frame[version.event_time], held.scores)
    return keep_first(
        store,
        key,
        usual_change(
            frame,
            frame[version.event_time],
            columns,
            length=length,
            alpha=drift.alpha,
            classifier=drift.classifier,
            predictions=predictions,
        ),
    )


def _blocks(times: pd.Series[Any], length: timedelta) -> list[NDArray[np.int64]]:
    """Rows of each window of this length, counted back from the newest row; at most :data:`MOST_WINDOWS`.

    Windows with less than half of the usual rows are left out: they differ more by chance alone.
    """
    import pandas as pd

    at = pd.to_datetime(times.reset_index(drop=True), utc=True)
    ago = ((at.max() - at) // length).to_numpy(dtype=np.float64)
    known = np.flatnonzero(~np.isnan(ago))
    if not len(known):
        return []
    order = known[np.argsort(ago[known], kind="stable")]
    _, starts, rows = np.unique(ago[order], return_index=True, return_counts=True)
    least = max(_LEAST_ROWS, float(np.median(rows)) / 2)
    blocks = [one for one in np.split(order, starts[1:]) if len(one) >= least]
    if len(blocks) <= MOST_WINDOWS:
        return blocks
    return [blocks[place] for place in np.linspace(0, len(blocks) - 1, MOST_WINDOWS).astype(int)]


def _sides(
    rows: int, block: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the rest and of the window, at most :data:`_MOST_ROWS` of each."""
    outside = np.ones(rows, dtype=np.bool_)
    outside[block] = False
    rest = np.flatnonzero(outside)
    drawn = [np.sort(rng.choice(one, min(len(one), _MOST_ROWS), replace=False)) for one in (rest, block)]
    return drawn[0], drawn[1]


def _effects(
    read: pd.DataFrame, kinds: Mapping[str, Kind], rest: NDArray[np.int64], inside: NDArray[np.int64]
) -> _Effects:
    return {
        (name, move.aspect): move.effect
        for name, kind in kinds.items()
        for move in movements(
            sample_of(read[name].iloc[rest], kind), sample_of(read[name].iloc[inside], kind)
        )
    }


def _of_predictions(
    times: pd.Series[Any],
    answers: NDArray[np.float64],
    length: timedelta,
    alpha: float,
    rng: np.random.Generator,
) -> _Effects:
    import pandas as pd

    blocks = _blocks(times, length)
    if len(blocks) < LEAST_WINDOWS:
        return {}
    read = pd.DataFrame({PREDICTION: answers})
    found = [_effects(read, {PREDICTION: "number"}, *_sides(len(read), block, rng)) for block in blocks]
    return _limits(found, alpha)


def _limits(effects: Sequence[_Effects], alpha: float) -> _Effects:
    """From the effects of each window the limit of each column and aspect."""
    names = sorted({name for one in effects for name in one})
    table = np.array([[one.get(name, 0.0) for name in names] for one in effects])
    tests = max(1, sum(aspect == "values" for _, aspect in names))
    limits = {}
    for place, (column, aspect) in enumerate(names):
        usual = float(np.sort(table[:, place])[-2 if len(table) >= _ODD_FROM else -1])
        if aspect == "values":
            usual = max(usual, _beyond(table[:, place], alpha / tests))
        limits[column, aspect] = usual
    return limits


def _beyond(shares: NDArray[np.float64], alpha: float) -> float:
    """What one more of these shares exceeds with a probability of ``alpha``: Student's prediction limit of log odds."""
    from scipy.stats import t

    inside = np.clip(shares, _NOTHING, 1 - _NOTHING)
    odds = np.log(inside / (1 - inside))
    size = len(odds)
    limit = odds.mean() + t.isf(alpha, size - 1) * odds.std(ddof=1) * math.sqrt(1 + 1 / size)
    return float(1 / (1 + np.exp(-limit)))


def _auc(
    read: pd.DataFrame, sides: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], alpha: float
) -> float | None:
    places = np.linspace(0, len(sides) - 1, min(len(sides), _CLASSIFIED)).astype(int)
    found = [
        told.auc
        for rest, inside in (sides[place] for place in places)
        if (told := tell_apart(read.iloc[rest], read.iloc[inside])) is not None
    ]
    if len(found) < LEAST_WINDOWS:
        return None
    # As a share: 0 cannot be told apart, 1 completely.
    return (1 + _beyond(np.clip(2 * np.array(found) - 1, 0.0, 1.0), alpha)) / 2
