"""Gates of live performance: only an interval that lies wholly on one side of the limit decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.evaluation.conditions import single_value
from airflow_mlops.core.evaluation.gating import MIN_ROWS
from airflow_mlops.core.evaluation.metrics import known_metrics
from airflow_mlops.core.evaluation.slices import source_of
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.monitoring.performance.report import PeriodPerformance, Value
from airflow_mlops.core.wording import period

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

Kind = Literal["measured", "estimated"]


def check_performance(spec: ModelSpec) -> None:
    """Check that all that ``monitoring.performance`` asks for can be done with captured requests.

    :raises SpecError: for a metric that labels do not give, and for a slice by a column that requests do not carry or
        that is not one ``column=value``.
    """
    asked = spec.monitoring.performance
    known = known_metrics(spec.training.objective)
    for gate in asked.gates:
        if gate.metric not in known:
            raise SpecError(
                f"monitoring.performance.gates: {gate.metric} can't be measured on live requests of a "
                f"{spec.training.objective} model",
                expected=", ".join(known),
            )
    sliced = [(f"gate {gate.name}", gate_slice(gate)) for gate in asked.gates]
    named = [("slices", column) for column in asked.slices]
    named += [(who, which[0]) for who, which in sliced if which is not None]
    for who, column in named:
        if source_of(column, spec.features.columns) not in spec.features.columns:
            raise SpecError(
                f"monitoring.performance: {who}: requests carry no column {column}",
                expected=", ".join(spec.features.columns),
            )


def gate_slice(gate: Gate) -> tuple[str, str] | None:
    """Column and value of a gate's slice, None for all rows. :raises SpecError: for another form of slice."""
    if gate.slice is None:
        return None
    found = single_value(gate.slice)
    if found is None:
        raise SpecError(
            f"monitoring.performance.gates: {gate.name} is not about one value of one column",
            given=gate.slice,
            expected="column=value",
        )
    return found


@dataclass(frozen=True)
class Yardstick:
    """What gates are held against.

    :param baseline: metrics of the champion's evaluation; ``slices``: those of its slices, by their text.
    :param distrusted: metrics whose estimates decide nothing, with the reason.
    :param windows: so many of the newest ``of`` measured periods have to fail before a gate does.
    """

    champion: int
    baseline: Mapping[str, float]
    min_rows: int
    min_labelled: float
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    distrusted: Mapping[str, str] = field(default_factory=dict)
    windows: int = 1
    of: int = 1


def judge(
    gates: Sequence[Gate], periods: Sequence[PeriodPerformance], yardstick: Yardstick
) -> tuple[tuple[GateResult, ...], Kind | None]:
    """Hold each gate against the newest periods of the champion that can be judged.

    That is the newest one with enough labels, and the newest estimated one if it is newer still: where labels come
    late, the newest period never has them, and an estimate can't see that the world has changed. The worse of the two
    counts. One bad period is no decay: an interval knows the rows of its period, not that periods differ. So what was
    measured fails when enough of the newest measured periods do.

    :param periods: oldest first.
    :returns: the results, and how the newest period was judged; None if none could be.
    """
    mine = [one for one in periods if one.champion == yardstick.champion]
    whole = _sides([one for one in mine if one.slice is None], yardstick)
    return tuple(_held(gate, mine, yardstick) for gate in gates), whole[0][0] if whole else None


_Side = tuple[Kind, PeriodPerformance]
_WORST = {"fail": 0, "inconclusive": 1, "pass": 2}


def _sides(periods: Sequence[PeriodPerformance], yardstick: Yardstick) -> list[_Side]:
    """The newest period that can be judged, and the newest measured one, newest first."""
    sides: list[_Side] = []
    for one in reversed(periods):
        if _is_measured(one, yardstick):
            return [*sides, ("measured", one)]
        if one.rows >= _least(one, yardstick) and one.estimated and not sides:
            sides.append(("estimated", one))
    return sides


def _least(period: PeriodPerformance, yardstick: Yardstick) -> int:
    return yardstick.min_rows if period.slice is None else MIN_ROWS


def _is_measured(period: PeriodPerformance, yardstick: Yardstick) -> bool:
    labelled = period.maturity >= yardstick.min_labelled and period.labelled >= MIN_ROWS
    return labelled and period.rows >= _least(period, yardstick)


def _held(gate: Gate, periods: Sequence[PeriodPerformance], yardstick: Yardstick) -> GateResult:
    which = gate_slice(gate)
    name = None if which is None else _text(which)
    mine = [one for one in periods if one.slice == name]
    sides = _sides(mine, yardstick)
    if len(sides) > 1 and (gate.metric in yardstick.distrusted or gate.metric not in sides[0][1].estimated):
        sides = sides[1:]  # what was measured is all there is
    results = [_decided(gate, side, name, yardstick) for side in sides]
    if not results:
        where = "" if name is None else f" of {name}"
        return _result(gate, None, reason=f"no period has enough rows{where} with labels or estimates")
    if sides[-1][0] == "measured":
        results[-1] = _agreed(gate, results[-1], mine, name, yardstick)
    return min(results, key=lambda one: _WORST[one.outcome])


def _agreed(
    gate: Gate,
    newest: GateResult,
    periods: Sequence[PeriodPerformance],
    name: str | None,
    yardstick: Yardstick,
) -> GateResult:
    """A failure of the newest measured period, if enough of the newest ones failed; else it is undecided."""
    if newest.outcome != "fail" or yardstick.windows == 1:
        return newest
    measured = [one for one in periods if _is_measured(one, yardstick)][-yardstick.of :]
    results = [_decided(gate, ("measured", one), name, yardstick) for one in measured]
    failed = sum(one.outcome == "fail" for one in results)
    told = f"{newest.reason}; so it is in {failed} of the newest {len(measured)} measured periods"
    if failed >= yardstick.windows:
        return newest.model_copy(update={"reason": told})
    reason = f"{told}, and {yardstick.windows} of {yardstick.of} count"
    return newest.model_copy(update={"outcome": "inconclusive", "bound": None, "reason": reason})


def _text(which: tuple[str, str]) -> str:
    from airflow_mlops.core.evaluation.conditions import Is

    return str(Is(*which))


def _decided(gate: Gate, side: _Side, name: str | None, yardstick: Yardstick) -> GateResult:
    kind, found = side
    value = (found.measured if kind == "measured" else found.estimated).get(gate.metric)
    when = period(found.since, found.until)
    rows = found.labelled if kind == "measured" else found.rows
    if value is None:
        return _result(gate, None, rows=rows, reason=f"can't be {kind} from {when}")
    said = f"{kind} {value.value:.4g} from {when}"
    if kind == "estimated" and gate.metric in yardstick.distrusted:
        reason = f"{said}, which is not to be trusted: {yardstick.distrusted[gate.metric]}"
        return _result(gate, value.model_copy(update={"low": None, "high": None}), rows=rows, reason=reason)
    base = (yardstick.baseline if name is None else yardstick.slices.get(name, {})).get(gate.metric)
    if gate.margin is not None and base is None:
        reason = f"{said}: the evaluation of version {yardstick.champion} has nothing to compare it with"
        return _result(gate, value, rows=rows, reason=reason)
    if value.low is None or value.high is None:
        return _result(gate, value, base, rows=rows, reason=f"{said} has no interval: too few requests")
    return _against_limit(gate, value, base, rows, said)


def limit_of(gate: Gate, base: float | None) -> float | None:
    """The limit in the metric's own unit; None for a margin without a baseline."""
    if gate.margin is None:
        return gate.min if gate.min is not None else gate.max
    if base is None:
        return None
    return base - gate.margin if gate.direction == "higher" else base + gate.margin


def _against_limit(gate: Gate, value: Value, base: float | None, rows: int, said: str) -> GateResult:
    limit = limit_of(gate, base)
    low, high = value.low, value.high
    if limit is None or low is None or high is None:
        raise AssertionError(gate.name)  # both were asked before
    least = gate.min is not None or (gate.margin is not None and gate.direction == "higher")
    inside, outside = (low >= limit, high < limit) if least else (high <= limit, low > limit)
    side = "above" if least == inside else "below"
    words = "at least" if least else "at most"
    against = "" if gate.margin is None else f", {gate.limit_text} ({base:.4g} in its evaluation)"
    told = f"{said} (95 % interval {low:.4g} to {high:.4g}), {words} {limit:.4g} is asked{against}"
    if not inside and not outside:
        return _result(gate, value, base, limit, rows, f"{told}: the interval holds the limit")
    reason = f"{told}: the whole interval is {side} it"
    return _result(
        gate, value, base, limit, rows, reason, "pass" if inside else "fail", low if least == inside else high
    )


def _result(
    gate: Gate,
    value: Value | None,
    base: float | None = None,
    limit: float | None = None,
    rows: int | None = None,
    reason: str = "",
    outcome: Literal["pass", "fail", "inconclusive"] = "inconclusive",
    bound: float | None = None,
) -> GateResult:
    interval = None
    if value is not None and value.low is not None and value.high is not None:
        interval = (value.low, value.high)
    return GateResult(
        gate=gate,
        outcome=outcome,
        value=None if value is None else value.value,
        champion=base if gate.margin is not None else None,
        bound=bound,
        limit=limit,
        samples=rows,
        interval=interval,
        reason=reason,
    )
