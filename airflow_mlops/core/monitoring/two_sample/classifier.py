"""Can rows of one side be told from rows of the other? A change that no column shows alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    import xgboost

Floats = NDArray[np.float64]

#: Rows of either side.
MOST_ROWS = 5_000
#: Columns whose products two by two are looked at; with more, trees alone.
_MOST_PAIRED = 40
_ROUNDS = 80
_TREES = {
    "objective": "binary:logistic",
    "max_depth": 4,
    "eta": 0.1,
    "min_child_weight": 5,
    "subsample": 0.7,
    "colsample_bytree": 0.7,
    "tree_method": "hist",
    "nthread": 1,
}
#: Ridge of the linear model, per training row.
_RIDGE = 0.05
#: Columns that are named: those without which the AUC falls by this share of what it has above chance.
_LEAST_FALL = 0.2
_MOST_NAMED = 5


@dataclass(frozen=True)
class Told:
    """How well the sides were told apart on rows that the classifier did not learn from.

    :param columns: those by which it tells them apart, the strongest first.
    """

    auc: float
    p_value: float
    columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class _Classifier:
    """Trees, and a linear model of ranks and of their products two by two; the ranks of their answers are added."""

    trees: xgboost.Booster
    paired: bool
    weights: Floats

    @classmethod
    def fit(cls, matrix: Floats, side: Floats, *, seed: int) -> _Classifier:
        import xgboost

        trees = xgboost.train(
            {**_TREES, "seed": seed}, xgboost.DMatrix(matrix, side, nthread=1), num_boost_round=_ROUNDS
        )
        trees.set_param({"nthread": 1})
        paired = matrix.shape[1] <= _MOST_PAIRED
        products = _products(matrix) if paired else np.empty((len(matrix), 0))
        # Least squares on balanced targets is Fisher's discriminant.
        balance = np.where(side == 1, 1 / side.mean(), -1 / (1 - side.mean()))
        gram = products.T @ products + _RIDGE * len(products) * np.eye(products.shape[1])
        return cls(trees, paired, np.linalg.solve(gram, products.T @ balance))

    def scores(self, matrix: Floats) -> Floats:
        found = _ranks(np.asarray(self.trees.inplace_predict(matrix), dtype=np.float64))
        return found + _ranks(_products(matrix) @ self.weights) if self.paired else found


def tell_apart(
    reference: pd.DataFrame, current: pd.DataFrame, *, seed: int = 0, level: float = 0.0
) -> Told | None:
    """A classifier that learns from one half of both sides and is tested on the other.

    The test is that of Mann and Whitney (1947) on the held-out half, ties considered: given the scores, the sides of
    its rows are exchangeable if nothing changed, whatever the classifier has learned (Lopez-Paz and Oquab, "Revisiting
    classifier two-sample tests", 2017). Columns are named by how much the AUC falls when they are shuffled.

    :param reference, current: columns of numbers (NaN is missing) and of text, the same on both sides; at most
        :data:`MOST_ROWS` rows of each are taken.
    :param level: with a p-value of at most this much the columns are named: that takes most of the time.
    :return: None without columns or with too few rows to halve.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    sides = [frame.iloc[_drawn(len(frame), rng)] for frame in (reference, current)]
    if min(map(len, sides)) < 4 or not len(reference.columns):
        return None
    names = list(reference.columns)
    matrix = _matrix(pd.concat([side[names] for side in sides], ignore_index=True))
    side = np.repeat([0.0, 1.0], [len(one) for one in sides])
    order = np.concatenate([rng.permutation(np.flatnonzero(side == one)) for one in (0.0, 1.0)])
    learns = np.zeros(len(side), dtype=np.bool_)
    learns[order[::2]] = True  # half of each side
    classifier = _Classifier.fit(matrix[learns], side[learns], seed=seed)
    held, truth = matrix[~learns], side[~learns]
    auc, p_value = auc_of(classifier.scores(held), truth)
    named = _named(classifier, held, truth, auc, names, rng) if p_value <= level else ()
    return Told(auc, p_value, named, len(side))


def auc_of(scores: Floats, side: Floats) -> tuple[float, float]:
    """Area under the ROC curve, and the p-value of one as large by chance: Mann-Whitney with correction for ties."""
    ranks = _mid_ranks(scores)
    n, b = len(side), float(side.sum())
    a = n - b
    auc = (float(ranks[side == 1].sum()) - b * (b + 1) / 2) / (a * b)
    ties = np.unique(scores, return_counts=True)[1].astype(np.float64)
    variance = ((n + 1) - float((ties**3 - ties).sum()) / (n * (n - 1))) / (12 * a * b)
    if variance <= 0:
        return 0.5, 1.0
    return auc, math.erfc((auc - 0.5) / math.sqrt(variance) / math.sqrt(2)) / 2


def _named(
    classifier: _Classifier,
    held: Floats,
    truth: Floats,
    auc: float,
    names: Sequence[str],
    rng: np.random.Generator,
) -> tuple[str, ...]:
    falls = []
    for place, name in enumerate(names):
        shuffled = held.copy()
        shuffled[:, place] = rng.permutation(shuffled[:, place])
        falls.append((auc - auc_of(classifier.scores(shuffled), truth)[0], name))
    falls.sort(key=lambda one: (-one[0], one[1]))
    return tuple(name for fall, name in falls[:_MOST_NAMED] if fall > _LEAST_FALL * max(0.0, auc - 0.5))


def _drawn(rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.choice(rows, min(rows, MOST_ROWS), replace=False))


def _matrix(frame: pd.DataFrame) -> Floats:
    """Rows x columns, NaN where a value is missing: numbers as ranks, as trees hold 32 bits only, and categories as the
    rank of their frequency. Both over both sides together, which knows no side.
    """
    import pandas as pd

    columns = []
    for name in frame.columns:
        values = frame[name]
        if pd.api.types.is_numeric_dtype(values):
            columns.append(_ranked(values.to_numpy(dtype=np.float64)))
            continue
        counts = values.value_counts()
        ordered = sorted(counts.index, key=lambda one: (-int(counts[one]), str(one)))
        places = values.map({one: float(place) for place, one in enumerate(ordered)})
        columns.append(places.to_numpy(dtype=np.float64))
    return np.column_stack(columns)


def _products(matrix: Floats) -> Floats:
    """Ranks of each column between -1 and 1 times the root of 3, missing ones 0, and their products two by two."""
    scaled = np.column_stack([_scaled(column) for column in matrix.T])
    first, second = np.triu_indices(matrix.shape[1])
    products = scaled[:, first] * scaled[:, second]
    return np.hstack([scaled, products - products.mean(axis=0)])


def _scaled(column: Floats) -> Floats:
    return np.nan_to_num((2 * _ranked(column) - 1) * math.sqrt(3))


def _ranked(column: Floats) -> Floats:
    """Ranks of the values that there are; NaN stays."""
    present = ~np.isnan(column)
    found = np.full(len(column), np.nan)
    if present.any():
        found[present] = _ranks(column[present])
    return found


def _ranks(values: Floats) -> Floats:
    """Ranks between 0 and 1, ties in the middle."""
    return (_mid_ranks(values) - 0.5) / len(values)


def _mid_ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[place], dtype=np.float64)
