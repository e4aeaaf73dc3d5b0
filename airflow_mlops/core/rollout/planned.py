"""The records of a planned rollout."""

from __future__ import annotations

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.record import Record
from airflow_mlops.core.rollout.verdict import Stage


class Spread(Record):
    """The median and the 90 % quantile over runs; None where so many of them did not get there."""

    median: float | None
    most: float | None


class Effort(Record):
    """What something takes.

    :param requests: live requests, whoever answers them; in replay captured ones.
    :param challenger: those that the challenger answers.
    :param seconds: at the seen rate, and with the time until the truth is known.
    """

    requests: Spread
    challenger: Spread
    seconds: Spread


class GatePlan(Record):
    """What one gate takes; nothing but the gate for one on the machine, which is not planned.

    :param level: the champion's metric; ``change``: how much worse the challenger is that is to be stopped; both in the
        unit of the metric.
    :param delay: seconds until an observation is known.
    :param stopped: until that challenger fails.
    :param passed: until one that is as good as the champion passes.
    :param about: by a rule of thumb, the live requests until it passes; None where it never would.
    :param fitting: where it takes too long, about the margin with which it would not.
    :param captured: observations of the champion behind it.
    :param design_effect: so many observations say as much as one independent one.
    :param obstacle: why nothing can be said about it, empty otherwise.
    """

    gate: Gate
    level: float | None = None
    change: float | None = None
    delay: float = 0.0
    stopped: Effort | None = None
    passed: Effort | None = None
    about: float | None = None
    fitting: float | None = None
    captured: int = 0
    design_effect: float | None = None
    obstacle: str = ""

    @property
    def name(self) -> str:
        """The gate with its limit, as a stage may have several gates on one metric: ``error_rate, margin 0.02``."""
        limits = (("min", self.gate.min), ("max", self.gate.max), ("margin", self.gate.margin))
        return self.gate.name + "".join(f", {word} {limit:g}" for word, limit in limits if limit is not None)

    @property
    def allowed(self) -> bool:
        """Whether the gate allows the change, so that such a challenger is not to be stopped."""
        level, change, gate = self.level or 0.0, self.change or 0.0, self.gate
        if gate.margin is not None:
            return change <= gate.margin
        if gate.min is not None:
            return level - change >= gate.min
        return level + change <= float(gate.max or 0.0)


class StagePlan(Record):
    """What a stage takes.

    :param weight: the challenger's share of the live requests, 0 before the canary.
    :param passed: until every gate has passed a challenger that is as good, with min_samples and dwell time.
    :param reached: seconds until there are ``min_samples``.
    :param longest: max_duration in seconds; None in replay.
    :param available: captured requests that a replay asks again; None in the other stages.
    """

    stage: Stage
    weight: float
    gates: tuple[GatePlan, ...]
    passed: Effort
    min_samples: int
    reached: float
    longest: float | None = None
    available: int | None = None

    @property
    def name(self) -> str:
        """The stage in words, e.g. ``canary 0.2``."""
        return f"{self.stage} {self.weight:g}" if self.stage == "canary" else self.stage

    def fits(self, effort: Effort, *, median: bool = False) -> bool:
        """Whether 90 % of the runs (or half of them) end before the stage does."""
        spread = effort.seconds if self.available is None else effort.requests
        needed = spread.median if median else spread.most
        there = self.longest if self.available is None else self.available
        return needed is not None and needed <= (there or 0.0)


class Plan(Record):
    """What a rollout takes.

    :param champion: version whose captured traffic stands behind it; ``requests``: how many of its answers.
    :param rate: live requests per second.
    :param delay: seconds until the truth of a row is known, median and 90 %; None without any.
    :param label_share: share of the rows that get one.
    :param differ: share of the rows on which a challenger that is as good is taken to answer otherwise.
    :param seconds: of all stages together, for a challenger that is as good as the champion.
    :param warnings: what does not fit, and what to change.
    """

    model: str
    champion: int
    requests: int
    rate: float
    delay: tuple[float, float] | None
    label_share: float
    differ: float
    runs: int
    seed: int
    stages: tuple[StagePlan, ...]
    seconds: Spread
    warnings: tuple[str, ...] = ()
