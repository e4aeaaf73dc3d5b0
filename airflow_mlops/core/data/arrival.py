"""New files and batches of them, as watchers of new data know them.

A file is known by its *mark*, a hash of path, size and stamp (S3's entity tag, a folder's time of change): a file that
is written anew is a new file. A batch is the files of one folder (or of one ``_SUCCESS``, or of one manifest) whose
marks were not announced yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from airflow_mlops.core.data.glob import name_matches

Complete = Literal["success", "settled", "manifest"]
#: The file that Hadoop, Spark and many others write last.
SUCCESS = "_SUCCESS"
#: A look that finds more batches than these announces them as one.
MOST_BATCHES = 10
_ID_DIGITS = 12


class FoundFile(NamedTuple):
    """One file of a listing.

    :param stamp: what changes when it is written anew: S3's entity tag, or the time of change in nanoseconds.
    :param at: when it was written, in seconds since 1970, by the clock of the place where it lies.
    """

    path: str
    size: int
    stamp: str
    at: float

    @property
    def folder(self) -> str:
        """The folder it lies in; empty at the root."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rpartition("/")[2]

    @property
    def mark(self) -> int:
        """64 bits that stand for this content under this path."""
        text = f"{self.path}\0{self.size}\0{self.stamp}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class Rule(NamedTuple):
    """When a batch is complete.

    :param settle: seconds without a change.
    :param manifest: name of the file that lists a batch's files; may hold wildcards.
    """

    complete: Complete
    settle: float
    manifest: str = "manifest.json"

    def is_marker(self, name: str) -> bool:
        """Whether a file of this name says something of others."""
        if self.complete == "success":
            return name == SUCCESS
        return self.complete == "manifest" and name_matches(name, self.manifest)


@dataclass(frozen=True)
class Batch:
    """Files that are there, complete and not announced.

    :param id: folder, and a hash of the marks: the same files give the same id, in any process.
    :param complete: why it is complete.
    :param files: the new and the rewritten ones, by path.
    :param marks: of all that is announced with it, of a manifest too.
    :param batches: how many batches it stands for.
    """

    id: str
    complete: Complete
    files: tuple[FoundFile, ...]
    marks: frozenset[int]
    batches: int = 1

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(one.size for one in self.files)


@dataclass
class Look:
    """What one look found.

    :param batches: complete ones, in the order of their folders.
    :param pending: files that are not announced yet, complete or not, by path.
    :param remarks: one line for each thing that somebody has to mend.
    """

    batches: list[Batch] = field(default_factory=list)
    pending: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)


def make_batch(
    folder: str, complete: Complete, group: list[FoundFile], marks: dict[str, int], marker: int | None = None
) -> Batch:
    """The batch of a group of files. :param marker: mark of the manifest that lists them."""
    taken = frozenset(marks[one.path] for one in group) | ({marker} if marker is not None else set())
    return Batch(_identify(folder, taken), complete, tuple(sorted(group)), taken)


def _identify(folder: str, marks: Collection[int]) -> str:
    content = b"".join(mark.to_bytes(8, "big") for mark in sorted(marks))
    return f"{folder or '.'}@{hashlib.sha256(content).hexdigest()[:_ID_DIGITS]}"


def few(batches: list[Batch]) -> list[Batch]:
    """The batches, or one that stands for them: a start on years of data is one event, and not thousands."""
    if len(batches) <= MOST_BATCHES:
        return batches
    marks = frozenset(mark for one in batches for mark in one.marks)
    files = tuple(sorted(file for one in batches for file in one.files))
    folder = _common(one.id.rpartition("@")[0] for one in batches)
    return [Batch(_identify(folder, marks), batches[0].complete, files, marks, len(batches))]


def _common(folders: Iterable[str]) -> str:
    """The deepest folder that holds all of these."""
    split = [[] if folder == "." else folder.split("/") for folder in folders]
    shared = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join(shared)
