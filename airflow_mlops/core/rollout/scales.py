"""Which metrics live traffic can judge, and the range each of them lives in.

A betting test needs observations in a known range, so every metric here is a bounded number per request:

- ``error_rate``: 1 for a request that was not answered (status 500 and above, or no valid predictions), or 0.
- ``latency``: 1 for a request that was not answered within ``threshold`` milliseconds, or 0. Limits are about
  that share of requests (a service level), not about milliseconds.
- ``brier``: (prediction - label)^2, in [0, 1]; for binary models.
- ``log_loss``: of the prediction clipped to [0.01, 0.99], so in [0.01005, 4.605] nats; for binary models.
- ``mae``: absolute error, capped at ``threshold`` in the label's unit; for regression.
- ``loss``: brier for binary models, mae for regression.

Losses are means over the labelled rows of a request. Margins and maxima are in the metric's own unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from airflow_mlops.core.errors import SpecError

if TYPE_CHECKING:
    from airflow_mlops.core.gates import Gate
    from airflow_mlops.spec import Rollout

Objective = Literal["binary", "regression"]
Kind = Literal["error_rate", "latency", "brier", "log_loss", "mae"]

#: Predictions are clipped to [CLIP, 1 - CLIP] before their log loss is taken, which bounds it.
CLIP = 0.01
JUDGED = ("error_rate", "latency", "loss", "brier", "log_loss", "mae")
_LOSS_OF: dict[str, Kind] = {"binary": "brier", "regression": "mae"}
_BINARY_ONLY, _REGRESSION_ONLY = ("brier", "log_loss"), ("mae",)


@dataclass(frozen=True)
class Scale:
    """The range of a metric per request, in the metric's unit."""

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
    if kind == "mae":
        return Scale(kind, 0.0, float(gate.threshold or 0.0))
    return Scale(kind, 0.0, 1.0)


def check_gates(rollout: Rollout, objective: Objective | None = None) -> None:
    """Refuse gates that live traffic can't decide, before a rollout starts.

    :param objective: of the model; without it, what depends on it is not checked.
    :raises SpecError: naming the gate, what is wrong with it and what to do.
    """
    for stage in ("replay", "shadow", "canary"):
        section = getattr(rollout, stage)
        for number, gate in enumerate(section.gates if section else ()):
            place = f"rollout.{stage}.gates.{number}"
            if stage == "replay" and gate.metric == "latency":
                raise SpecError(
                    f"{place}: latency can't be judged in replay: no traffic passed",
                    remedy="put it under rollout.shadow",
                )
            _check(gate, place, objective)


def _check(gate: Gate, place: str, objective: Objective | None) -> None:
    if gate.metric not in JUDGED:
        raise SpecError(
            f"{place}: {gate.metric} can't be judged on live traffic",
            expected=f"one of {', '.join(JUDGED)}",
            remedy="put this gate under evaluation, where all labels are known",
        )
    if gate.slice is not None:
        raise SpecError(
            f"{place}: a slice can't be judged on live traffic",
            given=gate.slice,
            remedy="put this gate under evaluation, or leave out slice",
        )
    _check_objective(gate, place, objective)
    _check_threshold(gate, place, objective)
    for one in (objective,) if objective else ("binary", "regression"):
        if _fits(gate, one):
            _check_limit(gate, place, scale_of(gate, one))
            return


def _fits(gate: Gate, objective: str) -> bool:
    return gate.metric not in (_BINARY_ONLY if objective == "regression" else _REGRESSION_ONLY)


def _check_objective(gate: Gate, place: str, objective: Objective | None) -> None:
    if objective and not _fits(gate, objective):
        raise SpecError(
            f"{place}: {gate.metric} is not a metric of a {objective} model",
            expected="brier, log_loss or loss" if objective == "binary" else "mae or loss",
        )


def _check_threshold(gate: Gate, place: str, objective: Objective | None) -> None:
    capped = gate.metric == "mae" or (gate.metric == "loss" and objective == "regression")
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
    if gate.min is not None:
        raise SpecError(
            f"{place}: less {gate.metric} is better, so min would ask for a bad model",
            remedy="use max or margin",
        )
    if gate.max is not None and not scale.low < gate.max < scale.high:
        raise SpecError(
            f"{place}: max of {gate.metric} is out of its range",
            given=gate.max,
            expected=f"more than {scale.low:.4g} and less than {scale.high:.4g}",
        )
    if gate.margin is not None and not -scale.span < gate.margin < scale.span:
        raise SpecError(
            f"{place}: margin of {gate.metric} is out of its range",
            given=gate.margin,
            expected=f"more than {-scale.span:.4g} and less than {scale.span:.4g}",
        )
