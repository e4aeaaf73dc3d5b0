"""Pins: the object versions of a bucket that belong to a dataset version, known from the listing alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.version import DatasetRef, restriction
from airflow_mlops.core.record import Record, utc_now

if TYPE_CHECKING:
    from airflow_mlops.core.data.object_versions import ObjectVersion

_ID_DIGITS = 24


@dataclass(frozen=True, slots=True)
class PinnedObject:
    """One object of a pin: ``version_id`` says which version of it, or ``sha256`` which content in the store."""

    source: str
    size: int
    version_id: str | None
    sha256: str | None


class Pin(Record):
    """A dataset version of which nothing is known yet but the objects that it holds.

    Objects stand in columns, not in records: there may be a hundred thousand of them.

    :param id: a hash of what is pinned; the profiled version has the same.
    :param root: URI below which the objects lie.
    :param sources: paths below the root, in their order.
    :param sizes: bytes of each object.
    :param version_ids: S3's version of each object; None where ``hashes`` has its content.
    :param etags: S3's entity tag of each object.
    :param hashes: content of the objects that have no version of their own and could be overwritten: the hash of a
        blob in the store, by source.
    :param since, until: the window of event time that belongs to the version (since <= t < until), None is open.
    :param restricted: whether each reading of the version is noted in the audit log.
    """

    name: str
    id: str
    format: str
    root: str
    event_time: str
    since: datetime | None = None
    until: datetime | None = None
    created_at: datetime
    sources: tuple[str, ...]
    sizes: tuple[int, ...]
    version_ids: tuple[str | None, ...]
    etags: tuple[str, ...]
    hashes: dict[str, str]
    restricted: bool = False

    @property
    def ref(self) -> DatasetRef:
        """How other records name it."""
        return DatasetRef(name=self.name, id=self.id)

    def objects(self) -> Iterator[PinnedObject]:
        """The objects, in the order of their paths."""
        for source, size, version_id in zip(self.sources, self.sizes, self.version_ids, strict=True):
            yield PinnedObject(source, size, version_id, self.hashes.get(source))


def pin_key(name: str, version_id: str) -> str:
    """Store key of a pin."""
    return f"pins/{name}/{version_id}.json"


def make_pin(
    name: str,
    *,
    kind: str,
    event_time: str,
    window: Window,
    root: str,
    objects: Sequence[ObjectVersion],
    hashes: dict[str, str],
    restricted: bool = False,
) -> Pin:
    """The pin of some objects.

    :param kind: format of the objects.
    :param hashes: content of the objects without a version of their own.
    :param restricted: whether each reading of them is noted; it is part of the id, so the same objects with and without
        it are two versions.
    """
    version_ids = tuple(None if one.path in hashes else one.version_id for one in objects)
    return Pin(
        name=name,
        id=_identify(kind, event_time, window, root, objects, hashes, restricted),
        format=kind,
        root=root,
        event_time=event_time,
        since=window.since,
        until=window.until,
        created_at=utc_now(),
        sources=tuple(one.path for one in objects),
        sizes=tuple(one.size for one in objects),
        version_ids=version_ids,
        etags=tuple(one.etag for one in objects),
        hashes=hashes,
        restricted=restricted,
    )


def _identify(
    kind: str,
    event_time: str,
    window: Window,
    root: str,
    objects: Sequence[ObjectVersion],
    hashes: dict[str, str],
    restricted: bool,
) -> str:
    """The hash of what is pinned. The name is no part of it: it stands in the key."""
    pinned = {
        "format": kind,
        "event_time": event_time,
        "since": window.since.isoformat() if window.since else None,
        "until": window.until.isoformat() if window.until else None,
        "root": root,
        "objects": [
            [one.path, hashes[one.path]] if one.path in hashes else [one.path, one.version_id, one.etag]
            for one in objects
        ],
        **restriction(restricted),
    }
    canonical = json.dumps(pinned, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]
