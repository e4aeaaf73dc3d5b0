"""How sure a difference between two models on the same rows is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.evaluation.metrics import measure_one

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_REPLICATES = 100
_MAX_ROWS = 100_000


def paired_interval(
    metric: str,
    labels: NDArray[np.float64],
    scores: NDArray[np.float64],
    rival: NDArray[np.float64],
    *,
    sign: int,
    seed: int,
) -> tuple[float, float] | None:
    """The 95 % percentile interval of ``sign * (metric(scores) - metric(rival))`` by the paired bootstrap.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13: rows are drawn with
    replacement, and both models are measured on the same draw. 100 draws: it informs people, no gate is
    decided by it.

    :returns: None for more than 100,000 rows, where it would take long and say little, or if a draw has no
        metric.
    """
    import numpy as np

    if not 2 <= len(labels) <= _MAX_ROWS:
        return None
    random = np.random.default_rng(seed)
    differences = []
    for _ in range(_REPLICATES):
        drawn = random.integers(0, len(labels), len(labels))
        ours = measure_one(metric, labels[drawn], scores[drawn])
        theirs = measure_one(metric, labels[drawn], rival[drawn])
        if ours is None or theirs is None:
            return None
        differences.append(sign * (ours - theirs))
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)
