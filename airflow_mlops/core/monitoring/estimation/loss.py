"""How large the errors of a regression will be once labels come, estimated from the inputs: direct loss estimation.

A second model learns the absolute and the squared error of the champion on held-out rows (DLE; NannyML, "Estimation of
performance of the monitored model"), here bagged regression trees on the raw columns and the prediction. It holds as
long as rows that look alike have errors alike; concept drift can't be seen this way.

The interval is that of what will be measured: the trees of other blocks of time say other means, rows of one leaf
differ, and a period as a whole may be harder than its rows look
(:mod:`~airflow_mlops.core.monitoring.estimation.calibration`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_mlops.core.evaluation.intervals import Interval
from airflow_mlops.core.monitoring.estimation.calibration import periods_of, time_blocks, variance_between

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]

_TREES = 30
_LEAVES, _LEAST_ROWS = 32, 50
_BLOCKS = 30
#: Categories that are told apart; the rest count as missing.
_LEVELS = 200
_QUANTILE = 2.045  # Student's t of 29 degrees, as there are 30 blocks


@dataclass(frozen=True)
class Encoding:
    """A column as numbers: as it is, or each category by the mean error of its rows (``levels``)."""

    name: str
    levels: Mapping[str, float] | None

    def __call__(self, frame: pd.DataFrame) -> Floats:
        """The column of ``frame``, NaN where it is missing or unknown."""
        import pandas as pd

        if self.name not in frame.columns:
            return np.full(len(frame), math.nan)
        column = frame[self.name]
        if self.levels is None:
            numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            numbers[~np.isfinite(numbers)] = math.nan
            return np.asarray(numbers, dtype=np.float64)
        return np.asarray(column.map(_text).map(self.levels), dtype=np.float64)


@dataclass(frozen=True)
class LossModel:
    """What errors to expect.

    :param trees: each fitted to blocks of time that were drawn with replacement.
    :param spread: standard deviation by which the mean loss of a whole period is off, as a share of it: absolute and
        squared errors.
    """

    encodings: tuple[Encoding, ...]
    trees: tuple[Any, ...]
    spread: tuple[float, float]

    def estimate(self, frame: pd.DataFrame, scores: Floats) -> dict[str, Interval]:
        """``mae`` and ``rmse`` to expect of these rows, with 95 % intervals."""
        if not len(scores):
            return {}
        inputs = _inputs(frame, scores, self.encodings)
        means, noise = zip(*(_of_tree(tree, inputs) for tree in self.trees), strict=True)
        value = np.mean(means, axis=0)
        variance = np.var(means, axis=0, ddof=1) + np.mean(noise, axis=0)
        found = {}
        for place, name in enumerate(("mae", "rmse")):
            share = math.sqrt(variance[place]) / value[place] if value[place] > 0 else 0.0
            factor = math.exp(_QUANTILE * math.hypot(share, self.spread[place]))
            low, middle, high = (float(value[place]) * each for each in (1 / factor, 1.0, factor))
            root = math.sqrt if name == "rmse" else float
            found[name] = Interval(root(middle), root(low), root(high))
        return found


def learn_losses(
    frame: pd.DataFrame,
    labels: Floats,
    scores: Floats,
    times: Codes,
    period: timedelta,
    columns: Sequence[str],
) -> LossModel:
    """Learn the errors of held-out rows.

    :param columns: of ``frame``; those that hold neither numbers nor categories are left out.
    :param times: when each row happened, in microseconds.
    """
    from sklearn.tree import DecisionTreeRegressor

    losses = np.stack([np.abs(labels - scores), (labels - scores) ** 2], axis=1)
    encodings = tuple(one for name in columns if (one := _encoding(frame, name, losses[:, 0])) is not None)
    inputs = _inputs(frame, scores, encodings)
    blocks = time_blocks(times, _BLOCKS)
    random = np.random.default_rng(0)
    trees, left_out = [], np.zeros((len(labels), 3))
    for seed in range(_TREES):
        drawn = random.multinomial(int(blocks.max()) + 1, np.full(blocks.max() + 1, 1 / (blocks.max() + 1)))
        weights = drawn[blocks].astype(np.float64)
        used = weights > 0
        tree = DecisionTreeRegressor(
            max_leaf_nodes=_LEAVES, min_samples_leaf=_LEAST_ROWS, random_state=seed
        ).fit(inputs[used], losses[used], sample_weight=weights[used])
        trees.append((tree, _leaves(tree, inputs[used], losses[used], weights[used])))
        left_out[~used, :2] += tree.predict(inputs[~used]) if (~used).any() else 0.0
        left_out[~used, 2] += 1
    return LossModel(encodings, tuple(trees), _spread(losses, left_out, times, period))


def _encoding(frame: pd.DataFrame, name: str, losses: Floats) -> Encoding | None:
    import pandas as pd

    if name not in frame.columns or pd.api.types.is_datetime64_any_dtype(frame[name]):
        return None
    if pd.api.types.is_numeric_dtype(frame[name]):
        return Encoding(name, None)
    texts = frame[name].map(_text)
    means = pd.Series(losses, index=texts.index).groupby(texts).agg(["mean", "size"])
    largest = means.sort_values("size", ascending=False, kind="stable").head(_LEVELS)
    return Encoding(name, {str(level): float(mean) for level, mean in largest["mean"].items()})


def _text(value: object) -> str | None:
    from airflow_mlops.core.training.matrix import level_text

    try:
        text = level_text(value)
    except (TypeError, ValueError):
        return None
    return None if text == "nan" else text


def _inputs(frame: pd.DataFrame, scores: Floats, encodings: Sequence[Encoding]) -> NDArray[np.float32]:
    return np.stack([scores, *(one(frame) for one in encodings)], axis=1).astype(np.float32)


def _leaves(tree: Any, inputs: Any, losses: Floats, weights: Floats) -> Floats:
    """The variance of both losses in each leaf."""
    places = tree.apply(inputs)
    total = np.maximum(np.bincount(places, weights=weights), 1.0)
    found = []
    for one in losses.T:
        means = np.bincount(places, weights=weights * one) / total
        found.append(np.bincount(places, weights=weights * one**2) / total - means**2)
    return np.maximum(np.stack(found, axis=1), 0.0)


def _of_tree(tree: tuple[Any, Floats], inputs: Any) -> tuple[Floats, Floats]:
    """The mean losses that one tree expects, and the variance of the means from rows of one leaf."""
    fitted, variances = tree
    places = fitted.apply(inputs)
    means = fitted.tree_.value[places, :, 0].mean(axis=0)
    return means, variances[places].sum(axis=0) / len(places) ** 2


def _spread(losses: Floats, left_out: Floats, times: Codes, period: timedelta) -> tuple[float, float]:
    """By which share periods are harder than the trees that did not see them say, beyond chance."""
    known = left_out[:, 2] > 0
    if known.sum() < 2 * _LEAST_ROWS:
        return 0.0, 0.0
    blocks, share = periods_of(times[known], period)
    rows = np.bincount(blocks)
    used = rows >= 10
    if used.sum() < 3:
        return 0.0, 0.0
    found = []
    for place in (0, 1):
        expected = left_out[known, place] / left_out[known, 2]
        excess = losses[known, place] - expected
        scale = max(float(expected.mean()), 1e-300)
        noise = max(float(excess.var()), 1e-300)
        effects = np.bincount(blocks, weights=excess)[used] / rows[used] / scale
        found.append(
            math.sqrt(variance_between(effects, np.asarray(rows[used] * (scale**2 / noise))) * share)
        )
    return found[0], found[1]
