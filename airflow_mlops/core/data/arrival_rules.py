"""When new files are a complete batch: a pure function of listings, of what was announced, and of a clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from airflow_mlops.core.data.arrival import Batch, FoundFile, Look, Rule, few, make_batch
from airflow_mlops.core.data.glob import path_matches


class _View(NamedTuple):
    """One listing, sorted.

    :param fresh: data that were not announced.
    :param marks: of the data, by path.
    :param now: seconds of a clock that never goes back.
    """

    data: list[FoundFile]
    markers: list[FoundFile]
    fresh: list[FoundFile]
    marks: dict[str, int]
    known: Collection[int]
    now: float

    def fresh_marks(self, files: Iterable[FoundFile]) -> list[int]:
        return [self.marks[one.path] for one in files]


class Observer:
    """Remembers, from look to look, since when each file has not changed.

    It holds no truth: one that begins anew waits a little longer and says the same.

    :param parts: of the glob that takes the data's files.
    :param read: the bytes of a file, for manifests.
    """

    def __init__(self, parts: Sequence[str], rule: Rule, read: Callable[[str], bytes]) -> None:
        self._parts = parts
        self._rule = rule
        self._read = read
        self._since: dict[int, float] = {}
        self._manifests: dict[int, dict[str, int] | str] = {}  # by mark: sizes, or what is wrong
        self._said: set[str] = set()

    def look(
        self, files: Iterable[FoundFile], known: Collection[int], now: float, *, whole: bool = True
    ) -> Look:
        """What is complete now.

        :param files: that are there, markers among them.
        :param known: marks that were announced.
        :param now: seconds of a clock that never goes back.
        :param whole: whether ``files`` are all there are; else they are the end of a long listing.
        """
        data, markers = self._sort(files)
        marks = {one.path: one.mark for one in data}
        fresh = [one for one in data if marks[one.path] not in known]
        view = _View(data, markers, fresh, marks, known, now)
        seen = [*view.fresh_marks(fresh), *(_moment(one) for one in markers)]
        since = {mark: self._since.get(mark, now) for mark in seen}
        self._since = since if whole else {**self._since, **since}
        found = Look(pending={one.path for one in fresh})
        if self._rule.complete == "settled":
            batches = self._settled(view)
        elif self._rule.complete == "success":
            batches = self._succeeded(view, found)
        else:
            batches = self._listed(view, found)
        found.batches = few(batches)
        return found

    def _sort(self, files: Iterable[FoundFile]) -> tuple[list[FoundFile], list[FoundFile]]:
        """The data and the markers. What a manifest lists counts whatever its name is."""
        data, markers = [], []
        for one in files:
            if self._rule.is_marker(one.name):
                markers.append(one)
            elif self._rule.complete == "manifest" or path_matches(one.path.split("/"), self._parts):
                data.append(one)
        return data, markers

    def _quiet(self, marks: Iterable[int], now: float) -> float:
        """For how long nothing of this has changed."""
        return now - max((self._since.get(mark, now) for mark in marks), default=now)

    def _settled(self, view: _View) -> list[Batch]:
        groups: dict[str, list[FoundFile]] = {}
        for one in view.fresh:
            groups.setdefault(one.folder, []).append(one)
        return [
            make_batch(folder, "settled", group, view.marks)
            for folder, group in sorted(groups.items())
            if self._quiet(view.fresh_marks(group), view.now) >= self._rule.settle
        ]

    def _succeeded(self, view: _View, found: Look) -> list[Batch]:
        """A batch is what lies below the nearest ``_SUCCESS``; one that is older than a file is of an earlier batch."""
        by_folder = {one.folder: one for one in view.markers}
        groups: dict[str, list[FoundFile]] = {}
        for one in view.fresh:
            folder = _nearest(one.folder, by_folder)
            if folder is not None:
                groups.setdefault(folder, []).append(one)
        batches = []
        for folder, group in sorted(groups.items()):
            marker = by_folder[folder]
            newest = max(group, key=lambda one: one.at)
            quiet = self._quiet([_moment(marker), *view.fresh_marks(group)], view.now)
            # Times on S3 are whole seconds: of two equal ones the next look knows whether more has come.
            if marker.at > newest.at or (marker.at == newest.at and quiet > 0):
                batches.append(make_batch(folder, "success", group, view.marks))
            elif marker.at < newest.at and quiet >= self._rule.settle:
                self._say(found, f"{newest.path} is newer than {marker.path}, which has to be written last")
        return batches

    def _listed(self, view: _View, found: Look) -> list[Batch]:
        """A batch is what a manifest lists."""
        there = {one.path: one for one in view.data}
        changed = {one.folder for one in view.fresh}
        batches = []
        listed: set[str] = set()
        for marker in sorted(view.markers):
            is_new = marker.mark not in view.known
            if not is_new and not any(_is_below(folder, marker.folder) for folder in changed):
                continue
            sizes = self._manifest(marker)
            if isinstance(sizes, str):
                if self._quiet([_moment(marker)], view.now) >= self._rule.settle:
                    self._say(found, sizes)
                continue
            listed |= sizes.keys()
            if any(path not in there or there[path].size != size for path, size in sizes.items()):
                continue
            group = [there[path] for path in sizes if view.marks[path] not in view.known]
            quiet = self._quiet(view.fresh_marks(group), view.now)
            # A file that is written anew under an old manifest may be the first of many.
            if group and (is_new or quiet >= self._rule.settle):
                batches.append(make_batch(marker.folder, "manifest", group, view.marks, marker.mark))
        found.pending = {one.path for one in view.fresh if one.path in listed}
        return batches

    def _manifest(self, marker: FoundFile) -> dict[str, int] | str:
        if marker.mark not in self._manifests:
            self._manifests[marker.mark] = read_manifest(marker.path, self._read(marker.path))
        return self._manifests[marker.mark]

    def _say(self, found: Look, remark: str) -> None:
        """Once."""
        if remark not in self._said:
            self._said.add(remark)
            found.remarks.append(remark)


def read_manifest(path: str, content: bytes) -> dict[str, int] | str:
    """Sizes by path of the files that a manifest lists, or what is wrong with it.

    It is ``{"files": [{"path": "part-0.parquet", "size": 1234}]}``; paths are relative to its own folder.
    """
    wrong = f'{path} is no manifest: expected {{"files": [{{"path": "part-0.parquet", "size": 1234}}]}}'
    folder = path.rpartition("/")[0]
    try:
        files = json.loads(content)["files"]
        sizes = {str(one["path"]): int(one["size"]) for one in files}
    except (ValueError, TypeError, KeyError, RecursionError):
        return wrong
    if not sizes or any(part in ("", ".", "..") for name in sizes for part in name.split("/")):
        return wrong
    return {f"{folder}/{name}" if folder else name: size for name, size in sizes.items()}


def _moment(marker: FoundFile) -> int:
    """A marker's mark that also tells two empty files apart that were written one after the other."""
    return marker._replace(stamp=f"{marker.stamp} {marker.at}").mark


def _nearest(folder: str, markers: Collection[str]) -> str | None:
    """The deepest folder at or above ``folder`` that has a marker."""
    while folder not in markers:
        if not folder:
            return None
        folder = folder.rpartition("/")[0]
    return folder


def _is_below(folder: str, above: str) -> bool:
    return not above or folder == above or folder.startswith(f"{above}/")
