"""Which blobs something still refers to: found in the text of everything that stays, so no kind is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set

from airflow_mlops.core.errors import KeyMissing
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key

_HASH = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
#: Live traffic, predictions and archives name no blob, and there may be much of them; the log of retention names what
#: goes, and the audit log holds hashes of records.
_WITHOUT_BLOBS = (
    "answers/",
    "audit/",
    "blobs/",
    "captures/",
    "ground_truth/",
    "predictions/",
    "probe/",
    "retention/",
    "sagemaker/",
)
#: A record is smaller than this; what is larger are data.
_MOST_RECORD_BYTES = 32 << 20
_TEXT = (b"{", b"[")


def referred(
    store: Store,
    blobs: dict[str, int],
    *,
    without: Set[str],
    leaves: Iterable[str],
    progress: Progress = ignore,
) -> set[str]:
    """The hashes of the blobs that are named by what stays, and by records that are blobs themselves.

    Whatever looks like a hash counts, so this errs on the side of keeping.

    :param blobs: hash and size of every blob.
    :param without: keys that go, and name nothing any more.
    :param leaves: hashes that are known to be data, not records, and need not be read.
    """
    found: set[str] = set()
    for number, item in enumerate(store.list("")):
        if not item.key.startswith(_WITHOUT_BLOBS) and item.key not in without:
            found |= named(store.read(item.key))
        if number and number % 10_000 == 0:
            progress(f"looked at {number:,} objects")
    data, seen = set(leaves), set[str]()
    while waiting := (found & blobs.keys()) - data - seen:
        for sha256 in waiting:
            seen.add(sha256)
            if blobs[sha256] <= _MOST_RECORD_BYTES:
                found |= _of_record(store, sha256)
    return found & blobs.keys()


def _of_record(store: Store, sha256: str) -> set[str]:
    try:
        data = store.read(blob_key(sha256))
    except KeyMissing:
        return set()
    return named(data) if data.lstrip()[:1] in _TEXT else set()


def named(data: bytes) -> set[str]:
    """All that looks like a hash in the text of a record."""
    return {match.decode() for match in _HASH.findall(data)}
