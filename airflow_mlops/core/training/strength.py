"""How well one feature alone ranks the labels, without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_BINS = 64
_FOLDS = 5
#: Rows of the overall mean that each group's mean starts from, so that rare groups say little.
_PRIOR = 10.0


def strength(feature: pd.Series, labels: NDArray[np.float64], objective: str) -> float:
    """The better of two rankings of the rows by one feature: its own order, and means of the label by value.

    For ``binary`` that is the AUC (Mann-Whitney, ties count half). For ``regression`` it is ``(1 + |rho|) / 2`` with
    Spearman's rho: 0.5 for nothing, 1 for a perfect order, as the AUC. Means of the label come from other rows (five
    folds), over categories or over bins of equal mass; missing values are a group of their own.

    :param labels: one number per row, of at least two values.
    :return: 0.5 to 1.
    """
    import numpy as np

    goal = labels if objective == "binary" else ranks(labels)
    codes, order = _groups(feature)
    found = 0.5 if order is None else _agreement(order, goal, objective)
    best = max(found, 1 - found)
    encoded = _out_of_fold_means(codes, goal)
    return float(np.clip(max(best, _agreement(encoded, goal, objective)), 0.5, 1.0))


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, the mean of their places for equal values."""
    import numpy as np

    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: NDArray[np.float64] = (last - (counts - 1) / 2)[places.reshape(-1)]
    return middle


def _agreement(score: NDArray[np.float64], goal: NDArray[np.float64], objective: str) -> float:
    """0 to 1: how well ``score`` orders the rows as ``goal`` does; 0.5 is chance."""
    import numpy as np

    ranked = ranks(score)
    if objective == "binary":
        positive = goal == 1
        ones, zeros = int(positive.sum()), int((~positive).sum())
        return float((ranked[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))
    if np.ptp(ranked) == 0:
        return 0.5
    return float((1 + np.corrcoef(ranked, goal)[0, 1]) / 2)


def _groups(feature: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """The group of each row, missing values in group 0; and the rows' own order, None where values have none."""
    import numpy as np
    import pandas as pd

    if not (pd.api.types.is_numeric_dtype(feature) or pd.api.types.is_bool_dtype(feature)):
        codes, _ = pd.factorize(feature.astype(object).map(str, na_action="ignore"))
        return codes.astype(np.int64) + 1, None
    numbers = feature.to_numpy(dtype=np.float64, na_value=np.nan)
    missing = np.isnan(numbers)
    order = ranks(np.where(missing, -np.inf, numbers))
    present = numbers[~missing]
    codes = np.zeros(len(numbers), dtype=np.int64)
    if len(present):
        distinct = np.unique(present)
        few = len(distinct) <= _BINS
        # nothing lies between infinities
        between: Literal["linear", "lower"] = "linear" if np.isfinite(distinct[[0, -1]]).all() else "lower"
        edges = (
            distinct if few else np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1), method=between))
        )
        codes[~missing] = np.searchsorted(edges, present, side="right")
    return codes, order


def _out_of_fold_means(codes: NDArray[np.int64], goal: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each row the mean of ``goal`` over the rows of its group in the other folds."""
    import numpy as np

    groups = int(codes.max()) + 1
    fold = np.arange(len(codes)) % _FOLDS
    means = np.empty(len(codes))
    for number in range(_FOLDS):
        inside = fold == number
        others, values = codes[~inside], goal[~inside]
        prior = values.mean() if len(values) else 0.5
        sums = np.bincount(others, weights=values, minlength=groups) + _PRIOR * prior
        counts = np.bincount(others, minlength=groups) + _PRIOR
        # Relative to its own fold's mean: the folds differ a little in it, and that is no order.
        means[inside] = (sums / counts)[codes[inside]] - prior
    return np.round(means, 12)
