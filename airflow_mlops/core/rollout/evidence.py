"""From answers and labels to the observations that one gate is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.rollout.betting import Floats
from airflow_mlops.core.rollout.losses import Truth, losses
from airflow_mlops.core.rollout.observations import Answers
from airflow_mlops.core.rollout.scales import Scale
from airflow_mlops.core.rollout.twosample import Comparison, Flags, Indices, block_length, matched, paired

if TYPE_CHECKING:
    from airflow_mlops.core.gates import Gate
    from airflow_mlops.core.rollout.verdict import Stage


@dataclass(frozen=True)
class Evidence:
    """Observations of one gate, in [0, 1], of which less is better.

    :param x: for a margin, (difference + 1) / 2 of each compared group; for a maximum, the challenger's
        outcomes.
    :param limit: the largest mean of ``x`` that is good enough.
    :param stops: indices of ``x`` after which one may look.
    :param value: the challenger's mean, in the metric's unit; None without observations.
    :param champion: the champion's mean over what it is compared with, in the metric's unit.
    :param requests: the challenger's requests behind it.
    :param in_unit: turns a mean of ``x`` into the unit of the limit.
    """

    x: Floats
    limit: float
    stops: Indices
    value: float | None
    champion: float | None
    requests: int
    in_unit: Callable[[float], float]


def gather(gate: Gate, scale: Scale, stage: Stage, answers: Answers, truth: Truth, weight: float) -> Evidence:
    """The evidence of a gate.

    :param weight: the challenger's share of the traffic; outside (0, 1) the share that was seen is taken.
    """
    outcome, known = _outcomes(gate, scale, answers, truth)
    if stage != "canary":
        compared = _same_requests(answers, outcome, known)
    else:
        compared = _same_time(answers, outcome, known, weight)
    if gate.margin is not None:
        return _against_champion(gate.margin, scale, compared)
    if stage == "canary":  # a maximum needs no partner, so nothing is left out
        mine = np.flatnonzero(answers.challenger & _usable(answers, outcome))
        mine = mine[np.argsort(known[mine], kind="stable")]
        compared = Comparison(outcome[mine], compared.champion, np.arange(len(mine)), len(mine))
    return _against_limit(float(gate.max or 0.0), scale, compared)


def _outcomes(gate: Gate, scale: Scale, answers: Answers, truth: Truth) -> tuple[Floats, Floats]:
    """One number in [0, 1] per answer (NaN: can't be judged) and when it became known."""
    # only in shadow is a refusal looked at: there, of a request that the champion took
    unanswered = answers.failed | answers.refused
    if scale.kind == "error_rate":
        return unanswered.astype(np.float64), answers.at
    if scale.kind == "latency":
        slow = (unanswered | (answers.latency > (gate.threshold or 0.0))).astype(np.float64)
        slow[np.isnan(answers.latency) & ~unanswered] = np.nan
        return slow, answers.at
    return losses(answers, truth, scale)


def _usable(answers: Answers, outcome: Floats) -> Flags:
    return np.asarray(~answers.refused & np.isfinite(outcome), dtype=np.bool_)


def _same_requests(answers: Answers, outcome: Floats, known: Floats) -> Comparison:
    champion, challenger = answers.pairs()
    # a request that the champion refused is the caller's fault; one that only the challenger refused is not
    fair = ~answers.refused[champion] & np.isfinite(outcome[champion]) & np.isfinite(outcome[challenger])
    champion, challenger = champion[fair], challenger[fair]
    order = np.argsort(np.maximum(known[champion], known[challenger]), kind="stable")
    return paired(outcome[challenger[order]], outcome[champion[order]])


def _same_time(answers: Answers, outcome: Floats, known: Floats, weight: float) -> Comparison:
    chosen = np.flatnonzero(_usable(answers, outcome))
    chosen = chosen[np.argsort(known[chosen], kind="stable")]
    mine = answers.challenger[chosen]
    share = weight if 0.0 < weight < 1.0 else float(mine.mean()) if len(mine) else 0.0
    if not 0.0 < share < 1.0:
        return paired(np.empty(0), np.empty(0))
    return matched(outcome[chosen], mine, answers.shuffle[chosen], block_length(share))


def _against_champion(margin: float, scale: Scale, compared: Comparison) -> Evidence:
    value, champion = (_mean_in_unit(one, scale) for one in (compared.challenger, compared.champion))
    return Evidence(
        x=(compared.difference + 1.0) / 2.0,
        limit=(margin / scale.span + 1.0) / 2.0,
        stops=compared.stops,
        value=value,
        champion=champion,
        requests=compared.requests,
        in_unit=lambda mean: (2.0 * mean - 1.0) * scale.span,
    )


def _against_limit(limit: float, scale: Scale, compared: Comparison) -> Evidence:
    return Evidence(
        x=compared.challenger,
        limit=(limit - scale.low) / scale.span,
        stops=compared.stops,
        value=_mean_in_unit(compared.challenger, scale),
        champion=_mean_in_unit(compared.champion, scale),
        requests=compared.requests,
        in_unit=lambda mean: scale.low + scale.span * mean,
    )


def _mean_in_unit(values: Floats, scale: Scale) -> float | None:
    return scale.low + scale.span * float(values.mean()) if len(values) else None
