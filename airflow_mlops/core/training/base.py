"""What the lifecycle asks of a trainer, wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from airflow_mlops.core.progress import Progress
from airflow_mlops.core.training.artifact import Resampled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from airflow_mlops.spec import Training


@dataclass(frozen=True)
class Part:
    """Rows to learn from, or to stop early by.

    :param values: rows x features, float32, NaN for missing; categories as numbers of their levels.
    :param labels: one number per row; 0 or 1 for a binary objective.
    :param offset: by how much resampling moved the log-odds of label 1. A trainer starts these rows so much higher, and
        the model that it returns answers without it.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.float64]
    offset: float = 0.0


@dataclass(frozen=True)
class Fitted:
    """A fitted model.

    :param framework: which predictor can load it, e.g. ``xgboost``.
    :param artifact: the model in the framework's own safe format; never a pickle.
    :param rounds: how many rounds it kept.
    :param augmentation: how the training part was resampled before.
    """

    framework: str
    artifact: bytes
    rounds: int
    augmentation: Resampled | None = None


@runtime_checkable
class Trainer(Protocol):
    """Fits a model. The same arguments give the same artifact, byte for byte.

    Implementations: :class:`~airflow_mlops.core.training.xgboost_trainer.XGBoostTrainer`.
    """

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
        """Fit on ``train``; with ``settings.early_stopping``, keep the rounds that are best on
        ``validation``.

        :param names: names of the features, in the order of the columns.
        :param types: ``q`` for a number, ``c`` for a category, for each feature.
        :raises TrainingError: if a parameter is unknown or the framework refuses.
        """
        ...
