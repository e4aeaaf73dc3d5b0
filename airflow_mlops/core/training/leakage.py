"""Leakage: features that know the outcome, or that change when the future is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetRef, DatasetVersion
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.cutting import changed_features, changed_joins, changed_since, cuts_of
from airflow_mlops.core.training.features import FeatureFunction, compile_function, compute, source_of
from airflow_mlops.core.training.inputs import raw_frame
from airflow_mlops.core.training.labels import labels_of, require_two_values
from airflow_mlops.core.training.run import inputs_of
from airflow_mlops.core.training.strength import strength
from airflow_mlops.core.wording import minute

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.core.training.artifact import InputColumn
    from airflow_mlops.spec import ModelSpec

_MOST_ROWS = 200_000
_MOST_CELLS = 50_000_000


class FeatureStrength(Record):
    """How well one feature alone ranks the labels, 0.5 to 1; see
    :func:`~airflow_mlops.core.training.strength.strength`.
    """

    feature: str
    auc: float


class Change(Record):
    """A feature or column whose values of the past depend on what came later.

    :param how: ``cut``: computed again from the rows before ``at`` it differs; ``snapshot``: it differs from the older
        dataset version whose last event was ``at``.
    :param rows: rows whose value differs; of the rows ``of`` that were compared.
    """

    feature: str
    how: Literal["cut", "snapshot"]
    at: datetime
    rows: int
    of: int


class LeakageReport(Record):
    """What was looked for, and what was found.

    :param rows: labelled rows of the training part that the strengths were measured on.
    :param strengths: of all features, the strongest first.
    :param leaks: features that rank the labels better than ``max_auc``.
    :param cuts: times at which the future was cut off.
    :param compared_with: the older version that the values were held against, None without one.
    :param unproved: columns whose values nothing in the data can show to be known when a request comes.
    :param notes: what could not be looked at, and why.
    """

    dataset: DatasetRef
    rows: int
    objective: str
    max_auc: float
    severity: Literal["fail", "warn"]
    strengths: tuple[FeatureStrength, ...]
    leaks: tuple[str, ...]
    cuts: tuple[datetime, ...]
    changes: tuple[Change, ...]
    compared_with: DatasetRef | None
    unproved: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no feature leaks."""
        return not self.leaks and not self.changes


def check_leakage(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    *,
    root: DataRoot | None = None,
    earlier: DatasetVersion | None = None,
    progress: Progress = ignore,
) -> LeakageReport:
    """Look for features that know the outcome.

    Three things are looked at: how well each feature alone ranks the labels of the training part; whether joins and
    features of the past come out the same when everything from some time on is cut off; and, where the spec names an
    ``id``, whether columns of the same rows had other values in an older version. What a column held at the time of its
    event can't be seen in one version: such columns are listed as unproved.

    :param root: where the objects are read from that a version pins without a copy in the store.
    :param earlier: an older version, e.g. the one that the champion learned from.
    :raises DataError: if columns or labels are not what the spec says, or the training part has one class only.
    :raises FeatureError: if the feature code fails.
    """
    from airflow_mlops.spec import Leakage

    limits = spec.features.leakage or Leakage()
    inputs = inputs_of(spec, version)
    frame, train = _read(store, spec, version, inputs)
    progress(f"leakage: {len(frame):,} rows, {len(train):,} of them to learn from")
    strengths, rows = _strengths(spec, train, inputs, _function(spec, inputs))
    cuts = cuts_of(frame[spec.data.event_time])
    changes = [
        Change(feature=name, how="cut", at=at, rows=count, of=of)
        for name, at, count, of in [
            *changed_features(_function(spec, inputs), spec, inputs, frame, cuts, progress),
            *changed_joins(store, root, spec, version, cuts, progress),
        ]
    ]
    notes: list[str] = []
    if earlier is not None:
        names = [column.name for column in inputs]
        for name, count, of in changed_since(store, spec, earlier, version, names, notes, progress):
            changes.append(Change(feature=name, how="snapshot", at=earlier.last_event, rows=count, of=of))
    joined = {name for one in spec.data.joins for name in one.columns}
    return LeakageReport(
        dataset=version.ref,
        rows=rows,
        objective=spec.training.objective,
        max_auc=limits.max_auc,
        severity=limits.severity,
        strengths=strengths,
        leaks=tuple(one.feature for one in strengths if one.auc > limits.max_auc),
        cuts=tuple(cuts),
        changes=tuple(changes),
        compared_with=earlier.ref if earlier else None,
        unproved=tuple(one.name for one in inputs if one.name not in {*joined, spec.data.event_time}),
        notes=tuple(notes),
    )


def explain(report: LeakageReport) -> str:
    """The report in one line."""
    limit = f"(limit {report.max_auc:g})"
    found = [
        f"{one.feature} alone ranks the labels with AUC {one.auc:.3f} {limit}"
        if report.objective == "binary"
        else f"{one.feature} alone orders the labels with {one.auc:.3f} {limit}"
        for one in report.strengths
        if one.feature in report.leaks
    ]
    found += [_change_text(one) for one in _worst(report.changes)]
    if found:
        return f"{len(found)} signs of leakage: {'; '.join(found)}"
    best = report.strengths[0]
    unproved = f"; not provable from data: {', '.join(report.unproved)}"[:200] if report.unproved else ""
    return (
        f"no leakage found: the strongest feature is {best.feature} with {best.auc:.3f} {limit}, nothing changed when "
        f"the future was cut off at {len(report.cuts)} times{unproved}"
    )


def _worst(changes: Sequence[Change]) -> list[Change]:
    """One change of each feature and kind: that of the most rows."""
    worst: dict[tuple[str, str], Change] = {}
    for one in sorted(changes, key=lambda change: change.rows):
        worst[one.feature, one.how] = one
    return sorted(worst.values(), key=lambda change: (change.feature, change.how))


def _change_text(one: Change) -> str:
    what = f"{one.feature} differs in {one.rows:,} of {one.of:,} rows"
    if one.how == "cut":
        return f"{what} when the future is cut off at {minute(one.at)}"
    return f"{what} from the version that ended at {minute(one.at)}"


def _read(
    store: Store, spec: ModelSpec, version: DatasetVersion, inputs: Sequence[InputColumn]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All rows in the order of time, and those of the training part."""
    from airflow_mlops.core.data.reading import read_frame
    from airflow_mlops.core.data.split import split_by_time

    needed = dict.fromkeys([spec.data.event_time, spec.data.label, *(one.name for one in inputs)])
    frame = read_frame(store, version, columns=list(needed))
    return frame, split_by_time(frame, spec.data.event_time, spec.split).train


def _function(spec: ModelSpec, inputs: Sequence[InputColumn]) -> FeatureFunction | None:
    source = source_of(spec.features)
    return compile_function(source, inputs) if source else None


def _strengths(
    spec: ModelSpec, train: pd.DataFrame, inputs: Sequence[InputColumn], function: FeatureFunction | None
) -> tuple[tuple[FeatureStrength, ...], int]:
    """The strength of each feature on labelled rows, evenly taken where there are very many."""
    import numpy as np

    present, labels = labels_of(train, spec.data.label, spec.training.objective)
    require_two_values(labels, spec.data.label, "train")
    most = max(1000, min(_MOST_ROWS, _MOST_CELLS // max(1, len(inputs))))
    taken = np.unique(np.linspace(0, len(labels) - 1, min(most, len(labels))).astype(np.int64))
    raw, goal = raw_frame(train[present].iloc[taken], inputs), labels[taken]
    require_two_values(goal, spec.data.label, "train")
    features = raw if function is None else compute(function, "features", raw)
    found = [
        FeatureStrength(feature=name, auc=strength(features[name], goal, spec.training.objective))
        for name in features.columns
    ]
    return tuple(sorted(found, key=lambda one: (-one.auc, one.feature))), len(goal)
