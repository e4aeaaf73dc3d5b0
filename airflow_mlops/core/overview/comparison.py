"""Two model versions side by side: how well they do, what they learned from, and how they were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from airflow_mlops.core.data.version import DatasetRef, DatasetVersion, dataset_key
from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import HIGHER_IS_BETTER, GateResult
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.reproduction.differences import differences
from airflow_mlops.core.reproduction.record import Difference
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.store.results import read_kept
from airflow_mlops.core.training.environment import Lock

Interval = tuple[float, float]


class Side(Record):
    """One of the two. :param cited: ``model:number``. :param rows: of its dataset version, None where it is gone."""

    cited: str
    created_at: datetime
    created_by: str
    dataset: DatasetRef
    rows: int | None
    train_rows: int
    artifact: str


class Pair(Record):
    """A metric of both, each on its own held-out rows.

    :param slice: ``column=value``; None for all rows.
    :param a_on_rows_of_b: ``a``'s metric on the held-out rows of ``b``, where ``b`` was compared with it as champion.
    :param higher_is_better: of the metric.
    """

    metric: str
    slice: str | None = None
    a: float | None
    b: float | None
    a_interval: Interval | None = None
    b_interval: Interval | None = None
    a_on_rows_of_b: float | None = None
    higher_is_better: bool


class DataChange(Record):
    """What changed from the data of ``a`` to those of ``b``, from their manifests: no row is read.

    :param files_new, files_gone, files_kept: by the hash of their bytes.
    """

    rows: int
    files_new: int
    files_gone: int
    files_kept: int
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_retyped: tuple[str, ...]
    since: tuple[datetime, datetime]
    until: tuple[datetime, datetime]


class Changed(Record):
    """A field of the spec that differs; None where there is none. :param place: its path, joined by dots."""

    place: str
    a: Any = None
    b: Any = None


class Comparison(Record):
    """Two model versions side by side.

    :param data: None where both learned from the same version, or a manifest is gone.
    :param environment: Python, the platform and packages that differ: ``recorded`` is ``a``'s, ``found`` is ``b``'s.
    :param same_artifact: whether both are the same bytes.
    :param broken: what can't be read, in a line each.
    """

    a: Side
    b: Side
    same_artifact: bool
    metrics: tuple[Pair, ...]
    slices: tuple[Pair, ...]
    gates_a: tuple[GateResult, ...]
    gates_b: tuple[GateResult, ...]
    data: DataChange | None
    spec: tuple[Changed, ...]
    environment: tuple[Difference, ...]
    broken: tuple[str, ...] = ()


def compare(store: Store, a: tuple[str, int], b: tuple[str, int]) -> Comparison:
    """Compare two versions, the older one first.

    :param a, b: model and number.
    :raises RegistryError: if there is no such version.
    :raises StoreError: if one's record can't be read.
    """
    records = [Registry(store, model).get(number) for model, number in (a, b)]
    first, second = records
    broken: list[str] = []
    before, after = (_manifest(store, one.dataset, broken) for one in records)
    rival = first.model == second.model and second.evaluation.champion_version == a[1]
    return Comparison(
        a=_side(first, a, before),
        b=_side(second, b, after),
        same_artifact=first.trained.artifact == second.trained.artifact,
        metrics=tuple(_metrics(first.evaluation, second.evaluation, rival)),
        slices=tuple(_slices(first.evaluation, second.evaluation, rival)),
        gates_a=first.evaluation.gates,
        gates_b=second.evaluation.gates,
        data=data_change(before, after) if before and after and first.dataset != second.dataset else None,
        spec=tuple(changed(first.spec, second.spec)),
        environment=_environment(store, first, second, broken),
        broken=tuple(broken),
    )


def _side(record: ModelVersion, cited: tuple[str, int], data: DatasetVersion | None) -> Side:
    return Side(
        cited=f"{cited[0]}:{cited[1]}",
        created_at=record.created_at,
        created_by=record.created_by,
        dataset=record.dataset,
        rows=data.rows if data else None,
        train_rows=record.trained.train_rows,
        artifact=record.trained.artifact,
    )


def _manifest(store: Store, ref: DatasetRef, broken: list[str]) -> DatasetVersion | None:
    try:
        found = read_kept(store, dataset_key(ref.name, ref.id), DatasetVersion)
    except StoreError as error:
        broken.append(str(error))
        return None
    if found is None:
        broken.append(f"{ref.name}@{ref.id} is not in the store any more")
    return found


def _metrics(a: Evaluation, b: Evaluation, rival: bool) -> Iterator[Pair]:
    same_rows = (b.champion or {}) if rival else {}
    for name in dict.fromkeys([*b.metrics, *a.metrics]):
        yield Pair(
            metric=name,
            a=a.metrics.get(name),
            b=b.metrics.get(name),
            a_interval=a.intervals.get(name),
            b_interval=b.intervals.get(name),
            a_on_rows_of_b=same_rows.get(name),
            higher_is_better=name in HIGHER_IS_BETTER,
        )


def _slices(a: Evaluation, b: Evaluation, rival: bool) -> Iterator[Pair]:
    """The metric that the first gate of ``b`` is about, in every slice that either was measured in."""
    known = next((one.gate.metric for one in b.gates), next(iter(b.metrics), ""))
    first, second = ({one.slice: one for one in side.slices} for side in (a, b))
    for name in dict.fromkeys([*second, *first]):
        before, after = first.get(name), second.get(name)
        yield Pair(
            metric=known,
            slice=name,
            a=before.metrics.get(known) if before else None,
            b=after.metrics.get(known) if after else None,
            a_interval=before.intervals.get(known) if before else None,
            b_interval=after.intervals.get(known) if after else None,
            a_on_rows_of_b=(after.champion or {}).get(known) if after and rival else None,
            higher_is_better=known in HIGHER_IS_BETTER,
        )


def data_change(before: DatasetVersion, after: DatasetVersion) -> DataChange:
    """What changed from one dataset version to another, from their manifests alone."""
    old, new = ({one.sha256 for one in version.files} for version in (before, after))
    types, now = ({one.name: one.type for one in version.columns} for version in (before, after))
    return DataChange(
        rows=after.rows - before.rows,
        files_new=len(new - old),
        files_gone=len(old - new),
        files_kept=len(old & new),
        columns_added=tuple(name for name in now if name not in types),
        columns_removed=tuple(name for name in types if name not in now),
        columns_retyped=tuple(
            f"{name}: {types[name]} -> {now[name]}"
            for name in types
            if now.get(name, types[name]) != types[name]
        ),
        since=(before.first_event, after.first_event),
        until=(before.last_event, after.last_event),
    )


def changed(a: Mapping[str, Any], b: Mapping[str, Any], place: str = "") -> Iterator[Changed]:
    """The fields of two specs that differ, section by section; lists are compared as wholes."""
    for name in dict.fromkeys([*a, *b]):
        old, new = a.get(name), b.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from changed(old, new, f"{place}{name}.")
        elif old != new:
            yield Changed(place=f"{place}{name}", a=old, b=new)


def _environment(store: Store, a: ModelVersion, b: ModelVersion, broken: list[str]) -> tuple[Difference, ...]:
    if a.trained.environment == b.trained.environment:
        return ()
    try:
        old, new = (
            Lock.parse(get_bytes(store, one.trained.environment).decode(errors="replace")) for one in (a, b)
        )
    except StoreError as error:
        broken.append(f"environment: {error}")
        return ()
    return differences(old, new, {*old.packages, *new.packages})
