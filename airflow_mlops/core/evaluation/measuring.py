"""What a gate asks for, measured: the metric of its rows, the champion's, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.evaluation.bootstrap import interval_of
from airflow_mlops.core.evaluation.costs import mean_cost
from airflow_mlops.core.evaluation.fairness import Groups, fairness_difference, groups_of
from airflow_mlops.core.evaluation.gating import Measured
from airflow_mlops.core.evaluation.metrics import measure_one
from airflow_mlops.core.evaluation.scored import Scored
from airflow_mlops.core.evaluation.slices import rows_of
from airflow_mlops.core.gates import Gate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from airflow_mlops.spec import Costs

#: From scores of the rows and the places of rows to a metric of those rows, None where it is not defined.
_Quantity = Callable[["NDArray[np.float64]", "NDArray[np.int64]"], "float | None"]


@dataclass(frozen=True)
class Answers:
    """How scores become answers and costs.

    :param threshold: score from which the answer is yes.
    :param costs: what the answers are worth; None where the spec does not say.
    """

    threshold: float
    costs: Costs | None


def measured(gate: Gate, scored: Scored, answers: Answers, *, seed: int) -> Measured:
    """Measure what ``gate`` is about.

    :param seed: of the bootstrap.
    :raises DataError: if its slice or its group can't be told from the data.
    """
    import numpy as np

    if gate.slice is not None:
        scored = scored.where(rows_of(scored.frame, gate.slice))
    quantity = _quantity(gate, scored, answers)
    everything = np.arange(len(scored.labels))
    rival = scored.rival
    return Measured(
        value=quantity(scored.scores, everything),
        champion=None if rival is None else quantity(rival, everything),
        champion_version=scored.rival_version,
        rows=len(scored.labels),
        interval=_interval(gate, scored, quantity, seed),
    )


def _interval(gate: Gate, scored: Scored, quantity: _Quantity, seed: int) -> tuple[float, float] | None:
    """Of "worse than the champion by" for a margin; of the difference itself for a limit on fairness."""
    sign = -1 if gate.direction == "higher" else 1
    rival = scored.rival

    def worse_by(drawn: NDArray[np.int64]) -> float | None:
        theirs = None if rival is None else quantity(rival, drawn)
        ours = quantity(scored.scores, drawn)
        return None if ours is None or theirs is None else sign * (ours - theirs)

    if gate.margin is not None:
        return None if rival is None else interval_of(worse_by, len(scored.labels), seed=seed)
    if gate.group is not None:
        return interval_of(lambda drawn: quantity(scored.scores, drawn), len(scored.labels), seed=seed)
    return None


def _quantity(gate: Gate, scored: Scored, answers: Answers) -> _Quantity:
    import numpy as np

    labels, costs, threshold = scored.labels, answers.costs, answers.threshold
    if gate.metric == "cost" and costs is not None:
        return lambda scores, rows: mean_cost(costs, labels[rows], scores[rows], threshold)
    if gate.group is None:
        return lambda scores, rows: measure_one(gate.metric, labels[rows], scores[rows])
    groups = groups_of(scored.frame, gate.group)

    def difference(scores: NDArray[np.float64], rows: NDArray[np.int64]) -> float | None:
        if not np.isfinite(scores[rows]).all():
            return None
        drawn = Groups(groups.codes[rows], groups.names)
        return fairness_difference(gate.metric, drawn, labels[rows], scores[rows] >= threshold)

    return difference
