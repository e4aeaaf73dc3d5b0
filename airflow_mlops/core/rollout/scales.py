"""Which metrics live traffic can judge, and the range each of them lives in.

A betting test needs observations in a known range, so every metric here is a bounded number per request, or per row
of a request:

- ``error_rate``: 1 for a request that was not answered (status 500 and above, or no valid predictions), or 0.
- ``latency``: 1 for a request that was not answered within ``threshold`` milliseconds, or 0. Limits are about
  that share of requests (a service level), not about milliseconds.
- ``latency_quantile``: the ``quantile`` of the latency; limits are in milliseconds. Judged by the share of requests
  beyond the champion's quantile plus the margin (:mod:`~airflow_mlops.core.rollout.quantile`).
- ``accuracy``: whether a row's prediction is on the right side of one half; for binary models.
- ``brier``: (prediction - label)^2, in [0, 1]; for binary models.
- ``log_loss``: of the prediction clipped to [0.01, 0.99], so in [0.01005, 4.605] nats; for binary models.
- ``mae``: absolute error, capped at ``threshold`` in the label's unit; for regression.
- ``loss``: brier for binary models, mae for regression.
- ``disagreement``: share of rows on which the two models decide differently; binary, in pairs only, no labels.
- ``score_shift``: mean distance of the two models' predictions (regression: capped at ``threshold``); in pairs only.

Margins and limits are in the metric's own unit. Gates on ``memory`` and ``cpu`` are about the machine, not about
requests: :mod:`~airflow_mlops.core.rollout.machine`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.evaluation.conditions import single_value
from airflow_mlops.core.gates import MACHINE

if TYPE_CHECKING:
    from airflow_mlops.core.gates import Gate
    from airflow_mlops.spec import Rollout

Objective = Literal["binary", "regression"]
Kind = Literal[
    "error_rate",
    "latency",
    "latency_quantile",
    "accuracy",
    "brier",
    "log_loss",
    "mae",
    "disagreement",
    "score_shift",
]

#: Predictions are clipped to [CLIP, 1 - CLIP] before their log loss is taken, which bounds it.
CLIP = 0.01
JUDGED = (
    *("error_rate", "latency", "latency_quantile", "accuracy", "loss", "brier", "log_loss", "mae"),
    *("disagreement", "score_shift"),
)
_LOSS_OF: dict[str, Kind] = {"binary": "brier", "regression": "mae"}
_BINARY_ONLY, _REGRESSION_ONLY = ("accuracy", "brier", "log_loss", "disagreement"), ("mae",)
_LATENCIES = ("latency", "latency_quantile")
_PAIRS_ONLY = ("disagreement", "score_shift")
_DEFAULT_QUANTILE = 0.99


@dataclass(frozen=True)
class Scale:
    """The range of a metric per request or row, in the metric's unit."""

    kind: Kind
    low: float
    high: float

    @property
    def span(self) -> float:
        """Length of the range: a difference of two means lies in [-span, span]."""
        return self.high - self.low


def scale_of(gate: Gate, objective: Objective) -> Scale:
    """The scale on which a gate of a checked rollout is judged."""
    kind: Kind = _LOSS_OF[objective] if gate.metric == "loss" else gate.metric  # type: ignore[assignment]
    if kind == "log_loss":
        return Scale(kind, -math.log(1 - CLIP), -math.log(CLIP))
    if kind == "mae" or (kind == "score_shift" and objective == "regression"):
        return Scale(kind, 0.0, float(gate.threshold or 0.0))
    return Scale(kind, 0.0, 1.0)


def quantile_of(gate: Gate) -> float:
    """The quantile that a gate on ``latency_quantile`` is about."""
    return _DEFAULT_QUANTILE if gate.quantile is None else gate.quantile


def check_gates(rollout: Rollout, objective: Objective | None = None) -> None:
    """Refuse gates that live traffic can't decide, before a rollout starts.

    :param objective: of the model; without it, what depends on it is not checked.
    :raises SpecError: naming the gate, what is wrong with it and what to do.
    """
    for stage in ("replay", "shadow", "canary"):
        section = getattr(rollout, stage)
        for number, gate in enumerate(section.gates if section else ()):
            _check_stage(gate, f"rollout.{stage}.gates.{number}", stage)
            _check(gate, f"rollout.{stage}.gates.{number}", objective)
    for place, step in enumerate(rollout.canary.steps if rollout.canary else ()):
        for number, gate in enumerate(step.gates):
            _check_stage(gate, f"rollout.canary.steps.{place}.gates.{number}", "canary")
            _check(gate, f"rollout.canary.steps.{place}.gates.{number}", objective)


def _check_stage(gate: Gate, place: str, stage: str) -> None:
    if stage == "replay" and gate.metric in _LATENCIES:
        raise SpecError(
            f"{place}: latency can't be judged in replay: no traffic passed",
            remedy="put it under rollout.shadow",
        )
    if stage == "replay" and gate.metric in MACHINE:
        raise SpecError(
            f"{place}: {gate.metric} can't be judged in replay: no endpoint takes part",
            remedy="put it under rollout.shadow",
        )
    if stage == "canary" and gate.metric in _PAIRS_ONLY:
        raise SpecError(
            f"{place}: {gate.metric} needs both answers to one request, and in canary there is only one",
            remedy="put it under rollout.shadow or rollout.replay",
        )


def _check(gate: Gate, place: str, objective: Objective | None) -> None:
    if gate.metric in MACHINE:
        _check_machine(gate, place)
        return
    if gate.metric not in JUDGED:
        raise SpecError(
            f"{place}: {gate.metric} can't be judged on live traffic",
            expected=f"one of {', '.join((*JUDGED, *sorted(MACHINE)))}",
            remedy="put this gate under evaluation, where all labels are known",
        )
    if gate.slice is not None:
        _check_slice(gate.slice, place)
    _check_objective(gate, place, objective)
    _check_threshold(gate, place, objective)
    for one in (objective,) if objective else ("binary", "regression"):
        if _fits(gate, one):
            _check_limit(gate, place, scale_of(gate, one))
            return


def _check_machine(gate: Gate, place: str) -> None:
    """A gate on the machine has an absolute limit: variants share no machine and no load that would compare them."""
    if gate.max is None:
        wrong = "margin" if gate.margin is not None else "min"
        why = (
            "the champion's instances have another load, and nothing to compare with"
            if wrong == "margin"
            else f"less {gate.metric} is better, so min would ask for a bad model"
        )
        raise SpecError(f"{place}: {wrong} of {gate.metric}: {why}", remedy="use max")
    if not 0.0 < gate.max < 100.0:
        raise SpecError(
            f"{place}: max of {gate.metric} is out of its range",
            given=gate.max,
            expected="per cent of the variant's instances, more than 0 and less than 100",
        )
    for field in ("slice", "threshold", "quantile"):
        if getattr(gate, field) is not None:
            raise SpecError(
                f"{place}: {gate.metric} is of the whole machine",
                given=f"{field} {getattr(gate, field)}",
                remedy=f"leave {field} out",
            )


def _check_slice(text: str, place: str) -> None:
    """Live traffic is told apart by the value of one column. :raises SpecError: for another slice."""
    try:
        found = single_value(text)
    except SpecError as error:
        raise SpecError(
            f"{place}: not a slice; {error.problem}",
            given=text,
            expected="column=value, for example carrier=UA",
            remedy=error.remedy,
        ) from None
    if found is None:
        raise SpecError(
            f"{place}: ranges and several conditions can't be judged on live traffic",
            given=text,
            expected="column=value, for example carrier=UA",
            remedy="put this gate under evaluation, or add a column with the value to the request",
        )


def _fits(gate: Gate, objective: str) -> bool:
    return gate.metric not in (_BINARY_ONLY if objective == "regression" else _REGRESSION_ONLY)


def _check_objective(gate: Gate, place: str, objective: Objective | None) -> None:
    if objective and not _fits(gate, objective):
        raise SpecError(
            f"{place}: {gate.metric} is not a metric of a {objective} model",
            expected="accuracy, brier, log_loss or loss" if objective == "binary" else "mae or loss",
        )


def _check_threshold(gate: Gate, place: str, objective: Objective | None) -> None:
    capped = gate.metric == "mae" or (gate.metric in ("loss", "score_shift") and objective == "regression")
    if gate.metric != "latency" and not capped:
        return
    if gate.threshold is None or not math.isfinite(gate.threshold) or gate.threshold <= 0:
        meaning = (
            "the milliseconds within which a request is to be answered"
            if gate.metric == "latency"
            else "the error, in the label's unit, at which a row's loss is capped"
        )
        raise SpecError(
            f"{place}: {gate.metric} needs a threshold",
            given=gate.threshold,
            expected=f"a number above 0: {meaning}",
        )


def _check_limit(gate: Gate, place: str, scale: Scale) -> None:
    if gate.metric == "latency_quantile":
        _check_milliseconds(gate, place)
        return
    wrong, right = ("max", "min") if gate.direction == "higher" else ("min", "max")
    if getattr(gate, wrong) is not None:
        more = "more" if gate.direction == "higher" else "less"
        raise SpecError(
            f"{place}: {more} {gate.metric} is better, so {wrong} would ask for a bad model",
            remedy=f"use {right} or margin",
        )
    limit = getattr(gate, right)
    if limit is not None and not scale.low < limit < scale.high:
        raise SpecError(
            f"{place}: {right} of {gate.metric} is out of its range",
            given=limit,
            expected=f"more than {scale.low:.4g} and less than {scale.high:.4g}",
        )
    if gate.margin is not None and gate.metric in _PAIRS_ONLY:
        raise SpecError(
            f"{place}: {gate.metric} compares the challenger with the champion already", remedy="use max"
        )
    if gate.margin is not None and not -scale.span < gate.margin < scale.span:
        raise SpecError(
            f"{place}: margin of {gate.metric} is out of its range",
            given=gate.margin,
            expected=f"more than {-scale.span:.4g} and less than {scale.span:.4g}",
        )


def _check_milliseconds(gate: Gate, place: str) -> None:
    if gate.min is not None:
        raise SpecError(
            f"{place}: less latency_quantile is better, so min would ask for a bad model",
            remedy="use max or margin",
        )
    limit = gate.max if gate.max is not None else gate.margin
    if limit is None or not math.isfinite(limit) or limit < 0 or (gate.max is not None and limit == 0):
        raise SpecError(
            f"{place}: limit of latency_quantile is out of its range",
            given=limit,
            expected="milliseconds, not below 0",
        )
