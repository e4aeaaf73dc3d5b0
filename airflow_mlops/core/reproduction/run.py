"""Build a version again from its record, and say whether it came out the same."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.errors import DataMissing, IntegrityError, KeyMissing, RegistryError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.reproduction.bench import Bench, Laid, lay_out, open_bench
from airflow_mlops.core.reproduction.comparison import Distance, distance
from airflow_mlops.core.reproduction.differences import differences, in_words, needed_packages
from airflow_mlops.core.reproduction.locked import Environment, locked_environment
from airflow_mlops.core.reproduction.process import train_again
from airflow_mlops.core.reproduction.record import Difference, Reproduction, reproduction_log
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.environment import Lock, closure, environment_lock
from airflow_mlops.core.training.features import stored_source

Place = Literal["auto", "locked", "here"]
Outcome = Literal["identical", "equal", "different", "impossible"]
#: A difference of a metric or a prediction up to this is none, where the bytes differ.
TOLERANCE = 1e-6
#: A part is gone, or is not what was recorded: that is an answer. Other errors of a store or a bucket are none.
_ANSWERS = (KeyMissing, IntegrityError, DataMissing)


@dataclass(frozen=True)
class _Found:
    """What is known so far."""

    outcome: Outcome
    reason: str
    place: Literal["locked", "here"]
    environment: tuple[Difference, ...] = ()
    rebuilt: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    predictions: float | None = None


@dataclass(frozen=True)
class _Surroundings:
    """Where it is trained again, and what differs there from the lock."""

    place: Literal["locked", "here"]
    python: Path
    environment: tuple[Difference, ...]


def reproduce(
    store: Store,
    model: str,
    number: int,
    *,
    by: str,
    at: datetime,
    root: DataRoot | None = None,
    place: str = "auto",
    tolerance: float = TOLERANCE,
    run: str | None = None,
    progress: Progress = ignore,
) -> Reproduction:
    """Train a version again from what its record names, compare the result, and note the outcome in the store.

    The same data (every pinned byte is hashed again), the same spec, seed, feature code and training code, in an
    environment as recorded: then XGBoost on CPU gives the same bytes. It runs in a process of its own, which sees
    copies only. Nothing is left but the entry of the log; a run that is tried again does not double it.

    :param by: who asked for it; ``at``: when.
    :param root: with the client for objects that the dataset version pins in a bucket.
    :param place: ``here``: in the present environment, differences from the lock are named; ``locked``: in one that is
        made from the lock with ``uv``; ``auto``: here if nothing differs, else locked.
    :param tolerance: up to which metrics and predictions count as equal where the bytes differ.
    :param run: key of the Airflow run.
    :raises RegistryError: if there is no such version, or the place or the tolerance is none.
    :raises PlatformError: if ``uv`` is needed and missing, or reaches no index.
    :raises TrainingError: if the training was killed.
    """
    _check(place, tolerance)
    started = time.monotonic()
    registry = Registry(store, model)
    record, cited = registry.get(number), registry.cite(number)
    with open_bench() as bench:
        try:
            laid = lay_out(store, record, cited, bench, root=root, progress=progress)
            found = _built(record, bench, laid, place, tolerance, progress)
        except _ANSWERS as error:
            found = _Found("impossible", str(error), "locked" if place == "locked" else "here")
    progress(found.reason)
    entry = Reproduction(
        run=run,
        version=number,
        outcome=found.outcome,
        reason=found.reason,
        artifact=record.trained.artifact,
        rebuilt=found.rebuilt,
        environment=found.environment,
        metrics=found.metrics,
        predictions=found.predictions,
        tolerance=tolerance,
        place=found.place,
        seconds=round(time.monotonic() - started, 3),
        by=by,
        at=at,
    )
    return reproduction_log(store, model).append_once(entry, lambda other: _same(entry, other))[1]


def _check(place: str, tolerance: float) -> None:
    if place not in get_args(Place):
        raise RegistryError(
            "no such place to build a version", given=place, expected=" or ".join(get_args(Place))
        )
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise RegistryError("tolerance is none", given=tolerance, expected="a number from 0 on")


def _built(
    record: ModelVersion, bench: Bench, laid: Laid, place: str, tolerance: float, progress: Progress
) -> _Found:
    """Train on the bench, and compare."""
    trained = record.trained
    around = _surroundings(record, bench, laid, place, progress)
    again = train_again(around.python, record, bench, progress)
    notes = _notes(record)
    base = _Found("impossible", "", around.place, around.environment)
    if again.trained is None:
        return replace(
            base, reason=_sentence(f"it can't be trained again: {again.error}", base.environment, notes)
        )
    rebuilt = again.trained.artifact
    if rebuilt == trained.artifact:
        return replace(
            base,
            outcome="identical",
            reason=_sentence(f"the same {trained.size:,} bytes, {rebuilt[:12]}", base.environment, notes),
            rebuilt=rebuilt,
            predictions=0.0,
        )
    apart = distance(bench.store, record, again.trained, tolerance)
    said = f"other bytes, {rebuilt[:12]} and not {trained.artifact[:12]}; {_apart(apart, tolerance)}"
    return replace(
        base,
        outcome="equal" if apart.within else "different",
        reason=_sentence(said, base.environment, notes),
        rebuilt=rebuilt,
        metrics=apart.metrics,
        predictions=apart.predictions,
    )


def _surroundings(
    record: ModelVersion, bench: Bench, laid: Laid, place: str, progress: Progress
) -> _Surroundings:
    """Choose the environment, and say what differs in it.

    :raises PlatformError, IntegrityError: if one can't be made from the lock.
    """
    lock = Lock.parse(laid.lock)
    code, resampled = record.trained.code, record.trained.augmentation
    source = stored_source(bench.store, code) if code else None
    names = needed_packages(lock, laid.required, source, resampled.method if resampled else None)
    if place != "locked":
        present = Lock.parse(environment_lock())
        compared = closure(names, lock.packages)
        differ = differences(lock, present, compared)
        progress(_told(f"present environment, {len(compared)} packages that training imports", differ))
        if place == "here" or not differ:
            return _Surroundings("here", Path(sys.executable), differ)
    made: Environment = locked_environment(laid.lock, names, progress)
    differ = differences(lock, made.found, {*names, *made.found.packages})
    progress(_told(f"environment from the lock, {len(made.found.packages)} packages", differ))
    return _Surroundings("locked", made.python, differ)


def _apart(apart: Distance, tolerance: float) -> str:
    if not apart.predictions:
        return "every held-out prediction is the same"
    return (
        f"held-out predictions differ by up to {apart.predictions:.3g}, metrics by up to {apart.widest}: "
        f"{'within' if apart.within else 'more than'} {tolerance:g}"
    )


def _told(what: str, differ: Sequence[Difference]) -> str:
    return f"{what}: {in_words(differ) if differ else 'as recorded'}"


def _notes(record: ModelVersion) -> list[str]:
    """What the reader of the outcome has to know of how the version was made."""
    trained, notes = record.trained, []
    if trained.program is None:
        notes.append("its training code was not kept, so the present code was used")
    if trained.job:
        notes.append(f"it was trained by SageMaker job {trained.job}, and again here")
    if trained.machines > 1:
        notes.append(f"{trained.machines} machines had trained it together, and as many processes here")
    return notes


def _sentence(said: str, differ: Sequence[Difference], notes: Sequence[str]) -> str:
    return "; ".join([said, *([f"with {in_words(differ)}"] if differ else []), *notes])


def _same(entry: Reproduction, other: Reproduction) -> bool:
    """Whether a run that is tried again has noted this before. Another outcome, as after a repair, is news."""
    if entry.run is None:
        return False
    return (entry.run, entry.version, entry.outcome, entry.rebuilt) == (
        other.run,
        other.version,
        other.outcome,
        other.rebuilt,
    )
