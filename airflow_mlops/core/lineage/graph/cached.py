"""Files of the index on this machine: whole and of the right store, or not used at all.

The index is a cache, so it is kept where any reader may write: a person who only may read the store can ask it, too,
and nothing in the store has to be taken back when data are erased. A file carries the hash of its content, so one that
was torn or changed is made anew. It is replaced in one step: of several writers the last one wins, and each is right.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from airflow_mlops.core.store.arrival import open_new, sweep

T = TypeVar("T")
#: Changes with the form of any file: older files are made anew.
_FORM = b"airflow-mlops lineage 1\n"
_DIGEST = hashlib.sha256().digest_size


def load(path: Path, kind: type[T], owner: str) -> T | None:
    """What :func:`save` wrote; None where there is nothing, or anything but that.

    :param owner: what the content is about, e.g. the URI of a store and a key in it.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head = len(_FORM) + _DIGEST
    content = memoryview(data)[head:]
    if data[: len(_FORM)] != _FORM or _hash(owner, content) != data[len(_FORM) : head]:
        return None
    try:
        return msgspec.msgpack.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def save(path: Path, content: Any, owner: str) -> None:
    """Write the file in one step. Where that can't be done there is no file, and the next one asks the store."""
    data = msgspec.msgpack.encode(content)
    part = path.parent / f".{uuid.uuid4().hex}.part"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, ".*.part")
        try:
            with open_new(part) as stream:
                stream.write(_FORM + _hash(owner, data) + data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def _hash(owner: str, content: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(owner.encode())
    digest.update(b"\n")
    digest.update(content)
    return digest.digest()
