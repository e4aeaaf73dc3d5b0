"""A reviewed file comes back: its corrections make a dataset version that says who changed what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.data.derive import derive
from airflow_mlops.core.data.reading import read_batches, read_numbered
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion, Derivation, dataset_key
from airflow_mlops.core.labels.keys import key_columns, row_keys
from airflow_mlops.core.labels.record import Decision, ReviewLog
from airflow_mlops.core.labels.reviewed import Reviewed, read_reviews, refuse
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import keep, read_kept, recall
from airflow_mlops.core.training.labels import labels_of
from airflow_mlops.core.wording import some

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from airflow_mlops.spec import ModelSpec

_SHOWN = 3


@dataclass(frozen=True)
class _Rows:
    """The rows of a version in the order of its files."""

    labels: list[float | None]
    keys: list[str]
    file: NDArray[np.int64]
    row: NDArray[np.int64]


def apply_review(
    store: Store,
    root: DataRoot,
    spec: ModelSpec,
    version: DatasetVersion,
    *,
    by: str,
    paths: Sequence[str] | None = None,
    progress: Progress = ignore,
) -> DatasetVersion:
    """The version with the labels that reviewers corrected, and with what they confirmed remembered.

    A row is found by the content of its file and its place there; in another version by its ``data.id``, or by a
    fingerprint of its time and features. So the files also hold for later snapshots with the same rows. What is already
    applied is not applied again, and with nothing to apply the version itself is returned.

    :param by: who asks, a person or a task.
    :param paths: files below the data root; without them all ``.csv`` and ``.parquet`` files in ``labels.review``.
    :raises DataError: naming what is wrong in the files; then nothing is applied: decisions that contradict each other,
        a row that is not there though the file is of this version, a label that is none, no reviewer.
    """
    reviews = read_reviews(root, spec, paths)
    if not reviews:
        progress("there is no reviewed row to apply")
        return version
    rows = _read(store, spec, version)
    lineage = {f"{one.name}@{one.id}" for one in _line(store, version)}
    places, missing = _match(version, rows, reviews, lineage)
    if missing:
        progress(f"{missing:,} reviewed rows are of other dataset versions and not among these rows")
    known = {(one.key, one.new) for one in decisions_of(store, version)}
    new = {
        place: one
        for place, one in places.items()
        if rows.labels[place] != one.label or (rows.keys[place], one.label) not in known
    }
    if not new:
        progress("every reviewed row is as the reviewers say already")
        return version
    decisions = tuple(_decision(version, rows, place, one) for place, one in sorted(new.items()))
    changed = {place: one.label for place, one in new.items() if rows.labels[place] != one.label}
    note = _note(decisions, len(changed))
    progress(note)
    return derive(
        store,
        version,
        _corrected(store, version, spec.data.label, changed),
        Derivation(
            kind="review",
            parents=(version.ref,),
            details=keep(store, ReviewLog(decisions=decisions)),
            by=by,
            note=note,
        ),
    )


def decisions_of(store: Store, version: DatasetVersion) -> tuple[Decision, ...]:
    """What reviewers said of the rows of a version and of those it was made of, oldest first."""
    found: list[Decision] = []
    for one in _line(store, version):
        made = one.derivation
        if made is not None and made.kind == "review" and made.details:
            found[:0] = recall(store, made.details, ReviewLog).decisions
    return tuple(found)


def _line(store: Store, version: DatasetVersion) -> Iterator[DatasetVersion]:
    """The version, the one whose rows it holds, and so on."""
    found: DatasetVersion | None = version
    while found is not None:
        yield found
        parent = found.derivation.parents[0] if found.derivation else None
        # one that retention has removed ends the line
        found = read_kept(store, dataset_key(parent.name, parent.id), DatasetVersion) if parent else None


def _read(store: Store, spec: ModelSpec, version: DatasetVersion) -> _Rows:
    import numpy as np
    import pyarrow as pa

    from airflow_mlops.core.training.run import inputs_of

    inputs_of(spec, version)
    columns = list(dict.fromkeys([*key_columns(spec), spec.data.label]))
    files, places, batches = [], [], []
    for number, inside, batch in read_numbered(store, version, columns):
        files.append(np.full(len(inside), number))
        places.append(inside)
        batches.append(batch)
    frame: pd.DataFrame = pa.Table.from_batches(batches).to_pandas(date_as_object=False)
    present, numbers = labels_of(frame, spec.data.label, spec.training.objective)
    values = iter(numbers.tolist())
    labels = [next(values) if one else None for one in present]
    keys = list(row_keys(spec, version, frame))
    return _Rows(labels, keys, np.concatenate(files), np.concatenate(places))


def _match(
    version: DatasetVersion, rows: _Rows, reviews: Sequence[Reviewed], lineage: set[str]
) -> tuple[dict[int, Reviewed], int]:
    """The decision for each row by its place, and how many reviewed rows belong to other versions.

    :raises DataError: naming what does not fit.
    """
    contents = {file.sha256: number for number, file in enumerate(version.files)}
    by_place = {(int(f), int(r)): at for at, (f, r) in enumerate(zip(rows.file, rows.row, strict=True))}
    by_key = {key: at for at, key in enumerate(rows.keys)}
    found: dict[int, list[Reviewed]] = defaultdict(list)
    problems, missing = [], 0
    for one in reviews:
        inside = contents.get(one.content)
        place = by_place.get((inside, one.row)) if inside is not None else by_key.get(one.key)
        if place is None and inside is None and one.dataset not in lineage:
            missing += 1
        elif place is None:
            problems.append(f"{one.where}: {one.dataset} has no row {one.row} of {one.source}")
        elif rows.labels[place] not in (one.given, one.label):
            problems.append(
                f"{one.where}: the label is {_text(rows.labels[place])}, not {_text(one.given)} any more"
            )
        else:
            found[place].append(one)
    for several in found.values():
        first = several[0]
        problems += [
            f"{one.where}: {one.by} says {_text(one.label)}, {first.by} says {_text(first.label)} in {first.where}"
            for one in several[1:]
            if one.label != first.label
        ]
    refuse(problems)
    return {place: several[0] for place, several in found.items()}, missing


def _text(label: float | None) -> str:
    return "missing" if label is None else f"{label:g}"


def _decision(version: DatasetVersion, rows: _Rows, place: int, one: Reviewed) -> Decision:
    return Decision(
        key=rows.keys[place],
        source=version.files[int(rows.file[place])].source,
        row=int(rows.row[place]),
        old=rows.labels[place],
        new=one.label,
        by=one.by,
        comment=one.comment,
        at=one.at,
    )


def _note(decisions: Sequence[Decision], changed: int) -> str:
    people = list(dict.fromkeys(one.by for one in decisions))
    return f"{changed:,} labels corrected, {len(decisions) - changed:,} confirmed, by {some(people, _SHOWN)}"


def _corrected(
    store: Store, version: DatasetVersion, label: str, changed: dict[int, float]
) -> Iterator[pa.RecordBatch]:
    """All rows, some of them with another label."""
    import pyarrow as pa

    start = 0
    for batch in read_batches(store, version):
        here = {
            place - start: value for place, value in changed.items() if start <= place < start + len(batch)
        }
        start += len(batch)
        if here:
            column = batch.schema.get_field_index(label)
            kind = batch.schema.field(column).type
            values = batch.column(column).to_pylist()
            for place, value in here.items():
                values[place] = pa.scalar(value).cast(kind).as_py()
            batch = batch.set_column(column, batch.schema.field(column), pa.array(values, kind))  # noqa: PLW2901
        yield batch
