"""The records of a chain, held against what the chain says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from airflow_mlops.core.audit.history import Told, holes
from airflow_mlops.core.audit.report import Finding
from airflow_mlops.core.data.fetching import in_order
from airflow_mlops.core.errors import KeyMissing
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.audited import chain_of, prefixes_of

_TELL_EVERY = 5_000


@dataclass(frozen=True)
class Kept:
    """An audited record as it lies in the store."""

    key: str
    sha256: str
    data: bytes


def keys_of(store: Store, chain: str) -> list[str]:
    """Keys of all records that belong to a chain."""
    listed = (item.key for prefix in prefixes_of(chain) for item in store.list(prefix))
    return [key for key in listed if chain_of(key) == chain]


def read_records(store: Store, keys: Sequence[str], what: str, progress: Progress = ignore) -> Iterator[Kept]:
    """Those of the records that are there."""
    with closing(in_order(lambda key: _read(store, key), keys)) as found:
        for number, kept in enumerate(found, 1):
            if number % _TELL_EVERY == 0:
                progress(f"{what}: {number:,} of {len(keys):,} records")
            if kept is not None:
                yield kept


def changed(told: Mapping[str, Told], found: Mapping[str, str]) -> Iterator[Finding]:
    """What is not as the chain tells: records that were edited, removed, or written past it.

    :param found: hash of each record that is there, by key.
    """
    of_hash = {one.written: key for key, one in told.items() if one.written}
    for key, sha256 in found.items():
        one = told.get(key)
        if one is None:
            yield Finding(
                kind="unknown record",
                place=key,
                said=f"{key} stands in no chain: it is forged, or from before there was an audit log "
                "(airflow-mlops audit adopt)",
            )
        elif not one.allows(sha256):
            other = of_hash.get(sha256)
            swapped = f": it has the bytes of {other}" if other else f": its hash is {sha256[:12]}"
            expected = one.written or ", ".join(sorted(one.announced))
            yield Finding(
                kind="edited record",
                place=key,
                said=f"{key} was edited{swapped}, and {expected[:12] or 'nothing'} was written",
            )
    yield from _removed(told, found)


def unfinished(told: Mapping[str, Told], found: Mapping[str, str]) -> int:
    """How many records were announced and never came to be."""
    return sum(1 for key, one in told.items() if key not in found and one.announced and not one.written)


def _removed(told: Mapping[str, Told], found: Mapping[str, str]) -> Iterator[Finding]:
    gone = {key for key, one in told.items() if one.must_exist and key not in found}
    known = {*found, *(key for key, one in told.items() if one.written)}
    lost = {key for key in holes(known) if key not in found}
    for key in sorted(gone | lost):
        why = "it was written" if key in gone else "there is a later entry in its log"
        yield Finding(
            kind="removed record", place=key, said=f"{key} was removed: {why}, and nobody noted a removal"
        )


def _read(store: Store, key: str) -> Kept | None:
    try:
        data = store.read(key)
    except KeyMissing:  # removed since the listing
        return None
    return Kept(key, hashlib.sha256(data).hexdigest(), data)
