"""Erase a person: copies without the rows first, then a record of all that goes, then it goes, then ``done``.

A try that is killed is taken up by the next one, of whatever person: until ``done`` stands in the log, the record of
what began says what may be half gone, and everything else is found again. What leads to something else goes after it:
captures after the labels that only their inference ids tie to the person, data after the predictions that only their
places do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from airflow_mlops.core.data.erasures import Erasure, Tombstone, erasure_log
from airflow_mlops.core.data.fetching import blob_cache
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.erasure.attached import Attachments, remove_blobs
from airflow_mlops.core.erasure.finding import Columns, Findings, find
from airflow_mlops.core.erasure.learned import learned_from
from airflow_mlops.core.erasure.predictions import Tie, erase_predictions
from airflow_mlops.core.erasure.replacing import replace_all
from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.erasure.traffic import discard_staged, heal, rewrite, stage
from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.monitoring.answers.erasing import erase_answers
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.serving.captures import captures_prefix
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.removal import Removal
from airflow_mlops.core.wording import day


@dataclass(frozen=True)
class Request:
    """Who asks for an erasure, and why; ``run`` is the key of the Airflow run."""

    who: str
    why: str
    at: datetime
    run: str | None = None


def erase(
    store: Store,
    model: str,
    columns: Columns,
    subject: Subject,
    request: Request,
    *,
    root: DataRoot | None = None,
    progress: Progress = ignore,
) -> Erasure:
    """Take the rows of a person out of everything that a model's part of the store holds.

    It may be called again at any time, and after being killed; with nothing left to take out, the record of the
    erasure that took it is returned. One that another call has left unfinished is finished first.

    :param root: the data root, for versions that pin their files there.
    :raises PlatformError: if the store can't remove anything.
    :raises DataError: if files lie in a bucket and ``root`` can't read them.
    :raises LogConflict: if somebody else erases in the same model at the same time; call it again.
    """
    if not isinstance(store, Removal):
        raise PlatformError("store can't remove anything", given=store.uri, expected="a folder or S3")
    work = _Work(store, store, model, columns, root, progress)
    for other in _unfinished(erasure_log(store, model)):
        if other.subject != subject.hash:
            progress(f"finishing the erasure that {other.who} began on {day(other.at)}")
            asked = Request(other.who, other.why, other.at, other.run)
            work.carry_out(replace(subject, hash=other.subject, plain=None), asked)
    return work.carry_out(subject, request)


@dataclass(frozen=True)
class _Work:
    store: Store
    removal: Removal
    model: str
    columns: Columns
    root: DataRoot | None
    progress: Progress

    def carry_out(self, subject: Subject, request: Request) -> Erasure:
        """Begin, or take up what began, and bring it to its end."""
        log = erasure_log(self.store, self.model)
        entries = list(log.entries())
        began = next(
            (one for one in _unfinished_of(e for _, e in entries) if one.subject == subject.hash), None
        )
        if began is not None:
            heal(self.store, began.rewrites)
        found = find(
            self.store,
            self.model,
            self.columns,
            subject,
            now=request.at,
            root=self.root,
            progress=self.progress,
        )
        before = [entry for _, entry in entries if entry.subject == subject.hash and entry.state == "done"]
        if began is None and found.nothing and before:
            return before[-1]
        planned = self._plan(subject, request, found, began)
        if planned != began:
            log.append(planned, after=len(entries))
        for other, part in self._others(planned).items():
            # who reads a version of another model is told from now on why its file is gone
            erasure_log(self.store, other).append_once(part, part.__eq__)
        self._remove(subject, found, planned)
        done = planned.model_copy(update={"state": "done"})
        log.append(done, after=log.last_number())
        return done

    def _plan(self, subject: Subject, request: Request, found: Findings, began: Erasure | None) -> Erasure:
        """Write what stands in the place of what goes, and say what goes; with all that an earlier try said."""
        stones = replace_all(self.store, found.held, self.root, by=request.who, progress=self.progress)
        refs = {one.version.ref: one for one in found.held}
        attachments = Attachments(
            self.store, self.model, self.columns.subject, self.columns.id, subject, refs
        )
        planned = Erasure(
            subject=subject.hash,
            state="began",
            tombstones=stones,
            elsewhere=found.elsewhere,
            blobs=attachments.rewritten(found.attached),
            rewrites=stage(
                self.store, self.model, found.captures, found.truth, self.columns.subject, subject
            ),
            left=found.left,
            retrain=found.retrain,
            who=request.who,
            why=request.why,
            run=request.run,
            at=request.at,
        )
        return _merged(began, planned) if began is not None else planned

    def _others(self, planned: Erasure) -> dict[str, Erasure]:
        """What the logs of other models say, whose versions share a file."""
        stones: dict[str, list[Tombstone]] = {}
        for stone in planned.tombstones:
            stones.setdefault(stone.dataset.name.partition("__")[0], []).append(stone)
        stones.pop(self.model, None)
        made = {}
        for model, some in stones.items():
            refs = {stone.dataset for stone in some if stone.rows}
            retrain, unknown = learned_from(self.store, model, refs)
            part = {"tombstones": tuple(some), "elsewhere": {}, "blobs": {}, "rewrites": {}, "state": "done"}
            made[model] = planned.model_copy(update={**part, "retrain": retrain, "left": unknown})
        return made

    def _remove(self, subject: Subject, found: Findings, planned: Erasure) -> None:
        """Take everything out. What ties other things to the person goes last."""
        prefix = captures_prefix(self.model)
        captures = {key: one for key, one in planned.rewrites.items() if key.startswith(prefix)}
        truth = {key: one for key, one in planned.rewrites.items() if key not in captures}
        rewrite(self.store, self.removal, truth)
        erase_answers(self.store, self.removal, self.model, found.captures.ids)
        rewrite(self.store, self.removal, captures)
        held = {one.version.ref: one for one in found.held}
        tie = Tie(self.store, self.columns.subject, subject, held)
        erase_predictions(self.store, self.removal, self.model, tie, found.predictions, planned.blobs)
        remove_blobs(self.removal, planned.blobs)
        files = dict.fromkeys(one for stone in planned.tombstones for one in stone.blobs)
        remove_blobs(self.removal, files)
        _forget((*planned.blobs, *files))
        discard_staged(self.removal, planned.rewrites)
        self.progress(f"{len(files) + len(planned.blobs):,} files removed from {self.store.uri}")


def _unfinished(log: Log[Erasure]) -> tuple[Erasure, ...]:
    return _unfinished_of(entry for _, entry in log.entries())


def _unfinished_of(entries: Iterable[Erasure]) -> tuple[Erasure, ...]:
    """What began and was not done, the newest record of each person."""
    begun: dict[str, Erasure] = {}
    for entry in entries:
        if entry.state == "began":
            begun[entry.subject] = entry
        else:
            begun.pop(entry.subject, None)
    return tuple(begun.values())


def _merged(began: Erasure, now: Erasure) -> Erasure:
    """What began, with what was found since."""
    stones = {stone.dataset: stone for stone in began.tombstones}
    for stone in now.tombstones:
        old = stones.get(stone.dataset)
        stones[stone.dataset] = _both(old, stone) if old else stone
    places = {*began.elsewhere, *now.elsewhere}
    return began.model_copy(
        update={
            "tombstones": tuple(stones.values()),
            "elsewhere": {
                one: max(began.elsewhere.get(one, 0), now.elsewhere.get(one, 0)) for one in sorted(places)
            },
            "blobs": {**began.blobs, **now.blobs},
            "rewrites": {**began.rewrites, **now.rewrites},
            "left": tuple(dict.fromkeys((*began.left, *now.left))),
            "retrain": tuple(sorted({*began.retrain, *now.retrain})),
        }
    )


def _both(old: Tombstone, new: Tombstone) -> Tombstone:
    return old.model_copy(
        update={
            "rows": max(old.rows, new.rows),
            "blobs": tuple(dict.fromkeys((*old.blobs, *new.blobs))),
            "outside": tuple(dict.fromkeys((*old.outside, *new.outside))),
        }
    )


def _forget(hashes: Iterable[str]) -> None:
    """Remove the copies of blobs in the cache of this machine; those on other machines are out of reach."""
    for sha256 in hashes:
        (blob_cache() / sha256[:2] / sha256).unlink(missing_ok=True)
