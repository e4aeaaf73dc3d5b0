"""Gates offline: the decision itself, apart from any data. What was not measured never passes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.evaluation.conditions import parse_slice
from airflow_mlops.core.evaluation.metrics import known_metrics
from airflow_mlops.core.evaluation.search import searched_columns
from airflow_mlops.core.gates import FAIRNESS, Gate, GateResult, Outcome

if TYPE_CHECKING:
    from airflow_mlops.spec import Evaluation

#: Fewer rows than this say nothing about a slice.
MIN_ROWS = 50


@dataclass(frozen=True)
class Measured:
    """What was measured for one gate.

    :param value: the challenger's metric, None where it is not defined.
    :param champion: the champion's metric on the same rows, None without a champion or where it is not
        defined.
    :param champion_version: the champion, None when there is none.
    :param interval: of "worse than the champion by" for a margin, else of ``value``; None where it was not computed.
    """

    value: float | None
    champion: float | None
    champion_version: int | None
    rows: int
    interval: tuple[float, float] | None = None


def check_evaluation(evaluation: Evaluation, features: Sequence[str], objective: str) -> None:
    """Check that all that the spec's evaluation asks for can be done, before anything is trained.

    :param features: raw columns of the model.
    :raises SpecError: for a gate that can't be measured on held-out rows, a search over too many columns, and groups or
        costs of a regression, which answers neither yes nor no.
    """
    check_gates(evaluation.gates, objective)
    searched_columns(evaluation, features)
    if objective == "binary":
        return
    for field, given in (("groups", evaluation.groups), ("costs", evaluation.costs)):
        if given:
            raise SpecError(
                f"evaluation.{field} is about answers of yes or no",
                given=f"a {objective} model",
                remedy=f"leave evaluation.{field} out",
            )


def check_gates(gates: Iterable[Gate], objective: str) -> None:
    """Check that every gate can be measured on held-out rows.

    :raises SpecError: for a metric of live traffic or of another objective, and for a malformed slice.
    """
    known = known_metrics(objective)
    if objective == "binary":
        known = (*known, "cost", *sorted(FAIRNESS))
    for gate in gates:
        if gate.metric not in known:
            raise SpecError(
                f"evaluation.gates: {gate.metric} can't be measured on the test part of a {objective} model",
                expected=", ".join(known),
            )
        if gate.slice is not None:
            parse_slice(gate.slice)


def decide(gate: Gate, measured: Measured) -> GateResult:
    """Hold a gate against what was measured.

    A margin is held against the point estimate of the difference on the same rows. Without a champion a
    margin has nothing to compare with and passes, since a first release must be possible; absolute gates
    hold anyway. NaN and infinity never pass.
    """
    value = measured.value
    if gate.slice is not None and measured.rows < MIN_ROWS:
        return _result(gate, measured, "inconclusive", f"only {measured.rows} rows, fewer than {MIN_ROWS}")
    if value is None or not math.isfinite(value):
        return _result(gate, measured, "inconclusive", f"could not be measured on {measured.rows} rows")
    if gate.min is not None:
        return _absolute(gate, measured, value, gate.min, value >= gate.min)
    if gate.max is not None:
        return _absolute(gate, measured, value, gate.max, value <= gate.max)
    return _against_champion(gate, measured, value, gate.margin or 0.0)


def _absolute(gate: Gate, measured: Measured, value: float, limit: float, passed: bool) -> GateResult:
    reason = f"{value:.4g} is {'' if passed else 'not '}{gate.limit_text}{_spread(measured)}"
    return _result(gate, measured, "pass" if passed else "fail", reason, bound=value, limit=limit)


def _against_champion(gate: Gate, measured: Measured, value: float, margin: float) -> GateResult:
    if measured.champion_version is None:
        return _result(gate, measured, "pass", "no champion: nothing to compare with", limit=margin)
    rival = measured.champion
    name = f"version {measured.champion_version}"
    if rival is None or not math.isfinite(rival):
        reason = f"could not be measured for {name} on {measured.rows} rows"
        return _result(gate, measured, "inconclusive", reason, limit=margin)
    worse_by = rival - value if gate.direction == "higher" else value - rival
    passed = worse_by <= margin
    difference = f"{abs(worse_by):.4g} {'worse' if worse_by > 0 else 'better'} than {rival:.4g} of {name}"
    reason = f"{value:.4g} is {difference}, {'' if passed else 'not '}{gate.limit_text}{_spread(measured, 'worse-by')}"
    return _result(gate, measured, "pass" if passed else "fail", reason, bound=worse_by, limit=margin)


def _spread(measured: Measured, of: str | None = None) -> str:
    if measured.interval is None:
        return ""
    low, high = measured.interval
    what = "" if of is None else f" of {of}"
    return f" (95 % interval{what}: {low:.4g} to {high:.4g})"


def _result(
    gate: Gate,
    measured: Measured,
    outcome: Outcome,
    reason: str,
    *,
    bound: float | None = None,
    limit: float | None = None,
) -> GateResult:
    return GateResult(
        gate=gate,
        outcome=outcome,
        value=_finite(measured.value),
        champion=_finite(measured.champion),
        bound=bound,
        limit=limit,
        samples=measured.rows,
        interval=measured.interval,
        reason=reason,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
