"""What a dataset version was made of, back to the source's bytes."""

from __future__ import annotations

from itertools import islice
from typing import Any

from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.version import DataFile, DatasetRef, DatasetVersion, dataset_key
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.lineage.graph.growing import Growing
from airflow_mlops.core.lineage.graph.index import ErasureEntry, Index, TombstoneEntry
from airflow_mlops.core.lineage.graph.records import Kind
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.store.results import read_kept
from airflow_mlops.core.wording import counted, days, minute, short, size


class Ancestry:
    """Adds dataset versions to a graph, with all that they were made of.

    :param model: whose erasures are asked for what was taken out.
    :param files: of each version that get a node of their own; the others are summed up.
    """

    def __init__(self, growing: Growing, index: Index, model: str, files: int) -> None:
        self._growing = growing
        self._index = index
        self._files = files
        self._erasures = list(index.erasures(model).numbered())

    def add(self, ref: DatasetRef) -> str:
        """Add a version; return its node."""
        node = dataset_id(ref)
        if node in self._growing:
            return node
        try:
            found = self._read(ref)
        except MlopsError as error:
            return self._absent(ref, str(error))
        if found is None:
            return self._absent(ref, self._why_gone(ref))
        if isinstance(found, Pin):
            self._pin(found)
        else:
            self._version(found)
        self._tombstones(ref, node)
        return node

    def _read(self, ref: DatasetRef) -> DatasetVersion | Pin | None:
        """:raises MlopsError: if the manifest is damaged, or names can't be a key."""
        store = self._index.store
        version = read_kept(store, dataset_key(ref.name, ref.id), DatasetVersion)
        return version or read_kept(store, pin_key(ref.name, ref.id), Pin)

    def _absent(self, ref: DatasetRef, why: str) -> str:
        facts = {"name": ref.name, "version": ref.id}
        node = self._growing.add("dataset", f"{ref.name}@{ref.id}", _label(ref), why, facts, gone=why)
        self._tombstones(ref, node)
        return node

    def _why_gone(self, ref: DatasetRef) -> str:
        name = f"{ref.name}@{ref.id}"
        for _, entry in self._index.prunings.numbered():
            if name in entry.datasets:
                return f"removed by retention on {minute(entry.at)}"
        if any(stone.dataset.pair == (ref.name, ref.id) for _, _, stone in self._stones()):
            return "removed by an erasure"
        return "its manifest is not in the store"

    def _version(self, version: DatasetVersion) -> None:
        made = version.derivation
        size = sum(file.size for file in version.files)
        facts: dict[str, Any] = {
            "name": version.name,
            "version": version.id,
            "rows": version.rows,
            "files": len(version.files),
            "bytes": size,
            "format": version.format,
            "columns": len(version.columns),
            "event_time": version.event_time,
            "first_event": version.first_event.isoformat(),
            "last_event": version.last_event.isoformat(),
            "since": version.since.isoformat() if version.since else None,
            "until": version.until.isoformat() if version.until else None,
            "restricted": version.restricted or None,
            "derivation": made.model_dump(mode="json") if made else None,
            "content": [file.sha256 for file in version.files[: self._files]] if made else None,
        }
        how = f"{made.kind} by {made.by}: {made.note}" if made else "snapshot"
        said = f"{how}; {counted(version.rows, 'row')}, {days(version.first_event, version.last_event)}"
        node = self._growing.add(
            "dataset", f"{version.name}@{version.id}", _label(version.ref), said, facts, at=version.created_at
        )
        for parent in made.parents if made else ():
            self._growing.link(self.add(parent), node, made.kind if made else "")
        if made is None:
            self._sources(version, node)

    def _sources(self, version: DatasetVersion, node: str) -> None:
        """What a snapshot was taken of."""
        if version.query is not None:
            facts: dict[str, Any] = {"connection": version.query.connection, "sql": version.query.sql}
            said = " ".join(version.query.sql.split())
            label = f"query on {version.query.connection}"
            query = self._growing.add("query", f"{version.query.connection} {said}", label, said, facts)
            self._growing.link(query, node, "snapshot")
            return
        place = node
        if version.table is not None:
            table = version.table
            uri = f"{version.root}/{table.folder}" if version.root else table.folder
            facts = {"uri": uri, "table": table.id, "table_version": table.version}
            label = f"{table.folder}, version {table.version}"
            place = self._growing.add(
                "table", f"{uri} {table.version}", label, f"Delta Lake table {uri}", facts
            )
            self._growing.link(place, node, "snapshot")
        shown = self._shown(len(version.files))
        for file in version.files[:shown]:
            self._growing.link(self._file(version, file), place, "snapshot" if place == node else "file of")
        self._rest(version, place, shown)

    def _file(self, version: DatasetVersion, file: DataFile) -> str:
        uri = f"{version.root}/{file.source}" if version.root else None
        kind: Kind = "object" if file.version_id else "file"
        facts: dict[str, Any] = {
            "source": file.source,
            "uri": uri,
            "s3_version": file.version_id,
            "sha256": file.sha256,
            "bytes": file.size,
            "rows": file.rows,
            "stored": None if file.version_id or version.table else blob_key(file.sha256),
        }
        pinned = f"S3 version {file.version_id}" if file.version_id else f"SHA-256 {short(file.sha256)}"
        said = f"{pinned}, {counted(file.rows, 'row')}, {size(file.size)}"
        key = f"{uri or file.source}#{file.version_id or file.sha256}"
        return self._growing.add(kind, key, uri or file.source, said, facts)

    def _shown(self, files: int) -> int:
        """How many of so many files are named: a single one is not worth a sum."""
        return files if files == self._files + 1 else self._files

    def _rest(self, version: DatasetVersion, place: str, shown: int) -> None:
        rest = version.files[shown:]
        if not rest:
            return
        rows, octets = sum(file.rows for file in rest), sum(file.size for file in rest)
        said = f"{counted(rows, 'row')}, {size(octets)}: {rest[0].source} to {rest[-1].source}"
        facts = {"files": len(rest), "rows": rows, "bytes": octets}
        label = f"{counted(len(rest), 'more file', 'more files')}"
        key = f"files of {version.name}@{version.id}"
        self._growing.link(self._growing.add("more", key, label, said, facts), place, "snapshot")

    def _pin(self, pin: Pin) -> None:
        """A version of which only the objects are known."""
        facts: dict[str, Any] = {
            "name": pin.name,
            "version": pin.id,
            "files": len(pin.sources),
            "bytes": sum(pin.sizes),
        }
        said = f"pinned, not read yet; {counted(len(pin.sources), 'object')} below {pin.root}"
        node = self._growing.add(
            "dataset", f"{pin.name}@{pin.id}", _label(pin.ref), said, facts, at=pin.created_at
        )
        shown = self._shown(len(pin.sources))
        for one in islice(pin.objects(), shown):
            uri = f"{pin.root}/{one.source}"
            pinned = (
                f"S3 version {one.version_id}" if one.version_id else f"SHA-256 {short(one.sha256 or '')}"
            )
            facts = {"source": one.source, "uri": uri, "bytes": one.size}
            facts |= {"s3_version": one.version_id, "sha256": one.sha256}
            key = f"{uri}#{one.version_id or one.sha256}"
            said = f"{pinned}, {size(one.size)}"
            self._growing.link(self._growing.add("object", key, uri, said, facts), node, "pinned")
        if (more := len(pin.sources) - shown) > 0:
            octets = sum(pin.sizes[shown:])
            rest = self._growing.add(
                "more",
                f"files of {pin.name}@{pin.id}",
                counted(more, "more object"),
                size(octets),
                {"files": more, "bytes": octets},
            )
            self._growing.link(rest, node, "pinned")

    def _tombstones(self, ref: DatasetRef, node: str) -> None:
        """What erasures took out of a version."""
        for number, erasure, stone in self._stones():
            if stone.dataset.pair != (ref.name, ref.id) or erasure.state != "done":
                continue
            facts = {
                "rows": stone.rows,
                "by": erasure.who,
                "why": erasure.why,
                "removed_files": len(stone.blobs),
                "replaced_by": f"{stone.replaced_by.name}@{stone.replaced_by.id}"
                if stone.replaced_by
                else None,
            }
            said = f"{counted(stone.rows, 'row')} of a person taken out by {erasure.who}: {erasure.why}"
            label = f"erasure {number}"
            key = f"{number} {ref.name}@{ref.id}"
            self._growing.link(
                node, self._growing.add("erasure", key, label, said, facts, at=erasure.at), "erased"
            )

    def _stones(self) -> list[tuple[int, ErasureEntry, TombstoneEntry]]:
        return [(number, one, stone) for number, one in self._erasures for stone in one.tombstones]


def dataset_id(ref: DatasetRef) -> str:
    """The id of a dataset version's node."""
    return f"dataset:{ref.name}@{ref.id}"


def _label(ref: DatasetRef) -> str:
    return f"{ref.name}@{short(ref.id)}"
