"""XGBoost in memory, on the CPU, with a fixed seed: the same rows give the same bytes on any number of
cores.
"""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.training.base import Fitted, Part
from airflow_mlops.core.training.checkpoints import Checkpoint, Checkpoints, identity_of, newest, saver
from airflow_mlops.core.training.early_stopping import early_stopping
from airflow_mlops.core.training.shards import Shard, require_agreement, together

if TYPE_CHECKING:
    import xgboost

    from airflow_mlops.spec import Training

_OBJECTIVES = {"binary": "binary:logistic", "regression": "reg:squarederror"}
_BOOSTERS = ("gbtree", "dart")
_LINES = 10
_UNUSED = re.compile(r"Parameters: \{ (.*?) \} are not used")


@dataclass(frozen=True)
class _Task:
    """The arguments of one fit, and XGBoost's parameters for it."""

    settings: Training
    params: dict[str, Any]
    train: Part
    validation: Part | None
    names: tuple[str, ...]
    types: tuple[str, ...]
    progress: Progress


class XGBoostTrainer:
    """See :class:`~airflow_mlops.core.training.base.Trainer`.

    :param threads: cores to use; 0 leaves it to XGBoost, which heeds ``OMP_NUM_THREADS`` and the limits of a
        container. They do not change the model.
    :param shard: the share of this machine, where several train together.
    :param checkpoints: where another try finds what this one has done.
    """

    def __init__(
        self, threads: int = 0, *, shard: Shard | None = None, checkpoints: Checkpoints | None = None
    ) -> None:
        self._threads = threads
        self._shard = shard or Shard()
        self._checkpoints = checkpoints

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
        task = _Task(settings, params, train, validation, names, types, progress)
        try:
            _require_known(params, names, types)
            with together(self._shard):
                booster = self._boosted(task)
                raw = bytes(booster.save_raw("ubj"))
                require_agreement(self._shard, raw)
            return Fitted("xgboost", raw, booster.num_boosted_rounds())
        except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
            raise TrainingError("XGBoost refuses", given=_first_line(error)) from error

    def _boosted(self, task: _Task) -> xgboost.Booster:
        import xgboost

        settings = task.settings
        past, saving = self._past(task)
        own = self._shard.of(task.train)
        matrix = _started(self._matrix(own, task), own, task.params)
        callbacks = [_reporter(settings.rounds, past.rounds, task.progress), *saving]
        if settings.early_stopping is not None:
            callbacks.append(early_stopping(settings.early_stopping, past.history))
        booster = xgboost.train(
            task.params,
            matrix,
            settings.rounds - past.rounds,
            evals=[self._watched(matrix, task)],
            verbose_eval=False,
            xgb_model=bytearray(past.booster) if past.rounds else None,
            callbacks=callbacks,
        )
        if settings.early_stopping is not None:
            booster = booster[: booster.best_iteration + 1]
            task.progress(
                f"stopped early: round {booster.num_boosted_rounds()} of {settings.rounds} is the best"
            )
        return booster

    def _past(self, task: _Task) -> tuple[Checkpoint, list[xgboost.callback.TrainingCallback]]:
        """What an earlier try has done, and the callback that keeps what this one does."""
        nothing = Checkpoint(0, {}, b"")
        if self._checkpoints is None:
            return nothing, []
        identity = identity_of(
            task.settings, task.train, task.validation, names=task.names, count=self._shard.count
        )
        past = newest(self._checkpoints, identity, self._shard) or nothing
        if past.rounds:
            task.progress(f"going on after round {past.rounds} of {task.settings.rounds}, from a checkpoint")
        return past, [saver(self._checkpoints, identity, past.history, self._shard)]

    def _params(self, settings: Training) -> dict[str, Any]:
        fixed = {
            "objective": _OBJECTIVES[settings.objective],
            "seed": settings.seed,
            "nthread": self._threads,
        }
        return {"tree_method": "hist", **settings.params, **fixed}

    def _matrix(self, part: Part, task: _Task) -> xgboost.DMatrix:
        import xgboost

        return xgboost.DMatrix(
            part.values,
            label=part.labels,
            feature_names=list(task.names),
            feature_types=list(task.types),
            enable_categorical=True,
            nthread=self._threads,
        )

    def _watched(self, train: xgboost.DMatrix, task: _Task) -> tuple[xgboost.DMatrix, str]:
        """The part whose metric is reported: validation if there is one.

        Machines that train together watch all of it each: a mean over shards would be another metric.
        """
        if task.validation is None:
            return train, "train"
        return self._matrix(task.validation, task), "validation"


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


def _reporter(rounds: int, done: int, progress: Progress) -> xgboost.callback.TrainingCallback:
    """A callback that says the watched metric about ten times, and at the end.

    :param done: rounds of an earlier try.
    """
    import xgboost

    every = max(1, rounds // _LINES)

    class Reporter(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            number = done + epoch + 1
            if number % every == 0 or number == rounds:
                part, metrics = next(iter(evals_log.items()))
                name, values = list(metrics.items())[-1]
                progress(f"round {number} of {rounds}: {name} {values[-1]:.4f} on the {part} part")
            return False

    return Reporter()


def _first_line(error: Exception) -> str:
    """XGBoost's own reason, without its time, its source line and its stack."""
    lines = [
        line for line in str(error).splitlines() if line.strip() and not line.startswith(("Stack", "  ["))
    ]
    return re.sub(r"^\[.*?\] \S+: ", "", lines[0] if lines else type(error).__name__)[:300]
