"""Move a model's answers so that they are right on average over rows that were not resampled."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.training.base import Fitted, Part
from airflow_mlops.core.training.predictor import load_booster, score_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS = 50
_CLOSE = 1e-9


def centre(fitted: Fitted, natural: Part) -> tuple[Fitted, float]:
    """The model with its log-odds moved by one number, and that number.

    Synthetic rows are not drawn as real ones are: after the known change of the odds is taken out, a model of them can
    still say too little or too much everywhere. The order of the answers stays.

    :param natural: the training part as it was.
    """
    scores = score_matrix(load_booster(fitted.framework, fitted.artifact, "the model"), natural.values)
    shift = _shift(scores, float(natural.labels.mean()))
    return replace(fitted, artifact=_moved(fitted.artifact, shift)), shift


def _shift(scores: NDArray[np.float64], share: float) -> float:
    """What to add to the log-odds so that the mean probability is ``share`` (Newton's method, bounded steps)."""
    inside = np.clip(scores, 1e-7, 1 - 1e-7)
    odds = np.log(inside / (1 - inside))
    shift = 0.0
    for _ in range(_STEPS):
        now = 1 / (1 + np.exp(-(odds + shift)))
        step = (share - float(now.mean())) / max(float((now * (1 - now)).mean()), 1e-9)
        shift += min(1.0, max(-1.0, step))
        if abs(step) < _CLOSE:
            break
    return shift


def _moved(artifact: bytes, shift: float) -> bytes:
    """The booster with another ``base_score``, which XGBoost keeps as a probability and offers no way to set later."""
    import xgboost

    model = json.loads(bytes(xgboost.Booster(model_file=bytearray(artifact)).save_raw("json")))
    parameters = model["learner"]["learner_model_param"]
    base = float(str(parameters["base_score"]).strip("[]"))
    moved = 1 / (1 + math.exp(-(math.log(base / (1 - base)) + shift)))
    parameters["base_score"] = f"[{moved!r}]"
    return bytes(xgboost.Booster(model_file=bytearray(json.dumps(model).encode())).save_raw("ubj"))
