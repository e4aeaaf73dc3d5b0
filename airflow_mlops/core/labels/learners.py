"""Families of models that predict each row from the others; where several vote, the errors of one are outvoted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_mlops.core.errors import DataError, PlatformError
from airflow_mlops.core.progress import Progress, ignore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_mlops.spec import Training

#: Takes values and labels (0 .. K-1) to learn from, and values to predict; returns probabilities by class.
Learner = Callable[["NDArray[Any]", "NDArray[np.int64]", "NDArray[Any]"], "NDArray[np.float64]"]

_TREES = 100
_NEIGHBOURS = 10
_MOST_LEVELS = 50


def out_of_fold(
    values: NDArray[Any],
    labels: NDArray[np.int64],
    learners: Sequence[Learner],
    *,
    folds: int,
    seed: int,
    progress: Progress = ignore,
) -> NDArray[np.float64]:
    """Probabilities of each row by models that did not see it, the mean over the families.

    Folds are drawn at random, by class, and not by time: the question is what this row's label should have been, and
    rows of the same days know most about it. Equal rows share a fold, so that they do not vouch for one another.

    :param values: n x features, NaN for missing.
    :param labels: 0 .. K-1.
    :raises DataError: if a class has fewer distinct rows than there are folds.
    """
    fold = _folds(values, labels, folds, seed)
    found = np.zeros((len(labels), int(labels.max()) + 1))
    for number in range(folds):
        inside = fold == number
        for learner in learners:
            found[inside] += learner(values[~inside], labels[~inside], values[inside])
        progress(f"predicted part {number + 1} of {folds} from the others")
    return found / len(learners)


def _folds(values: NDArray[Any], labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    rows = np.ascontiguousarray(values)
    whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, group = np.unique(whole, return_index=True, return_inverse=True)
    fold = np.empty(len(first), dtype=np.int64)
    random = np.random.default_rng(seed)
    for one in np.unique(labels):
        members = np.flatnonzero(labels[first] == one)
        if len(members) < folds:
            raise DataError(
                f"label {one} has too few rows to be predicted from the others",
                given=f"{len(members)} distinct rows",
                expected=f"at least labels.folds, {folds}",
                remedy="take a longer time range, or fewer folds",
            )
        fold[random.permutation(members)] = np.arange(len(members)) % folds
    found: NDArray[np.int64] = fold[group.ravel()]
    return found


def families(categorical: Sequence[int] = (), seed: int = 0) -> tuple[Learner, ...]:
    """Logistic regression, extremely randomized trees and nearest neighbours: they err in different ways.

    :param categorical: places of the columns that are categories.
    :raises PlatformError: if scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import ExtraTreesClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier
    except ImportError:
        raise PlatformError(
            "the label audit needs scikit-learn", remedy="pip install 'airflow-mlops[xgboost,audit]'"
        ) from None
    makers: tuple[Callable[[int], Any], ...] = (
        lambda rows: LogisticRegression(C=0.1, max_iter=300),
        lambda rows: ExtraTreesClassifier(_TREES, random_state=seed),
        lambda rows: KNeighborsClassifier(min(_NEIGHBOURS, rows), weights="distance"),
    )
    return tuple(_learner(make, tuple(categorical)) for make in makers)


def _learner(make: Callable[[int], Any], categorical: tuple[int, ...]) -> Learner:
    def learn(values: NDArray[Any], labels: NDArray[np.int64], asked: NDArray[Any]) -> NDArray[np.float64]:
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        numbers = [place for place in range(values.shape[1]) if place not in categorical]
        scaled = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
        levels = OneHotEncoder(
            handle_unknown="infrequent_if_exist", max_categories=_MOST_LEVELS, sparse_output=False
        )
        prepare = ColumnTransformer([("n", scaled, numbers), ("c", levels, list(categorical))])
        model = make_pipeline(prepare, make(len(values)))
        model.fit(values, labels)
        found = np.zeros((len(asked), int(labels.max()) + 1))
        found[:, model[-1].classes_] = model.predict_proba(asked)
        return found

    return learn


def boosted(settings: Training, types: Sequence[str]) -> Learner:
    """XGBoost with the parameters of a spec, for two classes; where it stops early, by a tenth of the rows.

    :param types: ``q`` for a number, ``c`` for a category, for each column.
    """
    plain = settings.model_copy(update={"augmentation": None})
    names = tuple(f"f{place}" for place in range(len(types)))

    def learn(values: NDArray[Any], labels: NDArray[np.int64], asked: NDArray[Any]) -> NDArray[np.float64]:
        from airflow_mlops.core.training.base import Part
        from airflow_mlops.core.training.predictor import load_booster, score_matrix
        from airflow_mlops.core.training.xgboost_trainer import XGBoostTrainer

        held = np.zeros(len(labels), dtype=bool)
        if plain.early_stopping is not None:
            held = np.random.default_rng(plain.seed).random(len(labels)) < 0.1
        parts = [Part(values[rows], labels[rows].astype(np.float64)) for rows in (~held, held)]
        fitted = XGBoostTrainer().fit(
            plain,
            parts[0],
            parts[1] if held.any() else None,
            names=names,
            types=tuple(types),
            progress=ignore,
        )
        positive = score_matrix(load_booster(fitted.framework, fitted.artifact, "label audit"), asked)
        return np.column_stack([1 - positive, positive])

    return learn
