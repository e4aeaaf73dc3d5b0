"""Records that are written once: as blobs, found again by their hash, or under a key that the first writer wins."""

from __future__ import annotations

from pydantic import ValidationError

from airflow_mlops.core.errors import KeyExists, KeyMissing, StoreError
from airflow_mlops.core.record import R, Record
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import get_bytes, put_bytes
from airflow_mlops.core.store.chain import audited_create


def keep(store: Store, record: Record) -> str:
    """Store ``record`` unless it is there; return its reference, the SHA-256 of its bytes."""
    return put_bytes(store, record.to_bytes())


def recall(store: Store, ref: str, cls: type[R]) -> R:
    """The record that :func:`keep` stored.

    :raises KeyMissing: if there is none.
    :raises IntegrityError: if its bytes were changed.
    :raises StoreError: if the reference is no hash, or the record is not a ``cls``.
    """
    return parse(get_bytes(store, ref), cls, f"record {ref[:12]} in {store.uri}")


def keep_first(store: Store, key: str, record: R) -> R:
    """Store ``record`` under ``key``; return it, or what another writer has stored there before.

    :raises StoreError: if that is another kind of record.
    """
    try:
        audited_create(store, key, record.to_bytes())
        return record
    except KeyExists:
        return parse(store.read(key), type(record), key)


def read_kept(store: Store, key: str, cls: type[R]) -> R | None:
    """What :func:`keep_first` stored, None while there is nothing. :raises StoreError: if it is not a ``cls``."""
    try:
        return parse(store.read(key), cls, key)
    except KeyMissing:
        return None


def parse(data: bytes, cls: type[R], what: str) -> R:
    """Read a record; ``what`` names it. :raises StoreError: if the bytes are not a ``cls``."""
    try:
        return cls.from_bytes(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the record"
        raise StoreError(f"{what} is not a {cls.__name__}", given=f"{place}: {first['msg']}") from None
