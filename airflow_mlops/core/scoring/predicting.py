"""From rows to predictions: by a model in this process, by the fallback rule, or as another machine has answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import EndpointError, FeatureError
from airflow_mlops.core.scoring.choosing import Choice
from airflow_mlops.core.scoring.sifting import MOST_FAILED
from airflow_mlops.core.serving.fallback import apply_rule
from airflow_mlops.core.store import Store
from airflow_mlops.spec import Fallback

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from airflow_mlops.core.training.predictor import Predictor


@dataclass(frozen=True)
class Predictions:
    """What was made of some rows.

    :param values: one for each row; of those that failed it means nothing.
    :param failed: why, by the place of a row.
    """

    values: NDArray[np.float64]
    failed: dict[int, str] = field(default_factory=dict)


Predict = Callable[["pa.RecordBatch"], Predictions]


def predictor_of(store: Store, choice: Choice) -> Predict:
    """What predicts in this process.

    :raises MlopsError: if the model can't be loaded.
    """
    if choice.rule is not None:
        return _by_rule(choice.rule)
    if choice.record is None:
        raise ValueError("nobody was chosen to predict")
    from airflow_mlops.core.training.predictor import Predictor

    return _Local(Predictor.load(store, choice.record.trained))


def answered(values: Iterator[float]) -> Predict:
    """What another machine has answered for all rows that fit, in their order."""

    def predict(rows: pa.RecordBatch) -> Predictions:
        from itertools import islice

        import numpy as np

        found = np.fromiter(islice(values, len(rows)), dtype=np.float64)
        if len(found) != len(rows):
            raise EndpointError(
                "batch predictions are fewer than the rows", given="an end", expected=f"{len(rows)} more"
            )
        return Predictions(found)

    return predict


def _by_rule(rule: Fallback) -> Predict:
    def predict(rows: pa.RecordBatch) -> Predictions:
        import numpy as np

        asked = rows.select([rule.by]).to_pylist() if rule.by else [{}] * len(rows)
        return Predictions(np.array(apply_rule(rule, asked), dtype=np.float64))

    return predict


class _Local:
    """A model in this process. Rows on which it fails are found by halves, up to a number; beyond it fails."""

    def __init__(self, model: Predictor) -> None:
        self._model = model
        self._left = MOST_FAILED

    def __call__(self, rows: pa.RecordBatch) -> Predictions:
        """One prediction per row. :raises FeatureError: if the model fails on too many of them."""
        import numpy as np

        values = np.zeros(len(rows), dtype=np.float64)
        failed: dict[int, str] = {}
        self._predict(rows, 0, values, failed)
        return Predictions(values, failed)

    def _predict(
        self, rows: pa.RecordBatch, start: int, values: NDArray[np.float64], failed: dict[int, str]
    ) -> None:
        try:
            frame = rows.to_pandas(date_as_object=False)
            values[start : start + len(rows)] = self._model.predict_frame(frame)
        except FeatureError as error:
            if not self._left:
                raise
            if len(rows) == 1:
                self._left -= 1
                failed[start] = str(error)
                return
            half = len(rows) // 2
            self._predict(rows.slice(0, half), start, values, failed)
            self._predict(rows.slice(half), start + half, values, failed)
