"""What the answers of a model are worth: the mean cost per row, and the score from which the answer is yes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.evaluation.analysis import CostPoint, CostResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from airflow_mlops.spec import Costs

#: The answer is yes from one half, where no costs say otherwise.
DEFAULT_THRESHOLD = 0.5
#: Thresholds that are tried: quantiles of the scores, so that they lie where the scores do.
_POINTS = 100


@dataclass(frozen=True)
class Threshold:
    """The score from which the answer is yes, and where it comes from: ``spec``, or a part of the data."""

    value: float
    chosen_on: str


def choose_threshold(
    costs: Costs, part: str, labels: NDArray[np.float64], scores: NDArray[np.float64]
) -> Threshold:
    """The cheapest threshold on rows that are not the held-out ones; of equally cheap ones the lowest.

    :param part: of the data, in words.
    :raises DataError: if a score is no finite number.
    """
    import numpy as np

    if not np.isfinite(scores).all():
        raise DataError(
            f"no threshold can be chosen on the {part} part: there are scores that are not finite"
        )
    return Threshold(min(_curve(costs, labels, scores), key=lambda one: one.cost).threshold, part)


def mean_cost(
    costs: Costs, labels: NDArray[np.float64], scores: NDArray[np.float64], threshold: float
) -> float | None:
    """The mean cost per row; None without rows, or if a score is not finite."""
    import numpy as np

    if len(labels) == 0 or not np.isfinite(scores).all():
        return None
    return float(np.where(scores >= threshold, _yes(costs, labels), _no(costs, labels)).mean())


def cost_result(
    costs: Costs,
    threshold: Threshold,
    labels: NDArray[np.float64],
    scores: NDArray[np.float64],
    rival: NDArray[np.float64] | None,
) -> CostResult | None:
    """What the answers on the held-out rows cost, beside the champion's and beside always the same answer.

    None if a score is not finite.
    """
    cost = mean_cost(costs, labels, scores, threshold.value)
    if cost is None:
        return None
    curve = _curve(costs, labels, scores)
    return CostResult(
        threshold=threshold.value,
        chosen_on=threshold.chosen_on,
        cost=cost,
        champion=None if rival is None else mean_cost(costs, labels, rival, threshold.value),
        yes_to_all=float(_yes(costs, labels).mean()),
        no_to_all=float(_no(costs, labels).mean()),
        best=min(curve, key=lambda one: one.cost),
        curve=tuple(curve),
        currency=costs.currency,
    )


def _yes(costs: Costs, labels: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.where(labels == 1.0, costs.true_positive, costs.false_positive)


def _no(costs: Costs, labels: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.where(labels == 1.0, costs.false_negative, costs.true_negative)


def _curve(costs: Costs, labels: NDArray[np.float64], scores: NDArray[np.float64]) -> list[CostPoint]:
    """The mean cost at thresholds from 0 (always yes) to 1, rising."""
    import numpy as np

    thresholds = np.unique([0.0, *np.quantile(scores, np.linspace(0, 1, _POINTS)), 1.0])
    order = np.argsort(scores, kind="stable")
    # Rows below a threshold are a no: the costs of no up to a place, and of yes from there on.
    below = np.cumsum([0.0, *(_no(costs, labels) - _yes(costs, labels))[order]])
    places = np.searchsorted(scores[order], thresholds, side="left")
    means = (_yes(costs, labels).sum() + below[places]) / len(labels)
    return [
        CostPoint(threshold=float(one), cost=float(cost)) for one, cost in zip(thresholds, means, strict=True)
    ]
