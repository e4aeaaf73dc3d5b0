"""Dataset versions without sensitive values: columns left out, or hashed with a key."""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.derive import derive
from airflow_mlops.core.data.reading import read_batches
from airflow_mlops.core.data.version import DatasetVersion, Derivation
from airflow_mlops.core.errors import PlatformError, SpecError
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.validation.privacy_finding import Protection

if TYPE_CHECKING:
    import pyarrow as pa

#: Whoever has hashes and knows what they may be made of can try keys: a short one is found.
LEAST_KEY = 16
_KEY_ID = b"airflow-mlops: which key"


def check_key(key: str | None) -> str:
    """The key, if it is one. :raises PlatformError: without one, or if it is too short."""
    if not key:
        raise PlatformError(
            "hashing a column needs a key: without one anybody can hash likely values and compare",
            remedy="set privacy_secret (Hash key) of the mlops connection, e.g. to the output of: openssl rand -hex 32",
        )
    if len(key) < LEAST_KEY:
        raise PlatformError(
            "the key for hashing (privacy_secret of the mlops connection) is too short",
            expected=f"at least {LEAST_KEY} signs, drawn by chance",
        )
    return key


def rewrite(
    store: Store, version: DatasetVersion, done: Sequence[Protection], *, key: str | None, by: str
) -> DatasetVersion:
    """A version of the same rows without the dropped columns, and with hashes in the place of values.

    Memory is that of a batch. The same rows, actions and key give the same version; a missing value stays missing.

    :raises PlatformError: if a column is to be hashed without a key.
    :raises SpecError: if no column would be left beside the event time.
    """
    dropped = {one.column for one in done if one.action == "drop"}
    hashed = {one.column for one in done if one.action == "hash"}
    secret = check_key(key).encode() if hashed else b""
    names = [column.name for column in version.columns if column.name not in dropped]
    if names == [version.event_time]:
        raise SpecError("privacy would drop every column", given=", ".join(sorted(dropped)[:20]))
    details = {
        "protected": [one.model_dump() for one in done if one.action in ("drop", "hash")],
        "hash": {"algorithm": "HMAC-SHA-256", "key": _digest(secret, _KEY_ID)[:12]} if hashed else None,
    }
    note = "; ".join(
        f"{what}: {', '.join(sorted(columns)[:20])}"
        for what, columns in (("dropped", dropped), ("hashed", hashed))
        if columns
    )
    return derive(
        store,
        version,
        _protected(read_batches(store, version, names), hashed, secret),
        Derivation(
            kind="privacy",
            parents=(version.ref,),
            details=put_bytes(store, json.dumps(details, sort_keys=True).encode()),
            by=by,
            note=note,
        ),
    )


def _protected(
    batches: Iterator[pa.RecordBatch], hashed: set[str], secret: bytes
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for batch in batches:
        columns = [
            hash_values(values, secret) if name in hashed else values
            for name, values in zip(batch.schema.names, batch.columns, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def hash_values(values: pa.Array, secret: bytes) -> pa.Array:
    """Each value's HMAC-SHA-256 as 64 hex digits; equal values have equal hashes, whatever the column or the version.

    The number 3 is 3 as a float, too: a column becomes one when a value is missing. NaN is missing.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    kind = values.type
    if types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
    if types.is_nested(kind):
        return pa.array(
            [None if one is None else _digest(secret, plain_bytes(one)) for one in values.to_pylist()],
            pa.string(),
        )
    encoded = values.dictionary_encode()
    hashes = pa.array(
        [_digest(secret, plain_bytes(one)) for one in encoded.dictionary.to_pylist()], pa.string()
    )
    return hashes.take(encoded.indices)


def hash_value(value: Any, secret: bytes) -> str:
    """As :func:`hash_values`, of one value that is there."""
    return _digest(secret, plain_bytes(value))


def _digest(secret: bytes, message: bytes) -> str:
    return hmac.digest(secret, message, "sha256").hex()


def plain_bytes(value: Any) -> bytes:
    """One form of a value, whichever type its column has in a version."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value)).encode()
    if isinstance(value, datetime):
        return in_utc(value).isoformat().encode()
    if isinstance(value, (list, dict)):
        return json.dumps(value, sort_keys=True, default=str).encode()
    return str(value).encode("utf-8", "surrogatepass")
