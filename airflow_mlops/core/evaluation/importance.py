"""Which features move the predictions, over many rows and in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.evaluation.analysis import FeatureImportance, Importance
from airflow_mlops.core.training.inputs import rows_frame
from airflow_mlops.core.training.predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd

_LEAST_ROWS, _MOST_ROWS = 100, 5_000
#: Rows times bytes of the model that are explained: bounds the time, which grows with the nodes of the trees, to about
#: a second.
_MOST_WORK = 600_000_000
#: Rows times features: bounds the memory of a wide model.
_MOST_CELLS = 2_000_000
#: Features in the record.
_MOST_FEATURES = 200
#: The name of the part of a prediction that no feature explains: the mean over the training rows.
BIAS = "(bias)"


def importance_of(predictor: Predictor, frame: pd.DataFrame, *, seed: int) -> Importance:
    """Mean absolute SHAP contributions on a sample of the rows, and shares of the gain in training.

    Contributions are exact Shapley values of the trees, in the margin of the model (log odds for binary). Lundberg et
    al., "From local explanations to global understanding with explainable AI for trees", 2020.

    :param frame: rows with the raw columns of the model.
    :param seed: of the sample.
    """
    import numpy as np

    names = predictor.trained.signature.features
    work = min(_MOST_WORK // predictor.trained.size, _MOST_CELLS // len(names))
    size = min(len(frame), max(_LEAST_ROWS, min(_MOST_ROWS, work)))
    chosen = np.sort(np.random.default_rng(seed).choice(len(frame), size, replace=False))
    mean = np.abs(predictor.contributions(frame.iloc[chosen])[:, :-1]).mean(axis=0)
    gains = predictor.gains()
    total = sum(gains.values()) or 1.0
    features = [
        FeatureImportance(feature=name, contribution=float(one), gain=gains.get(name, 0.0) / total)
        for name, one in zip(names, mean, strict=True)
    ]
    features.sort(key=lambda one: (-one.contribution, -one.gain))
    return Importance(features=tuple(features[:_MOST_FEATURES]), rows=size)


def contributions(predictor: Predictor, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Why the model answers what it answers: for each row, what each feature adds to the margin, the largest first.

    ``(bias)`` is what the model says without any feature. The sum of a row is the margin: the log odds of its
    prediction, or the prediction of a regression.

    :param rows: as in a request.
    :raises RequestError: for rows that a request can't carry.
    """
    predictor.check_rows(rows)
    signature = predictor.trained.signature
    found = predictor.contributions(rows_frame(rows, signature.inputs))
    told = []
    for values in found.tolist():
        named = dict(zip([*signature.features, BIAS], values, strict=True))
        told.append(dict(sorted(named.items(), key=lambda pair: -abs(pair[1]))))
    return told
