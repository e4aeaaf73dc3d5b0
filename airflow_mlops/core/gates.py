"""The one shape of a gate, wherever a decision is made: evaluation, shadow, canary, monitoring."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from airflow_mlops.core.record import Record
from airflow_mlops.core.section import Section

#: Metrics of which more is better; of every other known metric less is better.
HIGHER_IS_BETTER = frozenset({"auc", "average_precision", "accuracy", "precision", "recall", "f1", "r2"})
LOWER_IS_BETTER = frozenset(
    {
        "log_loss",
        "brier",
        "calibration_error",
        "rmse",
        "mae",
        "error_rate",
        "latency",
        "latency_quantile",
        "loss",
        "disagreement",
        "score_shift",
        "drift_share",
        "cost",
        "demographic_parity_difference",
        "equalized_odds_difference",
        "memory",
        "cpu",
    }
)
#: Metrics of the instances that a variant runs on, in per cent; not of its requests.
MACHINE = frozenset({"memory", "cpu"})
#: Metrics that compare the groups of a column: how far apart the two that differ most are.
FAIRNESS = frozenset({"demographic_parity_difference", "equalized_odds_difference"})

Direction = Literal["higher", "lower"]


class Gate(Section):
    """A limit on one metric, absolute or against the champion, overall or for one slice.

    Exactly one of ``min``, ``max`` and ``margin`` is set. ``margin`` is in the metric's own unit and says how much
    worse than the champion a challenger may be: 0 asks for "not worse", a negative margin asks for "better by".
    """

    metric: str = Field(min_length=1, description="Name of the metric, e.g. log_loss.")
    min: float | None = Field(None, description="The least value that passes.")
    max: float | None = Field(None, description="The largest value that passes.")
    margin: float | None = Field(
        None, description="How much worse than the champion passes, in the metric's unit."
    )
    slice: str | None = Field(
        None,
        description="column=value: the gate holds for these rows only. In the evaluation also column=[low,high), and "
        "several joined by &.",
    )
    group: str | None = Field(None, description="For fairness metrics: the column whose groups are compared.")
    threshold: float | None = Field(
        None,
        description="For latency: the service level in milliseconds whose exceedance is counted. For mae, and loss "
        "of a regression, in a rollout: the error at which a row's loss is capped.",
    )

    quantile: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="For latency_quantile: which one, 0.99 without it; limits are in milliseconds.",
    )

    @model_validator(mode="after")
    def _one_limit(self) -> Gate:
        known = HIGHER_IS_BETTER | LOWER_IS_BETTER
        if self.metric not in known:
            raise ValueError(f"metric {self.metric!r} is unknown; known are {', '.join(sorted(known))}")
        given = [name for name in ("min", "max", "margin") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a gate has exactly one limit of min, max, margin; this one has {given or 'none'}"
            )
        if (self.metric in FAIRNESS) != (self.group is not None):
            raise ValueError(
                f"group is the column of the metrics {', '.join(sorted(FAIRNESS))}, and of no other"
            )
        return self

    @property
    def direction(self) -> Direction:
        """Whether more or less of the metric is better."""
        return "higher" if self.metric in HIGHER_IS_BETTER else "lower"

    @property
    def on_machine(self) -> bool:
        """Whether it is about the instances of a variant, and not about requests or rows."""
        return self.metric in MACHINE

    @property
    def name(self) -> str:
        """A short name for logs and tables, e.g. ``log_loss[carrier=UA]``."""
        where = ", ".join(part for part in (self.group, self.slice) if part)
        return f"{self.metric}[{where}]" if where else self.metric

    @property
    def limit_text(self) -> str:
        """The limit in words."""
        if self.min is not None:
            return f"at least {self.min:g}"
        if self.max is not None:
            return f"at most {self.max:g}"
        return f"at most {self.margin:g} worse than the champion"


Outcome = Literal["pass", "fail", "inconclusive"]


class GateResult(Record):
    """What a gate found.

    ``value`` is the challenger's metric, ``champion`` the champion's (for a margin), ``bound`` the value or the
    confidence bound that was held against ``limit``; ``samples`` is how many observations stand behind it.

    :param interval: of what is held against ``limit``, in its unit: 95 % (evaluation), or valid at all times at once
        (rollout).
    :param design_effect: so many requests say as much as one independent one (rollout); 1 where they are independent.
    :param needed: about how many more of the challenger's requests would decide it, as far as that can be told.
    """

    gate: Gate
    outcome: Outcome
    value: float | None = None
    champion: float | None = None
    bound: float | None = None
    limit: float | None = None
    samples: int | None = None
    interval: tuple[float, float] | None = None
    design_effect: float | None = None
    needed: int | None = None
    reason: str

    @property
    def passed(self) -> bool:
        """True only for ``pass``: what could not be decided does not pass."""
        return self.outcome == "pass"
