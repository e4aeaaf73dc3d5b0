"""How well the champion did on live requests: measured where labels have come, estimated where they have not.

Everything is a function of the answers of the periods, of the labels that were known at ``as_of``, of the deployment
log up to each period's end, and of the registered versions: a backfill gives the same bytes as the look of the day.
Only the freshness of files is what the place that they lie in says today.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from airflow_mlops.core.evaluation.slices import source_of
from airflow_mlops.core.monitoring.estimation.champion import Estimator, estimator_of
from airflow_mlops.core.monitoring.estimation.errors import distrusted
from airflow_mlops.core.monitoring.performance.freshness import input_freshness
from airflow_mlops.core.monitoring.performance.gates import (
    Yardstick,
    check_performance,
    gate_slice,
    judge,
)
from airflow_mlops.core.monitoring.performance.page import render
from airflow_mlops.core.monitoring.performance.periods import errors_in, performance_of
from airflow_mlops.core.monitoring.performance.report import (
    EstimationError,
    PerformanceReport,
    PeriodPerformance,
    TrafficPeriod,
)
from airflow_mlops.core.monitoring.performance.rows import Answers, PeriodRows, Wanted, collect
from airflow_mlops.core.monitoring.performance.wording import explain, reason_of
from airflow_mlops.core.monitoring.period import champion_at
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.wording import period

if TYPE_CHECKING:
    from airflow_mlops.core.data.source import DataRoot
    from airflow_mlops.spec import ModelSpec

__all__ = ["Taken", "check_performance", "explain", "look_at_performance"]


class Taken(Protocol):
    """What the take-in of captures and labels has counted, see :class:`~.answers.records.TakenIn`."""

    @property
    def unknown(self) -> int:
        """Labels for inference ids that no captured answer has."""
        ...

    @property
    def skewed(self) -> int:
        """Labels whose time can't be right."""
        ...


def look_at_performance(
    store: Store,
    spec: ModelSpec,
    answers: Answers,
    *,
    champion: int | None,
    since: datetime,
    until: datetime,
    as_of: datetime,
    root: DataRoot | None = None,
    taken: Taken | None = None,
    progress: Progress = ignore,
) -> PerformanceReport:
    """Measure and estimate the newest periods that end at ``until``, hold the gates against them, and draw the page.

    :param champion: version that serves at the end of the newest period; of the earlier ones it is the deployment
        log's. Periods without one have traffic only.
    :param since, until: the newest period; earlier ones are as long.
    :param as_of: labels of a later time are not known.
    :param root: where files of the held-out rows are read from, and where inputs are looked for.
    :raises SpecError: if the spec asks for what can't be measured, see :func:`check_performance`.
    :raises RegistryError: if there is no such version.
    """
    check_performance(spec)
    found = _Found(_Champions(store, spec, until - since, root, progress), spec)
    for start, end in _periods(spec, since, until):
        number = champion if end == until else _champion_before(store, spec.name, end, champion)
        progress(f"performance from {period(start, end)}")
        found.add(_collected(answers, spec, found.champions, start, end, as_of, number))
    report = _report(store, spec, found, champion, (since, until, as_of), root, taken)
    page = render(report, spec, found.distrusted(champion)).encode()
    return report.model_copy(update={"page": put_bytes(store, page)})


def _periods(spec: ModelSpec, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Oldest first; where labels come late, so many more that those with labels are among them."""
    length, delay = until - since, spec.monitoring.performance.label_delay
    late = math.ceil(delay / length) if delay else 0
    for back in reversed(range(spec.monitoring.performance.periods + late)):
        yield since - back * length, until - back * length


def _champion_before(store: Store, model: str, moment: datetime, default: int | None) -> int | None:
    """The champion at an earlier time; the present one where nothing was ever deployed."""
    entries = [entry for _, entry in DeploymentLog(store, model).log.entries()]
    return champion_at(entries, moment) if entries else default


def _collected(
    answers: Answers,
    spec: ModelSpec,
    champions: _Champions,
    since: datetime,
    until: datetime,
    as_of: datetime,
    number: int | None,
) -> PeriodRows:
    asked = spec.monitoring.performance
    gated = [which[0] for gate in asked.gates if (which := gate_slice(gate)) is not None]
    known = None if number is None else champions.of(number)
    wanted = Wanted(
        objective=spec.training.objective if known is None else known.objective,
        slices={name: source_of(name, spec.features.columns) for name in (*asked.slices, *gated)},
        columns=() if known is None or known.objective == "binary" else known.columns,
        label_delay=asked.label_delay,
    )
    return collect(answers, since, until, as_of, number, wanted)


@dataclass(frozen=True)
class _Champion:
    """A version, and what its performance is held against."""

    objective: str
    columns: tuple[str, ...]
    baseline: Mapping[str, float]
    slices: Mapping[str, Mapping[str, float]]


class _Champions:
    """The versions that were champion in the periods, and what estimates them: each made once."""

    def __init__(
        self, store: Store, spec: ModelSpec, period: timedelta, root: DataRoot | None, progress: Progress
    ) -> None:
        self._store = store
        self._spec = spec
        self._period = period
        self._root = root
        self._progress = progress
        self._known: dict[int, _Champion] = {}
        self._estimators: dict[int, Estimator | str] = {}

    def of(self, number: int) -> _Champion:
        """What is registered of a version."""
        if number not in self._known:
            record = Registry(self._store, self._spec.name).get(number)
            self._known[number] = _Champion(
                objective=record.trained.objective,
                columns=tuple(one.name for one in record.trained.signature.inputs),
                baseline=record.evaluation.metrics,
                slices={one.slice: one.metrics for one in record.evaluation.slices},
            )
        return self._known[number]

    def estimator(self, number: int) -> Estimator | str:
        """What estimates a version, or why nothing does."""
        if number not in self._estimators:
            known = self.of(number)
            self._estimators[number] = estimator_of(
                self._store,
                self._spec.name,
                number,
                objective=known.objective,
                columns=known.columns,
                event_time=self._spec.data.event_time,
                period=self._period,
                root=self._root,
                progress=self._progress,
            )
        return self._estimators[number]


@dataclass
class _Found:
    """What was found so far, period by period."""

    champions: _Champions
    spec: ModelSpec
    periods: list[PeriodPerformance] = field(default_factory=list)
    errors: list[tuple[int, EstimationError]] = field(default_factory=list)
    traffic: list[TrafficPeriod] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    overdue: int = 0

    def add(self, rows: PeriodRows) -> None:
        """Measure and estimate one period."""
        self.traffic += rows.traffic.periods()
        self.overdue += rows.overdue
        if rows.champion is None or not rows.rows:
            return
        self.notes.update(dict.fromkeys(sorted(rows.notes)))
        if rows.odd_labels:
            self.notes[f"{rows.odd_labels:,} labels are neither 0 nor 1"] = None
        asked = self.spec.monitoring.performance
        made = self.champions.estimator(rows.champion)
        if isinstance(made, str):
            self.notes[f"nothing is estimated: {made}"] = None
        estimator = None if isinstance(made, str) else made
        gated = [which for gate in asked.gates if (which := gate_slice(gate)) is not None]
        objective = self.champions.of(rows.champion).objective
        found = performance_of(rows, rows.champion, objective, estimator, asked.slices, gated)
        if found[0].maturity >= asked.min_labelled:
            self.errors += [(rows.champion, one) for one in errors_in(rows, found[0], estimator)]
        self.periods += found

    def distrusted(self, champion: int | None) -> dict[str, str]:
        """Metrics of a version that are not to be estimated any more."""
        return distrusted(one for number, one in self.errors if number == champion)


def _report(
    store: Store,
    spec: ModelSpec,
    found: _Found,
    champion: int | None,
    times: tuple[datetime, datetime, datetime],
    root: DataRoot | None,
    taken: Taken | None,
) -> PerformanceReport:
    known = None if champion is None else found.champions.of(champion)
    distrust = found.distrusted(champion)
    gates, judged_on = ((), None) if known is None or champion is None else judge(
        spec.monitoring.performance.gates,
        found.periods,
        Yardstick(
            champion=champion,
            baseline=known.baseline,
            slices=known.slices,
            min_rows=spec.monitoring.min_rows,
            min_labelled=spec.monitoring.performance.min_labelled,
            distrusted=distrust,
            windows=spec.monitoring.retrain.windows,
            of=spec.monitoring.retrain.of,
        ),
    )  # fmt: skip
    since, until, as_of = times
    report = PerformanceReport(
        model=spec.name,
        champion=champion,
        since=since,
        until=until,
        as_of=as_of,
        objective=spec.training.objective if known is None else known.objective,
        baseline=dict(known.baseline) if known else {},
        periods=tuple(found.periods),
        gates=gates,
        judged_on=judged_on,
        errors=tuple(one for _, one in found.errors),
        traffic=tuple(found.traffic),
        inputs=input_freshness(spec, store, root, until),
        unknown=taken.unknown if taken else 0,
        skewed=taken.skewed if taken else 0,
        overdue=found.overdue,
    )
    notes = (*found.notes, *distrust.values())
    return report.model_copy(
        update={"reason": reason_of(report, spec.monitoring.performance.min_labelled, notes)}
    )
