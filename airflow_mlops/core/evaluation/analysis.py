"""Records of what an evaluation looks at beside its gates; every number is of the held-out rows."""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.record import Record


class WeakSlice(Record):
    """A slice where the model is worse than elsewhere, beyond what the search would find by chance.

    :param slice: ``column=value`` or ``column=[low,high)``, two joined by `` & ``: what a gate's ``slice`` takes.
    :param loss: mean loss per row in the slice (log loss, or squared error); ``elsewhere`` on all other rows.
    :param low: lower confidence bound of ``loss - elsewhere``, simultaneous over all slices that were looked at.
    :param p_value: corrected for the search.
    :param expected: mean loss in the slice if its scores were true probabilities; near ``loss`` the outcomes there are
        hard to tell, far below it the model is wrong there. None for a regression.
    :param gate: one line of YAML that makes it a gate.
    """

    slice: str
    rows: int
    loss: float
    elsewhere: float
    low: float
    p_value: float
    gate: str
    expected: float | None = None


class SliceSearchResult(Record):
    """What the search for weak slices found.

    :param looked_at: how many slices were compared.
    """

    looked_at: int
    alpha: float
    slices: tuple[WeakSlice, ...]
    reason: str


class GroupMetrics(Record):
    """One group of a column: how often the answer is yes, and how often rightly."""

    group: str
    rows: int
    selection_rate: float
    true_positive_rate: float | None
    false_positive_rate: float | None
    metrics: dict[str, float]


class Fairness(Record):
    """The groups of one column, and how far apart they are.

    :param left_out: rows of groups that are too small to compare.
    """

    column: str
    groups: tuple[GroupMetrics, ...]
    demographic_parity_difference: float | None
    equalized_odds_difference: float | None
    left_out: int


class CalibrationBin(Record):
    """Rows of similar scores: mean score, share of positives, and its 95 % Wilson interval."""

    rows: int
    predicted: float
    observed: float
    low: float
    high: float


class Calibration(Record):
    """Predicted against observed rates, in bins of equal mass."""

    bins: tuple[CalibrationBin, ...]
    error: float
    champion_error: float | None = None


class FeatureImportance(Record):
    """One feature: mean absolute SHAP contribution (in the margin of the model) and its share of the gain."""

    feature: str
    contribution: float
    gain: float


class Importance(Record):
    """The features, the largest contribution first; at most 200.

    :param rows: rows that were explained.
    """

    features: tuple[FeatureImportance, ...]
    rows: int


class Efficiency(Record):
    """What an answer costs: bytes of the model, and one core's latency of one-row requests, features included."""

    size: int
    rounds: int
    latency_median_ms: float
    latency_p99_ms: float
    rows_per_second: float
    champion_size: int | None = None
    champion_latency_median_ms: float | None = None


class CostPoint(Record):
    """The mean cost per row at a threshold."""

    threshold: float
    cost: float


class CostResult(Record):
    """What the answers are worth.

    :param cost: mean cost per row at ``threshold``; ``champion`` the champion's on the same rows at the same threshold.
    :param chosen_on: ``spec``, or the part of the data on which the threshold was chosen.
    :param best: the cheapest threshold on the held-out rows, for people: no gate uses it.
    """

    threshold: float
    chosen_on: str
    cost: float
    champion: float | None
    yes_to_all: float
    no_to_all: float
    best: CostPoint
    curve: tuple[CostPoint, ...]
    currency: str


class AgeingPoint(Record):
    """One later period: its rows and the metric of the model that was trained before it.

    :param rows: that were scored: all of the period, or a sample of 50,000.
    :param fresh: the same metric of a model that was trained on all rows before this period, None where it was not
        made.
    :param low, high: 95 % interval of ``value`` (bootstrap over blocks of time).
    :param gap_low, gap_high: 95 % interval of "worse than fresh by" on the same rows, in the metric's unit.
    """

    start: datetime
    end: datetime
    rows: int
    value: float
    low: float
    high: float
    fresh: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None


class Ageing(Record):
    """How a model gets worse with time.

    :param trained_until: event time at which the training ended.
    :param points: none if it could not be measured; ``reason`` says why.
    :param tolerance: share by which the metric may be worse than that of a fresh model.
    :param interval_days: the retraining interval that is suggested, None when it did not age within the data.
    :param earliest_days, latest_days: 95 % interval of ``interval_days``; ``latest_days`` is None beyond the data.
    """

    metric: str
    trained_until: datetime
    train_rows: int
    points: tuple[AgeingPoint, ...]
    tolerance: float
    interval_days: float | None
    reason: str
    earliest_days: float | None = None
    latest_days: float | None = None
