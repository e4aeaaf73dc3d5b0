"""Our own look at a day, as the monitor makes it, and what it decides; parts that many streams share are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from decay_days import COLUMNS, World

from airflow_mlops.core.evaluation.metrics import measure
from airflow_mlops.core.monitoring.columns import read_frame_of
from airflow_mlops.core.monitoring.comparison import compare, watched_columns
from airflow_mlops.core.monitoring.estimation.champion import Estimator, make_estimator
from airflow_mlops.core.monitoring.estimation.errors import distrusted
from airflow_mlops.core.monitoring.importance import column_importance
from airflow_mlops.core.monitoring.look import Look, RetrainDecision
from airflow_mlops.core.monitoring.performance.gates import Yardstick, judge
from airflow_mlops.core.monitoring.performance.periods import errors_in, performance_of
from airflow_mlops.core.monitoring.performance.report import (
    EstimationError,
    PerformanceReport,
    PeriodPerformance,
)
from airflow_mlops.core.monitoring.performance.rows import Wanted, collect
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.monitoring.retraining.facts import Facts
from airflow_mlops.core.monitoring.retraining.policy import decide
from airflow_mlops.core.monitoring.usual import UsualChange, usual_change
from airflow_mlops.core.monitoring.window import MOST_ROWS, SEED, Reference, Window

DAY = timedelta(days=1)
#: When the day begins at New York: no flight leaves at that hour.
_DAWN = timedelta(hours=8)
_START = datetime(2013, 7, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Judged:
    """The performance of a day: before its labels have come, after that, and how good the estimates were."""

    estimated: PeriodPerformance
    measured: PeriodPerformance
    errors: tuple[EstimationError, ...]


@dataclass(frozen=True)
class Monitor:
    """What the monitor knows of a world's model."""

    world: World

    @cached_property
    def columns(self) -> Any:
        """The watched columns."""
        return watched_columns(self.world.spec, self.world.version)

    @cached_property
    def reference(self) -> Reference:
        """As ``reference_of`` reads it."""
        frame = self.world.known[COLUMNS]
        if len(frame) > MOST_ROWS:
            frame = frame.sample(MOST_ROWS, random_state=SEED)
        return Reference(self.world.version, read_frame_of(frame, self.columns), self.world.held.scores)

    @cached_property
    def importance(self) -> dict[str, float]:
        """As the monitor weighs columns."""
        return column_importance(self.world.predictor, self.world.held.frame).columns

    @cached_property
    def usual(self) -> UsualChange:
        """As ``usual_change_of`` computes it."""
        world, drift = self.world, self.world.spec.monitoring.drift
        return usual_change(
            world.known[COLUMNS],
            world.known["departure"],
            self.columns,
            length=world.spec.monitoring.window,
            alpha=drift.alpha,
            classifier=drift.classifier,
            predictions=(world.held.frame["departure"], world.held.scores),
        )

    @cached_property
    def estimator(self) -> Estimator:
        """Made of the held-out rows."""
        made = make_estimator(
            self.world.held,
            objective="binary",
            columns=COLUMNS,
            event_time="departure",
            period=self.world.spec.monitoring.window,
        )
        if isinstance(made, str):
            raise SystemExit(made)
        return made

    @cached_property
    def baseline(self) -> dict[str, float]:
        """Metrics of the held-out rows, as the evaluation has them."""
        return measure("binary", self.world.held.labels, self.world.held.scores)

    def drift(self, day: pd.DataFrame) -> DriftReport:
        """The day beside the known days."""
        since = _dawn_of(day)
        window = Window(
            since=since,
            until=since + DAY,
            champion=1,
            rows=len(day),
            frame=read_frame_of(day[COLUMNS], self.columns),
            predictions=day["prediction"].to_numpy(),
            set_aside={},
        )
        return compare(
            self.world.spec,
            self.columns,
            window,
            self.reference,
            importance=self.importance,
            usual=self.usual,
        )

    def performance(self, day: pd.DataFrame) -> Judged:
        """The day alone, without and with its labels."""
        since = _dawn_of(day)
        rows = collect(_Answers(day), since, since + DAY, since + DAY, 1, Wanted("binary", {}, ()))
        whole = performance_of(rows, 1, "binary", self.estimator, (), ())[0]
        before = whole.model_copy(update={"labelled": 0, "measured": {}})
        return Judged(before, whole, errors_in(rows, whole, self.estimator))

    def judged(self, days: Sequence[tuple[Judged, bool]]) -> PerformanceReport:
        """The gates after some days, oldest first, each with whether its labels have come."""
        asked = self.world.spec.monitoring
        errors = [one for day, labelled in days if labelled for one in day.errors]
        yardstick = Yardstick(
            champion=1,
            baseline=self.baseline,
            min_rows=asked.min_rows,
            min_labelled=asked.performance.min_labelled,
            distrusted=distrusted(errors),
            windows=asked.retrain.windows,
            of=asked.retrain.of,
        )
        periods = [day.measured if labelled else day.estimated for day, labelled in days]
        gates, judged_on = judge(asked.performance.gates, periods, yardstick)
        return PerformanceReport(
            model=self.world.spec.name,
            champion=1,
            since=_START,
            until=_START + DAY,
            as_of=_START + DAY,
            gates=gates,
            judged_on=judged_on,
        )

    def asks(self, drifts: Sequence[DriftReport], performance: PerformanceReport) -> bool:
        """Whether the policy asks for retraining on this evidence.

        :param drifts: of the newest days, the newest last.
        """
        earlier = tuple(_look_of(one) for one in reversed(drifts[:-1]))
        facts = Facts(drifts[-1], performance, now=_START + DAY, looks=earlier)
        return decide(self.world.spec, facts).retrain


def _look_of(drift: DriftReport) -> Look:
    """What the log keeps of a day."""
    return Look(
        run="",
        since=drift.since,
        until=drift.until,
        champion=1,
        drift="",
        performance=None,
        outcome=drift.outcome,
        share=drift.share,
        columns=drift.drifted,
        metrics={},
        judged_on=None,
        failed_gates=(),
        decision=RetrainDecision(retrain=False, said=""),
        at=drift.until,
    )


class _Answers:
    """The answered requests of a day, one row each, their labels known."""

    def __init__(self, day: pd.DataFrame) -> None:
        self._day = day

    def read(
        self, since: datetime, until: datetime, *, as_of: datetime | None = None, columns: Any = None
    ) -> pa.Table:
        day, rows = self._day, len(self._day)
        made = {
            "_inference_id": [str(number) for number in range(rows)],
            "_at": day["departure"].dt.as_unit("us"),
            "_label": day["late"].astype("float64"),
            "_row": np.zeros(rows, dtype=np.int64),
            "_variant": ["v1"] * rows,
            "_role": ["champion"] * rows,
            "_status": np.full(rows, 200),
            "_latency_ms": np.ones(rows),
            "_prediction": day["prediction"],
        }
        return pa.Table.from_pandas(pd.DataFrame(made)[list(columns)], preserve_index=False)


def _dawn_of(day: pd.DataFrame) -> datetime:
    first = day["departure"].min()
    start: datetime = ((first - _DAWN).normalize() + _DAWN).to_pydatetime()
    return start
