"""How will a model age? It is trained on the first part of the time range, and scored in each later period."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, SpecError
from airflow_mlops.core.evaluation.ageing_interval import (
    BLOCKS,
    Drawn,
    Scored,
    bounds,
    draw,
    retraining_interval,
    worse_by,
)
from airflow_mlops.core.evaluation.analysis import Ageing, AgeingPoint
from airflow_mlops.core.evaluation.gating import MIN_ROWS
from airflow_mlops.core.evaluation.metrics import known_metrics
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.base import Trainer
from airflow_mlops.core.training.labels import labels_of, require_two_values
from airflow_mlops.core.training.matrix import frame_matrix
from airflow_mlops.core.training.predictor import Predictor, load_booster, score_matrix
from airflow_mlops.core.training.run import Rows, fit_rows
from airflow_mlops.core.wording import day, days

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from airflow_mlops import spec as spec_module
    from airflow_mlops.spec import ModelSpec

#: More periods would say little more and take long.
_MOST_PERIODS = 60
#: Fresh models, evenly spread over the periods.
_MOST_FRESH = 12
_MOST_ROWS = 50_000

Scores = Callable[["NDArray[np.int64]"], "NDArray[np.float64]"]


@dataclass(frozen=True)
class _History:
    """All labelled rows in the order of time, with their features.

    :param times: event times in nanoseconds since 1970.
    """

    spec: ModelSpec
    version: DatasetVersion
    trained: TrainedModel
    trainer: Trainer | None
    times: NDArray[np.int64]
    rows: Rows

    def before(self, when: datetime) -> int:
        """How many rows are older than ``when``."""
        return int(self.times.searchsorted(_nanoseconds(when), side="left"))

    def train(self, until: datetime) -> tuple[int, Scores]:
        """Fit on all rows before ``until`` as the spec says; how many those are, and a way to score rows.

        :raises DataError: if they don't have two different labels.
        """
        end = self.before(until)
        cut = self.before(until - self.spec.split.validation) if self.spec.split.validation else end
        rows = {"train": self._part(0, cut, "train")}
        if cut < end:
            rows["validation"] = self._part(cut, end, "validation")
        inputs = self.trained.signature.inputs
        fitted, signature = fit_rows(self.spec, self.version, inputs, rows, trainer=self.trainer)
        booster = load_booster(fitted.framework, fitted.artifact, self.spec.name)
        return cut, lambda chosen: score_matrix(
            booster, frame_matrix(self.rows.features.iloc[chosen], signature)
        )

    def _part(self, start: int, end: int, name: str) -> Rows:
        labels = self.rows.labels[start:end]
        require_two_values(labels, self.spec.data.label, name)
        return Rows(self.rows.features.iloc[start:end], labels)


@dataclass(frozen=True)
class _Period:
    """A later period and the numbers of its rows."""

    start: datetime
    end: datetime
    chosen: NDArray[np.int64]

    def __str__(self) -> str:
        return days(self.start, self.end)


def ageing_metric(spec: ModelSpec) -> str:
    """The metric of the curve. :raises SpecError: if it is not one of the objective's."""
    objective = spec.training.objective
    asked = spec.evaluation.ageing.metric if spec.evaluation.ageing else None
    if asked is not None and asked not in known_metrics(objective):
        raise SpecError(
            f"evaluation.ageing.metric: not a metric of a {objective} model",
            given=asked,
            expected=", ".join(known_metrics(objective)),
        )
    return asked or ("log_loss" if objective == "binary" else "rmse")


def measure_ageing(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    trained: TrainedModel,
    *,
    trainer: Trainer | None = None,
    progress: Progress = ignore,
) -> Ageing | None:
    """Train on the first ``evaluation.ageing.train`` of the time range, and score that model in each later period.

    In each period it stands beside a fresh model, trained on all rows before the period: what ages is the gap between
    both, since a hard month is as hard for a fresh model. All rows, because that is what a release would train on.
    Parameters, features and early stopping are the spec's. At most 12 fresh models are trained, spread evenly, and at
    most 50,000 rows of a period are scored. Writes nothing. Data that do not suffice are told in ``reason``, without
    points: a curve that can't be drawn stops no release.

    :param trained: the model of this release; its features are used.
    :returns: None if the spec asks for no ageing curve.
    :raises SpecError: if the metric is not one of the objective's.
    """
    settings = spec.evaluation.ageing
    if settings is None:
        return None
    metric = ageing_metric(spec)
    until = version.first_event + (version.last_event - version.first_event) * settings.train
    try:
        _require_periods(settings, version, until)
        history = _history(store, spec, version, trained, trainer, progress)
        return _curve(history, metric, settings, until, progress)
    except DataError as error:
        progress(f"ageing: {error}")
        return Ageing(
            metric=metric,
            trained_until=until,
            train_rows=0,
            points=(),
            tolerance=settings.tolerance,
            interval_days=None,
            reason=str(error),
        )


def _require_periods(settings: spec_module.Ageing, version: DatasetVersion, until: datetime) -> None:
    """:raises DataError: for fewer than two periods, or for very many."""
    left = version.last_event - until
    count = left / settings.period
    if not 1 < count <= _MOST_PERIODS:
        raise DataError(
            f"the time range holds {'too few' if count <= 1 else 'too many'} periods to show ageing",
            given=f"{left / timedelta(days=1):.1f} days after the training, periods of "
            f"{settings.period / timedelta(days=1):g} days",
            expected=f"2 to {_MOST_PERIODS} periods",
            remedy="change evaluation.ageing.period or train, or take another window of data",
        )


def _history(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    trained: TrainedModel,
    trainer: Trainer | None,
    progress: Progress,
) -> _History:
    import numpy as np
    import pandas as pd

    from airflow_mlops.core.data.reading import read_frame

    inputs = [column.name for column in trained.signature.inputs]
    frame = read_frame(store, version, columns=[spec.data.event_time, spec.data.label, *inputs])
    present, labels = labels_of(frame, spec.data.label, trained.objective)
    if dropped := int((~present).sum()):
        progress(f"ageing: {dropped:,} of {len(frame):,} rows have no label and are left out")
    frame = frame[present]
    times = pd.to_datetime(frame[spec.data.event_time], utc=True).astype("datetime64[ns, UTC]")
    features = Predictor.load(store, trained).frame_features(frame)
    rows = Rows(features, labels)
    nanoseconds: NDArray[np.int64] = np.asarray(times.astype("int64"), dtype=np.int64)
    return _History(spec, version, trained, trainer, nanoseconds, rows)


def _curve(
    history: _History, metric: str, settings: spec_module.Ageing, until: datetime, progress: Progress
) -> Ageing:
    periods, empty = _periods(history, settings.period, until, progress)
    started = time.monotonic()
    count, aged = history.train(until)
    seconds = time.monotonic() - started
    fresh_for = _evenly(len(periods))
    more = sum(history.before(periods[number].start) for number in fresh_for) / max(count, 1) * seconds
    progress(
        f"ageing: trained on {count:,} rows until {day(until)} in {seconds:.0f} s; {len(periods)} later periods, "
        f"{len(fresh_for)} fresh models to train, about {more:.0f} s"
    )
    found: list[tuple[_Period, Drawn]] = []
    for number, period in enumerate(periods):
        started = time.monotonic()
        rival = aged if period.start == until else _fresh(history, period) if number in fresh_for else None
        drawn = draw(
            metric, _scored(history, period, until, aged, rival), history.spec.training.seed + number
        )
        if drawn is None:
            empty.append(f"{period}: {metric} is not defined, one outcome only")
            progress(f"ageing: {empty[-1]}; left out")
            continue
        found.append((period, drawn))
        beside = "" if drawn.fresh is None else f", {drawn.fresh:.4f} of a fresh model"
        progress(
            f"ageing: period {number + 1} of {len(periods)}, {period}, {drawn.rows:,} rows: {metric} "
            f"{drawn.value:.4f}{beside} ({time.monotonic() - started:.0f} s)"
        )
    return _record(metric, settings, until, count, found, empty)


def _periods(
    history: _History, length: timedelta, until: datetime, progress: Progress
) -> tuple[list[_Period], list[str]]:
    """The periods after the training with enough rows, and which ones are left out, and why."""
    import numpy as np

    random = np.random.default_rng(history.spec.training.seed)
    periods, empty = [], []
    start, last = until, history.version.last_event
    while start < last:
        end = start + length
        chosen = np.arange(history.before(start), history.before(end) if end < last else len(history.times))
        if len(chosen) > _MOST_ROWS:
            chosen = np.sort(random.choice(chosen, _MOST_ROWS, replace=False))
        period = _Period(start, min(end, last), chosen)
        if len(chosen) < MIN_ROWS:
            empty.append(f"{period}: {len(chosen)} labelled rows, fewer than {MIN_ROWS}")
            progress(f"ageing: {empty[-1]}; left out")
        else:
            periods.append(period)
        start = end
    return periods, empty


def _evenly(count: int) -> list[int]:
    """Which periods after the first get a fresh model: in the first one the aged model is fresh itself."""
    import numpy as np

    later = min(count - 1, _MOST_FRESH)
    return sorted({round(float(at)) for at in np.linspace(1, count - 1, later)}) if later > 0 else []


def _fresh(history: _History, period: _Period) -> Scores:
    _, scores = history.train(period.start)
    return scores


def _scored(
    history: _History, period: _Period, until: datetime, aged: Scores, fresh: Scores | None
) -> Scored:
    import numpy as np

    start = _nanoseconds(period.start)
    length = max(_nanoseconds(period.end) - start, 1)
    blocks = np.minimum((history.times[period.chosen] - start) * BLOCKS // length, BLOCKS - 1)
    scores = aged(period.chosen)
    return Scored(
        start=period.start,
        end=period.end,
        age=(period.start - until) / timedelta(days=1),
        labels=history.rows.labels[period.chosen],
        aged=scores,
        fresh=scores if fresh is aged else fresh(period.chosen) if fresh else None,
        blocks=blocks,
    )


def _record(
    metric: str,
    settings: spec_module.Ageing,
    until: datetime,
    train_rows: int,
    found: Sequence[tuple[_Period, Drawn]],
    empty: Sequence[str],
) -> Ageing:
    if len(found) < 2:
        raise DataError(
            "fewer than two periods can be measured, so ageing can't be seen",
            given="; ".join(empty)[:300] or None,
            remedy="change evaluation.ageing.period or train, or take a longer window of data",
        )
    interval = retraining_interval(metric, [drawn for _, drawn in found], settings.tolerance)
    left_out = f"; left out: {'; '.join(empty)[:300]}" if empty else ""
    return Ageing(
        metric=metric,
        trained_until=until,
        train_rows=train_rows,
        points=tuple(_point(metric, period, drawn) for period, drawn in found),
        tolerance=settings.tolerance,
        interval_days=interval.days,
        reason=interval.reason + left_out,
        earliest_days=interval.earliest,
        latest_days=interval.latest,
    )


def _point(metric: str, period: _Period, drawn: Drawn) -> AgeingPoint:
    gap = worse_by(metric, drawn)
    gap_bounds = None if gap is None else bounds(gap)
    low, high = bounds(drawn.draws) or (drawn.value, drawn.value)
    return AgeingPoint(
        start=period.start,
        end=period.end,
        rows=drawn.rows,
        value=drawn.value,
        low=low,
        high=high,
        fresh=drawn.fresh,
        gap_low=gap_bounds[0] if gap_bounds else None,
        gap_high=gap_bounds[1] if gap_bounds else None,
    )


def _nanoseconds(when: datetime) -> int:
    import pandas as pd

    return int(pd.Timestamp(when).as_unit("ns").value)
