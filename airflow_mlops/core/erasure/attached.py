"""Blobs beside the data that hold rows or values of a person: quarantines, review files, details and pages of tests."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.erasures import erasure_log
from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.erasure.versions import Held
from airflow_mlops.core.errors import KeyMissing
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.scoring.record import predictions_log
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key, get_bytes, put_bytes
from airflow_mlops.core.store.removal import Removal

if TYPE_CHECKING:
    import pyarrow as pa

#: A record is smaller than this; what is larger are data.
_MOST_BYTES = 32 << 20
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Attachment:
    """A blob that a record names.

    :param what: in words, for the report.
    :param tested: the version that its rows come from.
    """

    sha256: str
    what: str
    tested: DatasetRef | None = None


@dataclass
class Attached:
    """What was found.

    :param rows: for each blob with rows of the person, how many, and what it is.
    :param texts: blobs that name the person somewhere, and what they are.
    :param tested: the versions that the rows of quarantines come from, by blob.
    :param left: records that name the person, in words.
    """

    rows: dict[str, tuple[int, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    tested: dict[str, DatasetRef] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


class Attachments:
    """The blobs of a model's records.

    :param column: with the ids; :param id: the spec's ``data.id``, which review files name rows by.
    :param held: the versions with rows of the person.
    """

    def __init__(
        self,
        store: Store,
        model: str,
        column: str,
        id: str | None,
        subject: Subject,
        held: Mapping[DatasetRef, Held],
    ) -> None:
        self._store, self._model, self._subject, self._held = store, model, subject, held
        self._columns = [column, f"data.{column}", f"data{column}"] + (["id"] if id == column else [])

    def find(self, data: frozenset[str], progress: Progress) -> Attached:
        """Look through them. :param data: hashes of the files of dataset versions, which are no records."""
        found, seen, anew = Attached(), set[str](), self._written_anew()
        for one in self._all(found, data, progress):
            sha256: str | None = one.sha256
            while sha256 is not None and sha256 not in seen:
                seen.add(sha256)
                self._look(replace(one, sha256=sha256), found)
                sha256 = anew.get(sha256)
        return found

    def rewritten(self, found: Attached) -> dict[str, str | None]:
        """Keep the other rows of each blob; by its hash, that of the new one, None where nothing is kept."""
        made: dict[str, str | None] = dict.fromkeys(found.texts)
        for sha256 in found.rows:
            left = self._without(get_bytes(self._store, sha256), found.tested.get(sha256))
            made[sha256] = put_bytes(self._store, left) if left is not None else None
        return made

    def _written_anew(self) -> dict[str, str | None]:
        """What earlier erasures have put in the place of blobs: no other record names it."""
        entries = erasure_log(self._store, self._model).entries()
        return {old: new for _, entry in entries for old, new in entry.blobs.items()}

    def _all(self, found: Attached, data: frozenset[str], progress: Progress) -> Iterator[Attachment]:
        for _, entry in predictions_log(self._store, self._model).entries():
            if entry.quarantine:
                yield Attachment(entry.quarantine, "rows that could not be scored", entry.dataset)
        for number, item in enumerate(list(self._store.list("blobs/")), 1):
            sha256 = item.key.rpartition("/")[2]
            if number % 10_000 == 0:
                progress(f"looked at {number:,} blobs")
            if sha256 in data or item.size > _MOST_BYTES:
                continue
            record = _json(self._store, item.key)
            if isinstance(record, dict):
                yield from self._named(record)
                self._traces(f"blob {sha256[:12]}", record, found)

    def _named(self, record: dict[str, Any]) -> Iterator[Attachment]:
        """What a validation or an audit of labels names."""
        tested, dataset = record.get("tested"), record.get("dataset")
        if "expectations" in record and self._is_ours(tested):
            ref = DatasetRef(**tested)  # type: ignore[arg-type]
            for name, what in (("quarantine", "quarantine"), ("details", "details"), ("docs", "page")):
                if record.get(name):
                    told = what if name == "quarantine" else f"{what} of a validation"
                    yield Attachment(record[name], told, ref)
        elif {"suspects", "parquet", "csv"} <= record.keys() and self._is_ours(dataset):
            for name in ("parquet", "csv"):
                yield Attachment(record[name], "review file", DatasetRef(**dataset))  # type: ignore[arg-type]

    def _is_ours(self, ref: object) -> bool:
        name = ref.get("name") if isinstance(ref, dict) else None
        return isinstance(name, str) and name.partition("__")[0] == self._model

    def _look(self, one: Attachment, found: Attached) -> None:
        try:
            data = self._store.read(blob_key(one.sha256))
        except KeyMissing:
            return
        if one.tested is not None:
            found.tested[one.sha256] = one.tested
        if one.what == "review file" or data[:4] == _PARQUET:
            rows = self._count(data, one.tested)
            if rows:
                found.rows[one.sha256] = (rows, one.what)
        elif self._subject.stands_in(data.decode("utf-8", "replace")):
            found.texts[one.sha256] = one.what

    def _traces(self, what: str, record: dict[str, Any], found: Attached) -> None:
        """Note a record that names the person: nothing can be taken out of it."""
        if "expectations" not in record and "suspects" not in record and "decisions" not in record:
            return
        if _any_text(record, self._subject):
            kind = "validation" if "expectations" in record else "review of labels"
            found.left.append(f"{what}: the record of a {kind} names the person")

    def _count(self, data: bytes, tested: DatasetRef | None) -> int:
        if data[:4] == _PARQUET:
            return int(self._gone(_table(data), tested).sum())
        return sum(self._names(row) for row in csv.DictReader(io.StringIO(data.decode("utf-8", "replace"))))

    def _without(self, data: bytes, tested: DatasetRef | None) -> bytes | None:
        """The other rows, None if there are none."""
        return self._parquet_without(data, tested) if data[:4] == _PARQUET else self._csv_without(data)

    def _parquet_without(self, data: bytes, tested: DatasetRef | None) -> bytes | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = _table(data)
        left = table.filter(pa.array(~self._gone(table, tested)))
        if not left.num_rows:
            return None
        sink = pa.BufferOutputStream()
        pq.write_table(left, sink)
        made: bytes = sink.getvalue().to_pybytes()
        return made

    def _csv_without(self, data: bytes) -> bytes | None:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
        left = [row for row in reader if not self._names(row)]
        if not left:
            return None
        made = io.StringIO(newline="")
        writer = csv.DictWriter(made, reader.fieldnames or [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(left)
        return made.getvalue().encode()

    def _names(self, row: Mapping[str, Any]) -> bool:
        return any(self._subject.names(row.get(name)) for name in self._columns)

    def _gone(self, table: pa.Table, tested: DatasetRef | None) -> Any:
        """Which rows are the person's: by a column, or by the place that they come from."""
        import numpy as np

        gone = np.zeros(table.num_rows, dtype=np.bool_)
        for name in self._columns:
            if name in table.column_names:
                mask = self._subject.mask(table.column(name).combine_chunks())
                gone |= mask.to_numpy(zero_copy_only=False)
        held = self._held.get(tested) if tested else None
        if held is not None and {"_source", "_row"} <= set(table.column_names):
            known = {
                (held.version.files[number].source, int(row))
                for number, places in held.places.items()
                for row in places
            }
            pairs = zip(table.column("_source").to_pylist(), table.column("_row").to_pylist(), strict=True)
            gone |= np.array([pair in known for pair in pairs], dtype=np.bool_)
        return gone


def remove_blobs(removal: Removal, hashes: Mapping[str, object]) -> None:
    """Remove blobs from the store."""
    for sha256 in hashes:
        removal.remove(blob_key(sha256))


def _table(data: bytes) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(data)).read()


def _json(store: Store, key: str) -> Any:
    """A record, None of what is none."""
    data = store.read(key)
    if data[:1] != b"{":
        return None
    try:
        return json.loads(data)
    except ValueError:
        return None


def _any_text(value: Any, subject: Subject) -> bool:
    """Whether a text somewhere in a JSON value names the person."""
    if isinstance(value, str):
        return subject.stands_in(value)
    if isinstance(value, dict):
        return any(_any_text(one, subject) for one in (*value.keys(), *value.values()))
    return isinstance(value, list) and any(_any_text(one, subject) for one in value)
