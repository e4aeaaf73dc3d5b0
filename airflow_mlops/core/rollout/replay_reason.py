"""Why a replay ended as it did, and what would decide one that is undecided."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from airflow_mlops.core.rollout.scales import scale_of
from airflow_mlops.core.wording import second

if TYPE_CHECKING:
    from airflow_mlops.core.rollout.past_requests import PastRequests
    from airflow_mlops.core.rollout.verdict import Verdict
    from airflow_mlops.spec import ModelSpec, Replay


def explain(
    verdict: Verdict,
    spec: ModelSpec,
    section: Replay,
    past: PastRequests,
    failures: Counter[str],
    labelled: int,
) -> str:
    """The judge's reason, with what was found, what the challenger failed on, and what to do.

    :param failures: how often each reason for a failed answer was met.
    :param labelled: requests with ground truth.
    """
    parts = [
        _on_requests(past, section),
        verdict.reason,
        _on_failures(failures, len(past.requests)),
    ]
    if verdict.decision == "INCONCLUSIVE":
        parts += [_on_truth(verdict, spec, len(past.requests), labelled), _ways(verdict, past, section)]
    return "; ".join(part for part in parts if part)


def _on_requests(past: PastRequests, section: Replay) -> str:
    """What was found, where that is too little."""
    if len(past.requests) >= section.min_samples:
        return ""
    asked = f"{len(past.requests)} captured requests to v{past.champion}"
    found = f"{asked} since {second(past.since)} UTC can be asked again"
    others = ", ".join(f"{number} {why.replace('_', ' ')}" for why, number in sorted(past.counts.items()))
    return f"{found} (left out: {others})" if others else found


def _on_failures(failures: Counter[str], asked: int) -> str:
    if not failures:
        return ""
    why, times = failures.most_common(1)[0]
    return f"the challenger failed on {failures.total()} of {asked} requests, {times} of them with: {why}"


def _on_truth(verdict: Verdict, spec: ModelSpec, asked: int, labelled: int) -> str:
    """How much ground truth there is, where more of it may decide."""
    from airflow_mlops.core.rollout.outcomes import unit_of

    undecided = [one.gate for one in verdict.gates if one.outcome == "inconclusive"]
    waits = any(unit_of(scale_of(gate, spec.training.objective)) == "label" for gate in undecided)
    if not waits or labelled >= asked:
        return ""
    return f"{labelled} of {asked} requests have ground truth: hand in more and replay again"


def _ways(verdict: Verdict, past: PastRequests, section: Replay) -> str:
    """How to get more evidence, or to ask for less."""
    asked = len(past.requests)
    ways = []
    if verdict.counts["samples"] < section.min_samples:
        ways.append(f"lower rollout.replay.min_samples ({section.min_samples})")
    if asked == section.max_requests:
        ways.append(f"raise rollout.replay.max_requests ({asked})")
    else:
        ways.append(f"widen rollout.replay.window ({section.model_dump(mode='json')['window']})")
        ways.append("replay again after more traffic")
    return ", or ".join(ways)
