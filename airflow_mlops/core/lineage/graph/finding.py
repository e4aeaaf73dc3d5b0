"""From what a person has in hand (a path, a URI, a hash, a dataset version's name) to what the store knows of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.lineage.graph.index import Index
from airflow_mlops.core.lineage.graph.manifests import Dataset, Datasets, Ref
from airflow_mlops.core.store.blobs import hash_file
from airflow_mlops.core.wording import some

How = Literal["content", "place", "name"]
Files = NDArray[np.uint32]
_HASH = re.compile(r"[0-9a-f]{8,64}")
_WHOLE = 64
_SHOWN = 8


@dataclass(frozen=True)
class Matched:
    """The files that are meant.

    :param how: by their content, by the place that is recorded for them, or by their name alone.
    :param said: what was asked and how it was understood, in words.
    :param files: their numbers; ``holders``: the versions that hold them, each with those that it holds.
    """

    how: How
    said: str
    files: Files
    holders: list[tuple[Dataset, Files]]


def find_file(index: Index, given: str) -> Matched:
    """The files that a path, a URI or a SHA-256 (or its first eight digits) stands for.

    A local file is looked for by its content, and by its name if nobody has seen that content. A URI is held against
    the place that a version records; versions that keep a copy of their files record no place, so there the end of the
    path counts.

    :raises DataError: for nothing, a folder, or digits that several contents begin with.
    """
    if not given.strip():
        raise DataError("no file was named", expected="a path, a URI or a SHA-256")
    known = index.datasets
    path = os.path.expanduser(_local(given) or given)  # unlike Path's, these never raise
    if os.path.isdir(path):
        raise DataError("this is a folder", given=given, expected="one file")
    if os.path.isfile(path):
        return _of_local_file(known, Path(path))
    if found := _of_hash(known, given):
        return found
    return _of_name(known, given)


def find_dataset(index: Index, given: str) -> Ref:
    """The dataset version that ``NAME@ID`` names; the id may be cut short.

    It may be one that is not there any more, as long as a record still names it.

    :raises DataError: if there is none, or more than one.
    """
    name, at, start = given.rpartition("@")
    if not (at and name and start):
        raise DataError(
            "not a dataset version", given=repr(given[:200]), expected="NAME@ID, e.g. orders@448ab2a2"
        )
    if (name, start) in index.datasets.by_ref:
        return name, start  # the whole id: no log has to be read to tell what is meant
    refs = _named(index)
    ids = sorted(one for of, one in refs if of == name)
    found = [one for one in ids if one.startswith(start)]
    if start in found or len(found) == 1:
        return name, start if start in found else found[0]
    if found:
        raise DataError(
            f"{len(found)} versions of {name} have an id that starts so",
            given=start,
            expected=some(found, _SHOWN),
        )
    if ids:
        raise DataError(
            f"{name} has no such version",
            given=start,
            expected=f"one of {len(ids)} ids",
            remedy=f"airflow-mlops data list {name}",
        )
    names = sorted({of for of, _ in refs})
    raise DataError(
        f"there is no data set {name} in {index.store.uri}",
        expected=some(names, _SHOWN) if names else "a store with data sets: take a snapshot first",
    )


def _named(index: Index) -> set[Ref]:
    """Every dataset version that a manifest, a derivation or a model version names."""
    known = index.datasets
    found = set(known.by_ref) | set(known.children)
    for model in index.models:
        found.update(one.dataset.pair for _, one in index.versions(model).numbered())
    return found


def _of_local_file(known: Datasets, path: Path) -> Matched:
    sha256 = hash_file(path)
    files = known.with_hash(sha256)
    if len(files):
        return _matched(known, "content", f"{path.name} with SHA-256 {sha256[:12]}", files)
    named = _of_name(known, path.absolute().as_posix())
    said = f"{path.name}: nobody has seen its content ({sha256[:12]})"
    more = "; these files have its name and other content" if len(named.files) else ""
    return Matched("name", said + more, named.files, named.holders)


def _of_hash(known: Datasets, given: str) -> Matched | None:
    """:raises DataError: if several contents begin so."""
    start = given.lower().removeprefix("sha256:")
    if not _HASH.fullmatch(start):
        return None
    files = known.with_hash(start)
    hashes = sorted({known.file(one)[2] for one in files.tolist()})
    if len(hashes) > 1:
        raise DataError(
            f"{len(hashes)} contents have a hash that starts so", given=given, expected=some(hashes, _SHOWN)
        )
    if not hashes and len(start) < _WHOLE:
        return None  # it may be a name
    return _matched(known, "content", f"SHA-256 {(hashes or [start])[0]}", files)


def _of_name(known: Datasets, given: str) -> Matched:
    """By the recorded place if any has it, else by its name."""
    plain, _, version_id = given.partition("?versionId=") if given.startswith("s3://") else (given, "", "")
    _, is_uri, rest = plain.partition("://")
    path = "/" + (unquote(rest.partition("/")[2]) if is_uri else plain).strip("/")
    if not is_uri:
        files = _named_so(known.sources, path)
        return Matched("name", f"{given}, by its name", files, known.holding(files))
    said = plain + (f", S3 version {version_id}" if version_id else "")
    if placed := _placed(known, path, unquote(plain), version_id):
        return Matched("place", said, _union(held for _, held in placed), placed)
    named = known.holding(_named_so(known.sources, path)) if not version_id else []
    free = [pair for pair in named if pair[0].root is None]
    return Matched("name", f"{said}, by its name", _union(held for _, held in free), free)


def _named_so(sources: list[str], path: str) -> Files:
    """The sources that a path is the end of; if there is none, the longest of those that are the end of the path."""
    found = [number for number, one in enumerate(sources) if _ends("/" + one, path[1:])]
    if not found:
        ends = [number for number, one in enumerate(sources) if _ends(path, one)]
        longest = max((len(sources[number]) for number in ends), default=0)
        found = [number for number in ends if len(sources[number]) == longest]
    return np.array(found, dtype=np.uint32)


def _placed(known: Datasets, path: str, uri: str, version_id: str) -> list[tuple[Dataset, Files]]:
    """The versions that say that a file lay there, and which of their files did."""
    ends = [number for number, one in enumerate(known.sources) if _ends(path, unquote(one))]
    found = []
    for one, held in known.holding(np.array(ends, dtype=np.uint32)):
        root = unquote((one.root or "").rstrip("/"))
        there = [
            number
            for number in held.tolist()
            if f"{root}/{unquote(known.file(number)[0])}" == uri and version_id in ("", known.file(number)[1])
        ]
        if there and one.root is not None:
            found.append((one, np.array(there, dtype=np.uint32)))
    return found


def _matched(known: Datasets, how: How, said: str, files: Files) -> Matched:
    return Matched(how, said, files, known.holding(files))


def _union(parts: Iterable[Files]) -> Files:
    found = list(parts)
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.uint32)


def _ends(path: str, tail: str) -> bool:
    return path.endswith(tail) and path[: -len(tail) or None].endswith("/")


def _local(given: str) -> str | None:
    """The path of a ``file://`` URI."""
    return unquote(given.removeprefix("file://")) if given.startswith("file://") else None
