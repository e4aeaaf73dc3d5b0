"""Early stopping that goes on where an earlier try of the same training was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.core.training.checkpoints import History

if TYPE_CHECKING:
    import xgboost


def early_stopping(rounds: int, before: History) -> xgboost.callback.TrainingCallback:
    """XGBoost's early stopping, which has seen ``before`` already.

    :param rounds: how many rounds without gain end the training.
    """
    import xgboost

    class Stopping(xgboost.callback.EarlyStopping):
        def __init__(self) -> None:
            super().__init__(rounds=rounds)
            self._over = False

        def before_training(self, model: Any) -> Any:
            super().before_training(model)
            done, self.starting_round = self.starting_round, 0
            for number in range(done):
                self._over = super().after_iteration(model, number, _after(before, number))
            self.starting_round = done
            return model

        def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return self._over

    return Stopping()


def _after(history: History, number: int) -> Any:
    """The values after round ``number``, as XGBoost hands them to callbacks: the last one counts."""
    return {
        part: {name: [values[number]] for name, values in metrics.items()}
        for part, metrics in history.items()
    }
