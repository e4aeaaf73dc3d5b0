"""More rows of the rare class, or fewer of the common one: in the training part only, with probabilities left right.

Resampling moves the odds of the classes by a known factor, and a model that learns from the moved rows would answer
with moved probabilities (Elkan, 2001). So the logarithm of the factor goes along as the training rows' offset (King and
Zeng, 2001): the trainer starts those rows there, the model itself learns what is left, and answers in the natural odds.
Early stopping looks at rows that are not resampled, and so in the natural odds, too. What synthetic rows distort beyond
that is taken out on average by :mod:`~airflow_mlops.core.training.centring`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_mlops.core.errors import DataError, PlatformError, TrainingError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.training.artifact import Resampled
from airflow_mlops.core.training.base import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_mlops.spec import Training


def augment(
    part: Part, settings: Training, types: Sequence[str], progress: Progress = ignore
) -> tuple[Part, Resampled | None]:
    """The training part as ``training.augmentation`` wants it, and what was done; without it, the part itself.

    The same rows and seed give the same result. If the rare class is as frequent as it should be, nothing is done.

    :param types: ``q`` for a number, ``c`` for a category, for each column of the values.
    :raises DataError: if there is one class only, or smote lacks rows or known values to work with.
    :raises TrainingError: for labels other than 0 and 1.
    :raises PlatformError: if imbalanced-learn is not installed and smote needs it.
    """
    wanted = settings.augmentation
    if wanted is None:
        return part, None
    before = _counts(part.labels)
    rare = int(before[1] <= before[0])
    few, many = before[rare], before[1 - rare]
    random = np.random.default_rng(settings.seed)
    more = max(0, round(wanted.ratio * many) - few)
    if not more:
        chosen = part
    elif wanted.method == "oversample":
        again = random.choice(np.flatnonzero(part.labels == rare), more)
        chosen = _with(part, part.values[again], rare)
    elif wanted.method == "undersample":
        kept = random.choice(np.flatnonzero(part.labels != rare), round(few / wanted.ratio), replace=False)
        rows = np.sort(np.concatenate([kept, np.flatnonzero(part.labels == rare)]))
        chosen = Part(part.values[rows], part.labels[rows])
    else:
        chosen = _with(part, _between(part, types, rare, more, wanted.neighbours, settings.seed), rare)
    after = _counts(chosen.labels)
    offset = math.log(after[1] / after[0]) - math.log(before[1] / before[0])
    synthetic = more if wanted.method == "smote" else 0
    progress(
        f"{wanted.method}: labels 0 and 1 had {before[0]:,} and {before[1]:,} rows of the train part, now "
        f"{after[0]:,} and {after[1]:,}"
    )
    told = Resampled(method=wanted.method, before=before, after=after, synthetic=synthetic, offset=offset)
    return Part(chosen.values, chosen.labels, offset), told


def _counts(labels: NDArray[np.float64]) -> tuple[int, int]:
    if not np.isin(labels, (0.0, 1.0)).all():
        raise TrainingError(
            "training.augmentation is about rare classes", expected="labels 0 and 1", remedy="remove it"
        )
    ones = int(labels.sum())
    if not 0 < ones < len(labels):
        raise DataError(
            "training.augmentation needs rows of both labels", given=f"{ones} of {len(labels)} with 1"
        )
    return len(labels) - ones, ones


def _with(part: Part, values: NDArray[np.float32], label: int) -> Part:
    """The part with further rows of one label behind its own."""
    labels = np.full(len(values), float(label))
    return Part(np.concatenate([part.values, values]), np.concatenate([part.labels, labels]))


def _between(
    part: Part, types: Sequence[str], rare: int, more: int, neighbours: int, seed: int
) -> NDArray[np.float32]:
    """New rows between neighbours of the rare class (SMOTE-NC; Chawla and others, 2002).

    Numbers are scaled to their standard deviation, so that a column's unit does not decide who is a neighbour. A
    missing number is a category of its own: a new row lacks it if most of its neighbours do.
    """
    few = int((part.labels == rare).sum())
    if few <= neighbours:
        raise DataError(
            f"smote has too few rows of label {rare}",
            given=f"{few} rows and {neighbours} neighbours",
            expected="more rows than neighbours",
            remedy="lower training.augmentation.neighbours, or use oversample",
        )
    numbers = np.array([kind == "q" for kind in types])
    values = part.values.astype(np.float64)
    missing = np.isnan(values)
    flags = np.flatnonzero(numbers & missing.any(axis=0))
    middle, scale = _scales(values, numbers)
    filled = np.where(missing, middle, values)
    filled[:, numbers] /= scale[numbers]
    table = np.column_stack([filled, missing[:, flags]])
    categories = [*np.flatnonzero(~numbers), *range(len(types), table.shape[1])]
    made = _resample(table, part.labels, categories, {rare: few + more}, neighbours, seed)[len(table) :]
    found = made[:, : len(types)]
    found[:, numbers] *= scale[numbers]
    # the number that stands for a missing category
    found[:, ~numbers] = np.where(found[:, ~numbers] < 0, np.nan, found[:, ~numbers])
    found[:, flags] = np.where(made[:, len(types) :] > 0.5, np.nan, found[:, flags])
    return found.astype(np.float32)


def _scales(
    values: NDArray[np.float64], numbers: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each column what stands in for a missing value, and its standard deviation; of an empty column 0 and 1."""
    middle, scale = np.full(len(numbers), -1.0), np.ones(len(numbers))
    for column in np.flatnonzero(numbers):
        present = values[~np.isnan(values[:, column]), column]
        middle[column] = np.median(present) if len(present) else 0.0
        scale[column] = (present.std() if len(present) else 0.0) or 1.0
    return middle, scale


def _resample(
    table: NDArray[np.float64],
    labels: NDArray[np.float64],
    categories: Sequence[int],
    wanted: dict[int, int],
    neighbours: int,
    seed: int,
) -> NDArray[np.float64]:
    try:
        from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
    except ImportError:
        raise PlatformError(
            "smote needs imbalanced-learn", remedy="pip install 'airflow-mlops[xgboost,audit]'"
        ) from None
    common: dict[str, Any] = {"sampling_strategy": wanted, "k_neighbors": neighbours, "random_state": seed}
    if not categories:
        sampler = SMOTE(**common)
    elif len(categories) == table.shape[1]:
        sampler = SMOTEN(**common)
    else:
        sampler = SMOTENC(categorical_features=list(categories), **common)
    found, _ = sampler.fit_resample(table, labels.astype(np.int64))
    return np.asarray(found, dtype=np.float64)
