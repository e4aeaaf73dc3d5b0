"""From a trained model in the store to predictions: the one inference code, in evaluation and endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.training.artifact import Signature, TrainedModel
from airflow_mlops.core.training.features import FeatureFunction, compute, rebuild
from airflow_mlops.core.training.inputs import RowChecker, raw_frame, rows_frame
from airflow_mlops.core.training.matrix import RowEncoder, feature_types, frame_matrix, require_features

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xgboost
    from numpy.typing import NDArray


class Predictor:
    """A loaded model. Safe to use from many threads; each call uses one core, as servers need it.

    A prediction is the probability of the positive class, or the number of a regression.
    """

    def __init__(
        self, trained: TrainedModel, booster: xgboost.Booster, function: FeatureFunction | None
    ) -> None:
        self.trained = trained
        self._booster = booster
        self._function = function
        self._check = RowChecker(trained.signature)
        self._values, self._encode = _row_path(trained.signature, function)
        self._name = trained.code.name if trained.code else ""

    @classmethod
    def load(cls, store: Store, trained: TrainedModel) -> Predictor:
        """Load a model by its record; artifact and code are checked against their hashes.

        :raises KeyMissing: if the artifact or the code is not stored.
        :raises IntegrityError: if one of them was changed.
        :raises FeatureError: if the feature code fails in this environment.
        :raises RegistryError: if the model is of another framework.
        """
        booster = load_booster(trained.framework, get_bytes(store, trained.artifact), trained.model)
        code = trained.code
        return cls(trained, booster, rebuild(store, code, trained.signature.inputs) if code else None)

    def check_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Check the rows of a request; None and NaN are missing values, which are allowed.

        Columns in the signature's ``allowed`` are ignored, whatever they hold.

        :raises RequestError: for no rows, missing or extra features or wrong types; names the row and the
            feature.
        """
        self._check(rows)

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """One prediction per row. The rows are those that :meth:`check_rows` lets pass.

        :raises FeatureError: if the feature function fails or breaks its contract on them.
        """
        return self._score(self.matrix(rows))

    def matrix(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
        """What the model sees of checked rows of a request: rows x features, NaN for missing."""
        if self._encode is not None:
            return self._encode(rows if self._values is None else self._values(rows))
        return frame_matrix(self.features(rows), self.trained.signature)

    def matrix_of_frame(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """What the model sees of a frame with (at least) the raw columns, as in the training."""
        return frame_matrix(self.frame_features(frame), self.trained.signature)

    def predict_frame(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """One prediction per row of a frame with (at least) the raw columns.

        :raises DataError: if a column is missing or of another type.
        :raises FeatureError: as :meth:`predict`.
        """
        return self._score(self.matrix_of_frame(frame))

    def frame_features(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The features of the rows of a frame with (at least) the raw columns, as :meth:`predict_frame` computes
        them.
        """
        return self._features(raw_frame(frame, self.trained.signature.inputs))

    def features(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """The features of checked rows, as :meth:`predict` computes them."""
        return self._features(rows_frame(rows, self.trained.signature.inputs))

    def contributions(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """What each feature adds to the margin of each row (SHAP): rows x (features + 1), the last one the bias.

        The margin is the sum of a row: the log odds of a binary prediction, or the prediction of a regression.

        :param frame: rows with (at least) the raw columns.
        :raises DataError, FeatureError: as :meth:`predict_frame`.
        """
        import numpy as np
        import xgboost

        signature = self.trained.signature
        features = self._features(raw_frame(frame, signature.inputs))
        matrix = xgboost.DMatrix(
            frame_matrix(features, signature),
            feature_names=list(signature.features),
            feature_types=feature_types(signature),
            enable_categorical=True,
            nthread=1,
        )
        return np.asarray(self._booster.predict(matrix, pred_contribs=True), dtype=np.float64)

    def gains(self) -> dict[str, float]:
        """How much all splits on a feature improved the training loss; features without a split are left out."""
        found = self._booster.get_score(importance_type="total_gain")
        return {name: float(gain) for name, gain in found.items() if isinstance(gain, (int, float))}

    def _features(self, raw: pd.DataFrame) -> pd.DataFrame:
        return raw if self._function is None else compute(self._function, self._name, raw)

    def _score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        return score_matrix(self._booster, matrix)


_Values = Callable[[Sequence[Mapping[str, Any]]], Sequence[Sequence[Any]]]


def _row_path(
    signature: Signature, function: FeatureFunction | None
) -> tuple[_Values | None, RowEncoder | None]:
    """How rows become a matrix without a frame: what computes their features, and what encodes them.

    A feature function in pandas needs a frame: it has neither.

    :raises FeatureError: if a statement gives other features than it did in the training.
    """
    from airflow_mlops.core.training.sql_features import SqlFeatures

    if function is None:
        return None, RowEncoder(signature)
    if not isinstance(function, SqlFeatures):
        return None, None
    names = tuple(column.name for column in function.columns)
    require_features(names, signature)
    return function.values, RowEncoder(signature, range(len(names)))


def load_booster(framework: str, artifact: bytes, model: str) -> xgboost.Booster:
    """A fitted booster, to be asked on one core. :raises RegistryError: if it is of another framework."""
    import xgboost

    if framework != "xgboost":
        raise RegistryError(f"{model} can't be loaded", given=framework, expected="xgboost")
    booster = xgboost.Booster(model_file=bytearray(artifact))
    booster.set_param({"nthread": 1})
    return booster


def score_matrix(booster: xgboost.Booster, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """One prediction per row of :func:`~airflow_mlops.core.training.matrix.frame_matrix`."""
    import numpy as np

    # The matrix is made by our own encoder, so XGBoost need not check it again for every request.
    scores = booster.inplace_predict(matrix, validate_features=False)
    return np.asarray(scores, dtype=np.float64)
