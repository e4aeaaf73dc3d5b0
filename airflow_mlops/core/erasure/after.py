"""What is to be done after an erasure: which model to train again on what, and what nobody here can reach."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_mlops.core.data.erasures import Erasure, erasure_log
from airflow_mlops.core.data.reading import read_batches
from airflow_mlops.core.data.version import DatasetRef, DatasetVersion, dataset_key
from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import read_kept
from airflow_mlops.core.wording import counted, moment

#: What no erasure reaches from here.
OUT_OF_REACH = (
    "out of reach: the source of the data, noncurrent versions of S3 objects, backups, caches and spools of other "
    "machines, and what a model remembers"
)


def release_from(store: Store, model: str, record: Erasure, number: int) -> DatasetRef | None:
    """The dataset version to release from, so that version ``number`` is trained again without the person's rows.

    A release adds joined columns and leaves out bad rows by itself, so this stands for the snapshot that the version's
    data were made of; None where no other row was left.
    """
    ref = Registry(store, model).get(number).dataset
    replaced = {stone.dataset: stone.replaced_by for stone in record.tombstones}
    while True:
        version = read_kept(store, dataset_key(ref.name, ref.id), DatasetVersion)
        made = version.derivation if version else None
        if made is None or made.kind == "erasure":
            return replaced.get(ref)
        ref = made.parents[0]


def erasure_lines(store: Store, model: str, record: Erasure, champion: int | None) -> Iterator[str]:
    """What an erasure did, in words, a line for each thing."""
    rows = sum(stone.rows for stone in record.tombstones)
    yield (
        f"erased from {model} on {moment(record.at)} by {record.who}: {counted(rows, 'row')} of "
        f"{counted(len(record.tombstones), 'dataset version')}"
    )
    for stone in record.tombstones:
        other = f"{stone.replaced_by.name}@{stone.replaced_by.id}" if stone.replaced_by else "no row was left"
        yield f"{stone.dataset.name}@{stone.dataset.id}: {stone.rows:,} rows; the others: {other}"
    for place, count in record.elsewhere.items():
        yield f"{place}: {count:,}"
    for uri in sorted({one for stone in record.tombstones for one in stone.outside}):
        yield f"its owner must delete: {uri}"
    for place in record.left:
        yield f"stays: {place}"
    for number in record.retrain:
        yield f"{model}:{number} learned from these rows" + (
            "; it is the champion" if number == champion else ""
        )
    if champion in record.retrain and champion is not None:
        ref = release_from(store, model, record, champion)
        yield (
            f"to train it again: trigger {model}.release with dataset {ref.id}"
            if ref
            else f"to train it again: trigger {model}.release with new data"
        )
    yield OUT_OF_REACH


def returned(
    store: Store,
    model: str,
    version: DatasetVersion,
    column: str,
    subject: Subject,
    *,
    progress: Progress = ignore,
) -> dict[str, int]:
    """Rows of people who were erased from a model's data and are in a dataset version again, by their keyed hash.

    :param subject: anybody with the key that they were erased with.
    :raises DataError: if the version lacks the column.
    """
    import pyarrow.compute as pc

    from airflow_mlops.core.validation.privacy_protect import hash_values

    gone = {entry.subject for _, entry in erasure_log(store, model).entries()}
    if not gone:
        return {}
    if column not in {one.name for one in version.columns}:
        raise DataError(f"{version.name}@{version.id} has no column {column}")
    found: dict[str, int] = {}
    progress(f"comparing {version.rows:,} rows of {version.name}@{version.id} with {len(gone):,} people")
    for batch in read_batches(store, version, [column]):
        for one in pc.value_counts(hash_values(batch.column(0), subject.secret)).to_pylist():
            if one["values"] in gone:
                found[one["values"]] = found.get(one["values"], 0) + int(one["counts"])
    return found
