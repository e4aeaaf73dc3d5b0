"""XGBoost in memory, on the CPU, with a fixed seed: the same rows give the same bytes on any number of
cores.
"""

from __future__ import annotations

import math
import re
import warnings
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.training.base import Fitted, Part

if TYPE_CHECKING:
    import xgboost

    from airflow_mlops.spec import Training

_OBJECTIVES = {"binary": "binary:logistic", "regression": "reg:squarederror"}
_BOOSTERS = ("gbtree", "dart")
_LINES = 10
_UNUSED = re.compile(r"Parameters: \{ (.*?) \} are not used")


class XGBoostTrainer:
    """See :class:`~airflow_mlops.core.training.base.Trainer`.

    :param threads: cores to use; 0 leaves it to XGBoost, which heeds ``OMP_NUM_THREADS`` and the limits of a
        container. They do not change the model.
    """

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads

    def fit(
        self,
        settings: Training,
        train: Part,
        validation: Part | None,
        *,
        names: tuple[str, ...],
        types: tuple[str, ...],
        progress: Progress,
    ) -> Fitted:
        """See :meth:`~airflow_mlops.core.training.base.Trainer.fit`."""
        import xgboost

        params = self._params(settings)
        if train.offset:
            params.setdefault("base_score", _natural_share(train))
        try:
            _require_known(params, names, types)
            watched = self._watched(train, validation, names, types)
            if validation is None:
                _started(watched[0][0], train, params)
            booster = xgboost.train(
                params,
                _started(self._matrix(train, names, types), train, params) if validation else watched[0][0],
                settings.rounds,
                evals=watched,
                early_stopping_rounds=settings.early_stopping,
                verbose_eval=False,
                callbacks=[_reporter(settings.rounds, progress)],
            )
            if settings.early_stopping is not None:
                booster = booster[: booster.best_iteration + 1]
                progress(
                    f"stopped early: round {booster.num_boosted_rounds()} of {settings.rounds} is the best"
                )
            return Fitted("xgboost", bytes(booster.save_raw("ubj")), booster.num_boosted_rounds())
        except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
            raise TrainingError("XGBoost refuses", given=_first_line(error)) from error

    def _params(self, settings: Training) -> dict[str, Any]:
        fixed = {
            "objective": _OBJECTIVES[settings.objective],
            "seed": settings.seed,
            "nthread": self._threads,
        }
        return {"tree_method": "hist", **settings.params, **fixed}

    def _matrix(self, part: Part, names: tuple[str, ...], types: tuple[str, ...]) -> xgboost.DMatrix:
        import xgboost

        return xgboost.DMatrix(
            part.values,
            label=part.labels,
            feature_names=list(names),
            feature_types=list(types),
            enable_categorical=True,
            nthread=self._threads,
        )

    def _watched(
        self, train: Part, validation: Part | None, names: tuple[str, ...], types: tuple[str, ...]
    ) -> list[tuple[xgboost.DMatrix, str]]:
        """The part whose metric is reported: validation if there is one."""
        if validation is None:
            return [(self._matrix(train, names, types), "train")]
        return [(self._matrix(validation, names, types), "validation")]


def _natural_share(train: Part) -> float:
    """The share of label 1 before the part was resampled."""
    ones = float(train.labels.sum())
    odds = ones / (len(train.labels) - ones) * math.exp(-train.offset)
    return odds / (1 + odds)


def _started(matrix: xgboost.DMatrix, train: Part, params: dict[str, Any]) -> xgboost.DMatrix:
    """The matrix of resampled rows, which start at the moved odds; other rows start at ``base_score``."""
    import numpy as np

    if train.offset:
        share = float(params["base_score"])
        start = math.log(share / (1 - share)) + train.offset
        matrix.set_base_margin(np.full(len(train.labels), start, dtype=np.float32))
    return matrix


def _require_known(params: dict[str, Any], names: tuple[str, ...], types: tuple[str, ...]) -> None:
    """XGBoost only warns of an unknown parameter; one round on two rows asks it before the long work."""
    import numpy as np
    import xgboost

    if params.get("booster", _BOOSTERS[0]) not in _BOOSTERS:
        raise TrainingError(
            "booster can't be served", given=params["booster"], expected=" or ".join(_BOOSTERS)
        )

    probe = xgboost.DMatrix(
        np.zeros((2, len(names)), dtype=np.float32),
        label=np.array([0.0, 1.0]),
        feature_names=list(names),
        feature_types=list(types),
        enable_categorical=True,
        nthread=1,
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        xgboost.train({**params, "nthread": 1}, probe, 1)
    unused = [
        match.group(1) for one in said if (match := _UNUSED.search(str(one.message).replace("\n", " ")))
    ]
    if unused:
        raise TrainingError(
            "XGBoost does not know a parameter in training.params",
            given=", ".join(unused).replace('"', ""),
            expected="parameters of its documentation, e.g. max_depth, learning_rate, subsample",
        )


def _reporter(rounds: int, progress: Progress) -> Any:
    """A callback that says the watched metric about ten times, and at the end."""
    import xgboost

    every = max(1, rounds // _LINES)

    class Reporter(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if (epoch + 1) % every == 0 or epoch + 1 == rounds:
                part, metrics = next(iter(evals_log.items()))
                name, values = list(metrics.items())[-1]
                progress(f"round {epoch + 1} of {rounds}: {name} {values[-1]:.4f} on the {part} part")
            return False

    return Reporter()


def _first_line(error: Exception) -> str:
    """XGBoost's own reason, without its time, its source line and its stack."""
    lines = [
        line for line in str(error).splitlines() if line.strip() and not line.startswith(("Stack", "  ["))
    ]
    return re.sub(r"^\[.*?\] \S+: ", "", lines[0] if lines else type(error).__name__)[:300]
