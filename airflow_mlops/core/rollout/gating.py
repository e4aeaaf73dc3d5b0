"""Judge one gate by its state, and say in words why."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_mlops.core.gates import Gate, GateResult, Outcome
from airflow_mlops.core.rollout.scales import quantile_of
from airflow_mlops.core.rollout.state import LEAST_KEYS, Finding, GateState

_WORDS = {"fail": "failed", "pass": "passed", "inconclusive": "undecided"}
#: A design effect from here on is worth a word.
_NOTEWORTHY = 1.5


@dataclass(frozen=True)
class Levels:
    """The error probabilities of the tests of a stage.

    A stage is rolled back as soon as *one* gate fails, so the budget alpha is split over the gates
    (Bonferroni); where slices are watched, they get one half of it, split over gates and slices. It is promoted
    only when *every* gate passes; then each may be tested at alpha, and a challenger that is too bad in any respect
    is still promoted with a probability of at most alpha (intersection-union test; Berger, "Multiparameter hypothesis
    testing and acceptance sampling", Technometrics 24, 1982).

    :param fail: level of failing a gate.
    :param accept: level of passing it.
    :param slice: level of failing a gate by one slice; 0 when none is watched.
    """

    fail: float
    accept: float
    slice: float = 0.0

    @classmethod
    def split(cls, alpha: float, gates: int, slices: int = 0) -> Levels:
        """The levels under the budget ``alpha`` of a stage.

        :param gates: on requests; those on the machine cost nothing, and a stage may have these alone.
        :param slices: most slices that may be watched.
        """
        gates = max(gates, 1)
        if not slices:
            return cls(alpha / gates, alpha)
        return cls(alpha / 2 / gates, alpha, alpha / 2 / gates / slices)


def judge_gate(state: GateState, fail: float, accept: float) -> GateResult:
    """Pass, fail or inconclusive. Without a single observation nothing passes."""
    gate = state.gate
    limit = next(one for one in (gate.margin, gate.max, gate.min) if one is not None)
    if not state.samples or (state.compares and not state.numbers[0]):
        reason = f"{gate.name} is undecided: no observation yet that can be judged"
        return GateResult(gate=gate, outcome="inconclusive", limit=limit, samples=0, reason=reason)
    found = state.find(fail, accept)
    outcome: Outcome = "fail" if found.failed else "pass" if found.passed else "inconclusive"
    low, high = _interval(state, found)
    value, champion = _value(state, 1), _value(state, 0)
    worst_is_low = gate.direction == "higher" and not state.compares
    near, far = (high, low) if worst_is_low else (low, high)
    return GateResult(
        gate=gate,
        outcome=outcome,
        value=value,
        champion=champion,
        bound=near if outcome == "fail" else far,
        limit=limit,
        samples=state.samples,
        interval=(low, high),
        design_effect=round(found.design_effect, 3),
        needed=found.more,
        reason=_reason(state, outcome, value, champion, (low, high), found),
    )


def _interval(state: GateState, found: Finding) -> tuple[float, float]:
    """The confidence interval in the unit of the limit; for a latency quantile, a share of requests."""
    scale = state.scale
    if scale.kind == "latency_quantile":
        return found.lower, found.upper
    if state.compares:
        return found.lower * scale.span, found.upper * scale.span
    low, high = scale.low + scale.span * found.lower, scale.low + scale.span * found.upper
    return (1.0 - high, 1.0 - low) if scale.kind == "accuracy" else (low, high)


def _value(state: GateState, arm: int) -> float | None:
    """The metric of the champion (0) or the challenger (1), in its unit."""
    if state.quantiles is not None:
        return state.quantiles.at(arm)
    mean = state.mean(arm)
    if mean is None:
        return None
    if state.scale.kind == "accuracy":
        return 1.0 - mean
    return state.scale.low + state.scale.span * mean


def _reason(
    state: GateState,
    outcome: Outcome,
    value: float | None,
    champion: float | None,
    interval: tuple[float, float],
    found: Finding,
) -> str:
    gate, (low, high) = state.gate, interval
    rival = "" if champion is None else f", the champion's {_text(champion)}"
    seen = f"{gate.name}{_service_level(gate)} is {_text(value)}{rival}, over {state.samples} {_observations(state)}"
    subject, allowed = _subject(state)
    upwards = gate.direction == "higher" and not state.compares
    bounds = {
        "fail": f"at most {_text(high)}" if upwards else f"at least {_text(low)}",
        "pass": f"at least {_text(low)}" if upwards else f"at most {_text(high)}",
        "inconclusive": f"between {_text(low)} and {_text(high)}",
    }
    return f"{_WORDS[outcome]}: {seen}; {subject} {bounds[outcome]}, {allowed}{_dependence(state, found, outcome)}"


def _subject(state: GateState) -> tuple[str, str]:
    gate = state.gate
    if gate.metric == "latency_quantile":
        beyond, usual = f"p{quantile_of(gate) * 100:g}", f"{1 - quantile_of(gate):.2g}"
        if gate.margin is None:
            return f"its share of requests beyond {gate.max:g} ms is", f"{usual} is allowed"
        return (
            f"compared with the champion beyond its {beyond}, its share beyond that + {gate.margin:g} ms is higher by",
            "0 is allowed",
        )
    if gate.margin is not None:
        return "it is worse by", f"{gate.margin:g} is allowed"
    if gate.min is not None:
        return "it is", f"{gate.min:g} is asked for"
    return "it is", f"{gate.max:g} is allowed"


def _observations(state: GateState) -> str:
    return "requests" if state.scale.kind in ("error_rate", "latency", "latency_quantile") else "rows"


def _dependence(state: GateState, found: Finding, outcome: Outcome) -> str:
    few = state.keys.effective
    if outcome == "inconclusive" and few < LEAST_KEYS:
        return f"; they are of no more than {few:.0f} keys, and {LEAST_KEYS} are needed to pass"
    if found.design_effect >= _NOTEWORTHY:
        return f"; requests depend on each other: {found.design_effect:.1f} of them say as much as one"
    return ""


def _text(number: float | None) -> str:
    return "unknown" if number is None else f"{number:.4g}"


def _service_level(gate: Gate) -> str:
    if gate.metric == "latency":
        return f" (share over {gate.threshold:g} ms)"
    return f" (p{quantile_of(gate) * 100:g}, ms)" if gate.metric == "latency_quantile" else ""
