"""Captured requests of a person, and the labels of their answers: lines of files that are written anew without them.

A request goes whole when one of its rows is the person's: its predictions and labels are known by their place in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.errors import KeyExists, KeyMissing
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.serving.captures import captures_prefix
from airflow_mlops.core.serving.ground_truth import ground_truth_prefix
from airflow_mlops.core.serving.hours import children
from airflow_mlops.core.serving.lines import read_capture, read_truth
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key, get_bytes, put_bytes
from airflow_mlops.core.store.removal import Removal

_TOLD_EVERY = 10_000


@dataclass
class Lines:
    """What was found in files of lines.

    :param keys: of each file, how many of its lines go.
    :param ids: inference ids of the person's requests.
    :param broken: files with lines that can't be read and may name the person.
    """

    keys: dict[str, int] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)


def find_captures(store: Store, model: str, column: str, subject: Subject, progress: Progress) -> Lines:
    """Captured requests with a row whose ``column`` names the person."""
    found = Lines()
    for number, item in enumerate(store.list(captures_prefix(model)), 1):
        if number % _TOLD_EVERY == 0:
            progress(f"looked through {number:,} files of captures")
        data = store.read(item.key)
        if not subject.may_be_in(data):
            continue
        for line in data.splitlines():
            told = _request(line, column, subject)
            if told:
                found.ids.add(told)
                found.keys[item.key] = found.keys.get(item.key, 0) + 1
            elif told is None and subject.stands_in(line.decode("utf-8", "replace")):
                found.broken.append(item.key)
    return found


def other_captures(store: Store, model: str) -> tuple[str, ...]:
    """Folders of captures that SageMaker wrote for endpoints of the model: their lines are not searched."""
    names = children(store, "captures/")
    return tuple(
        f"captures/{name}/"
        for name in names
        if name != model and name.endswith(f"-{model.replace('_', '-')}")
    )


def find_ground_truth(store: Store, model: str, ids: set[str]) -> Lines:
    """Labels of the person's requests, by their inference ids."""
    found = Lines()
    if not ids:
        return found
    for item in store.list(ground_truth_prefix(model)):
        gone = sum(_labelled(line) in ids for line in store.read(item.key).splitlines())
        if gone:
            found.keys[item.key] = gone
    return found


def stage(
    store: Store, model: str, captures: Lines, truth: Lines, column: str, subject: Subject
) -> dict[str, str | None]:
    """Keep what stays of each file as a blob; the hashes, None where nothing stays."""
    rules: list[tuple[Lines, Callable[[bytes], bool]]] = [
        (truth, lambda line: _labelled(line) not in captures.ids),
        (captures, lambda line: not _request(line, column, subject)),
    ]
    staged: dict[str, str | None] = {}
    for lines, stays in rules:
        for key in lines.keys:
            left = b"".join(line for line in store.read(key).splitlines(keepends=True) if stays(line))
            staged[key] = put_bytes(store, left) if left else None
    return staged


def heal(store: Store, rewrites: dict[str, str | None]) -> None:
    """Put back what a killed try had removed and not written anew yet."""
    for key, sha256 in rewrites.items():
        if sha256 is not None and not store.exists(key):
            with suppress(KeyExists):
                store.create(key, get_bytes(store, sha256))


def rewrite(store: Store, removal: Removal, rewrites: dict[str, str | None]) -> None:
    """Put what stays in the place of each file, under the same key: a cursor that has read it does not read it again.

    The blob with what stays goes when it is in place. Between the two steps a reader finds no file, and tries again.
    """
    for key, sha256 in rewrites.items():
        if sha256 is None:
            removal.remove(key)
            continue
        if _hash_of(store, key) == sha256:
            continue
        data = get_bytes(store, sha256)
        removal.remove(key)
        with suppress(KeyExists):
            store.create(key, data)


def discard_staged(removal: Removal, rewrites: dict[str, str | None]) -> None:
    """Remove the blobs of :func:`stage`."""
    for sha256 in sorted({one for one in rewrites.values() if one is not None}):
        removal.remove(blob_key(sha256))


def _hash_of(store: Store, key: str) -> str | None:
    try:
        return hashlib.sha256(store.read(key)).hexdigest()
    except KeyMissing:
        return None


def _request(line: bytes, column: str, subject: Subject) -> str | None:
    """The inference id of a request of the person, empty of another one's; None of a line that can't be read."""
    try:
        record = read_capture(line)
    except ValueError:
        return None
    return record.inference_id if any(subject.names(row.get(column)) for row in record.rows) else ""


def _labelled(line: bytes) -> str | None:
    try:
        return read_truth(line).inference_id
    except ValueError:
        return None
