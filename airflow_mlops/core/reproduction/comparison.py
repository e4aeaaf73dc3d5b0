"""Two models of the same rows, one as recorded and one that was built again: how far apart their answers are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.evaluation.metrics import measure
from airflow_mlops.core.evaluation.rows import read_parts
from airflow_mlops.core.progress import ignore
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Distance:
    """How far apart two models are on the held-out rows.

    :param metrics: absolute difference of each metric; infinite where only one of them has it.
    :param predictions: largest absolute difference of a prediction.
    :param within: whether all of it is within the tolerance.
    """

    metrics: dict[str, float]
    predictions: float
    within: bool

    @property
    def widest(self) -> str:
        """The metric that differs most, with its difference."""
        name = max(self.metrics, key=self.metrics.__getitem__)
        return f"{name} {self.metrics[name]:.3g}"


def distance(store: Store, record: ModelVersion, rebuilt: TrainedModel, tolerance: float) -> Distance:
    """Compare a version with what was built again, on the held-out rows of its dataset version.

    A difference is within the tolerance if it is at most ``tolerance * max(1, size of the recorded value)``, so for
    probabilities it is absolute and for large numbers relative.

    :param store: with both models and the data.
    :raises MlopsError: if one of them can't be asked here.
    """
    import numpy as np

    trained, spec = record.trained, ModelSpec.from_mapping(record.spec)
    version = load_version(store, record.dataset.name, record.dataset.id)
    test, _ = read_parts(store, spec, version, trained, None, ignore)
    before, after = (Predictor.load(store, one).predict_frame(test.frame) for one in (trained, rebuilt))
    old, new = (measure(trained.objective, test.labels, scores) for scores in (before, after))
    apart = {name: abs(old.get(name, math.inf) - new.get(name, math.nan)) for name in {*old, *new}}
    apart = {name: math.inf if math.isnan(value) else value for name, value in sorted(apart.items())}
    limits = {name: tolerance * max(1.0, abs(old.get(name, 1.0))) for name in apart}
    return Distance(
        metrics=apart,
        predictions=_largest(np.abs(before - after)),
        within=all(apart[name] <= limits[name] for name in apart)
        and bool((np.abs(before - after) <= tolerance * np.maximum(1.0, np.abs(before))).all()),
    )


def _largest(values: NDArray[np.float64]) -> float:
    import numpy as np

    return float(values.max()) if np.isfinite(values).all() else math.inf
