"""Judge one gate by its evidence, and say in words why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.gates import Gate, GateResult, Outcome
from airflow_mlops.core.rollout.sequential import Finding, Levels, examine

if TYPE_CHECKING:
    from airflow_mlops.core.rollout.evidence import Evidence


@dataclass(frozen=True)
class Judged:
    """A gate's result, and about how many more of the challenger's requests would decide it.

    ``needed`` is None where that can't be told and where all is decided.
    """

    result: GateResult
    needed: int | None


def judge_gate(gate: Gate, evidence: Evidence, levels: Levels) -> Judged:
    """Pass, fail or inconclusive. Without a single observation nothing passes."""
    limit = gate.margin if gate.margin is not None else gate.max
    if evidence.value is None:
        reason = f"{gate.name} is undecided: no observation yet that can be judged"
        return Judged(
            GateResult(gate=gate, outcome="inconclusive", limit=limit, samples=0, reason=reason), None
        )
    found = examine(evidence.x, evidence.limit, evidence.stops, levels)
    outcome: Outcome = "fail" if found.failed_at is not None else "pass" if found.passed else "inconclusive"
    lower, upper = evidence.in_unit(found.lower), evidence.in_unit(found.upper)
    result = GateResult(
        gate=gate,
        outcome=outcome,
        value=evidence.value,
        champion=evidence.champion,
        bound=lower if outcome == "fail" else upper,
        limit=limit,
        samples=evidence.requests,
        reason=_reason(gate, evidence, outcome, lower, upper),
    )
    return Judged(result, _in_requests(found, evidence))


def _in_requests(found: Finding, evidence: Evidence) -> int | None:
    if found.more is None:
        return None
    return math.ceil(found.more * evidence.requests / len(evidence.x))


def _reason(gate: Gate, evidence: Evidence, outcome: Outcome, lower: float, upper: float) -> str:
    champion = "" if evidence.champion is None else f", the champion's {evidence.champion:.4g}"
    seen = f"{gate.name}{_service_level(gate)} is {evidence.value:.4g}{champion}"
    if gate.margin is not None:
        subject, allowed = "it is worse by", f"{gate.margin:g} is allowed"
    else:
        subject, allowed = "it is", f"{gate.max:g} is allowed"
    bounds = {
        "fail": f"{subject} at least {lower:.4g}",
        "pass": f"{subject} at most {upper:.4g}",
        "inconclusive": f"{subject} between {lower:.4g} and {upper:.4g}",
    }
    word = {"fail": "failed", "pass": "passed", "inconclusive": "undecided"}[outcome]
    return f"{word}: {seen}, over {evidence.requests} requests; {bounds[outcome]}, {allowed}"


def _service_level(gate: Gate) -> str:
    return f" (share over {gate.threshold:g} ms)" if gate.metric == "latency" else ""
