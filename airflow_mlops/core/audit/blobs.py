"""The blobs that audited records name: are they there, with the bytes that their name says?"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_mlops.core.audit.report import Finding
from airflow_mlops.core.data.fetching import in_order
from airflow_mlops.core.errors import IntegrityError, KeyMissing
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.retention.marking import named
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key, get_bytes
from airflow_mlops.core.wording import size

#: Fields of records that hold the hash of a blob. Other hashes need not be those of blobs.
_FIELDS = frozenset(
    (
        "artifact",
        "audit",
        "csv",
        "decision",
        "deleted",
        "details",
        "docs",
        "drift",
        "environment",
        "evidence",
        "page",
        "parquet",
        "performance",
        "program",
        "quarantine",
        "report_html",
        "sha256",
        "spec",
        "validation",
    )
)
#: Records that name blobs on their way out.
_OF_REMOVAL = ("erasures", "retention")
_SHA256_DIGITS = 64
_MOST_RECORD_BYTES = 32 << 20
_TELL_EVERY = 1_000


@dataclass
class Blobs:
    """What was seen of the blobs so far.

    :param store: where they lie.
    :param excused: hashes of blobs that were removed on purpose.
    """

    store: Store
    excused: frozenset[str]
    progress: Progress = ignore
    count: int = 0
    size: int = 0
    _seen: set[str] = field(default_factory=set)
    _data: set[str] = field(default_factory=set)
    _sizes: dict[str, int] = field(default_factory=dict)
    _waiting: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sizes = {item.key.rpartition("/")[2]: item.size for item in self.store.list("blobs/")}

    def name(self, key: str, data: bytes) -> None:
        """Take in what a record names; :meth:`check` looks at it."""
        if _is_of_removal(key):
            return
        must = set(_references(_json(data)))
        if key.startswith("datasets/"):
            self._data |= must
        for sha256 in sorted(must | (named(data) & self._sizes.keys())):
            known = self._waiting.get(sha256)
            if known is None or (sha256 in must and not known[1]):
                self._waiting[sha256] = (key, sha256 in must)

    def check(self) -> Iterator[Finding]:
        """Look at all blobs that were named, and at those that they name in turn."""
        while todo := {one: by for one, by in self._waiting.items() if one not in self._seen}:
            self._seen |= todo.keys()
            with closing(in_order(self._looked, todo)) as looked:
                for (sha256, (key, must)), answer in zip(todo.items(), looked, strict=True):
                    self.count += 1
                    if self.count % _TELL_EVERY == 0:
                        self.progress(f"{self.count:,} blobs hashed ({size(self.size)})")
                    yield from self._judged(sha256, key, must, answer)

    def _looked(self, sha256: str) -> bytes | Exception:
        """The bytes of a small blob, nothing for a large one, or why it can't be had."""
        try:
            if self._sizes.get(sha256, 0) <= _MOST_RECORD_BYTES:
                return get_bytes(self.store, sha256)
            with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as folder:
                self.store.download(blob_key(sha256), Path(folder) / "blob", sha256)
            return b""
        except (KeyMissing, IntegrityError) as error:
            return error

    def _judged(self, sha256: str, key: str, must: bool, answer: bytes | Exception) -> Iterator[Finding]:
        place = blob_key(sha256)
        if isinstance(answer, KeyMissing):
            self.count -= 1
            if must and sha256 not in self.excused:
                yield Finding(kind="missing blob", place=place, said=f"{place} is missing: {key} names it")
        elif isinstance(answer, Exception):
            said = f"{place} was changed: its bytes have another hash; {key} names it"
            yield Finding(kind="changed blob", place=place, said=said)
        else:
            self.size += self._sizes.get(sha256, len(answer))
            if sha256 not in self._data and answer.lstrip()[:1] in (b"{", b"["):
                self.name(f"{place} ({key.partition(' (')[0]})", answer)


def _is_of_removal(key: str) -> bool:
    return any(part in _OF_REMOVAL for part in key.split("/")[:3])


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _references(value: Any) -> Iterator[str]:
    """Hashes of blobs in the fields of a record, of any depth; files that lie elsewhere have none."""
    if isinstance(value, list):
        for one in value:
            yield from _references(one)
    if not isinstance(value, dict):
        return
    elsewhere = bool(value.get("version_id"))
    for name, one in value.items():
        if name in _FIELDS and _is_hash(one) and not (elsewhere and name == "sha256"):
            yield one
        elif name == "hashes" and isinstance(one, dict):
            yield from filter(_is_hash, one.values())
        elif name == "files" and value.get("table"):
            yield from (file["deleted"] for file in one if file.get("deleted"))
        else:
            yield from _references(one)


def _is_hash(value: Any) -> bool:
    return (
        isinstance(value, str) and len(value) == _SHA256_DIGITS and not set(value) - set("0123456789abcdef")
    )
