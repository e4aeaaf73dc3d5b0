"""Checkpoints of a training: what is there every few rounds, and how another try goes on from it.

A checkpoint is one file: a line of JSON (what it belongs to, rounds, evaluation history, hash of the rest), then the
booster as UBJSON. It is written aside and moved into place, so that what is there is whole.

What holds when a training goes on from one: without sampling (``subsample``, ``colsample_by...`` below 1, booster
``dart``) it gives the same bytes as one that was never interrupted, and early stopping stops in the same round. With
sampling XGBoost's random numbers begin anew: the rounds after the interruption are as good, but others.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.training.base import Part
from airflow_mlops.core.training.shards import Shard, lowest

if TYPE_CHECKING:
    import xgboost

    from airflow_mlops.spec import Training

#: Part, metric, and its value after each round.
History = dict[str, dict[str, list[float]]]

_NAME = re.compile(r"round-(\d{6})")
#: SageMaker copies the folder to S3 as it changes, but for files that end so: see the module checkpointing of its
#: XGBoost container (github.com/aws/sagemaker-xgboost-container).
_ASIDE = ".sagemaker-ignore"
#: A file of this name is there while SageMaker copies the one beside it.
_UPLOADING = ".sagemaker-uploading"
_KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A training as it was after ``rounds`` rounds."""

    rounds: int
    history: History
    booster: bytes


class Checkpoints:
    """The checkpoints of one training in a folder.

    :param folder: made when it is missing. On SageMaker it outlives the machine.
    :param every: rounds between two of them.
    :param share: most of the time that goes into writing them; where rounds are fast, there are fewer.
    :param writes: False for all machines but the first one, which only read.
    """

    def __init__(self, folder: Path, every: int = 20, *, share: float = 0.05, writes: bool = True) -> None:
        if every < 1:
            raise TrainingError("no such distance of checkpoints", given=every, expected="1 round or more")
        self._folder = folder
        self._every = every
        self._share = share
        self._writes = writes
        self._stopping = False
        self._next = 0.0

    def stop(self) -> None:
        """Let the training end after its current round with a checkpoint. May be called by a signal handler."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopping

    def due(self, rounds: int) -> bool:
        """Whether this machine is to write one after so many rounds."""
        if not self._writes:
            return False
        return self._stopping or (rounds % self._every == 0 and time.monotonic() >= self._next)

    def rounds(self, identity: str) -> tuple[int, ...]:
        """After how many rounds there are whole ones of this training, the newest first."""
        found = sorted(
            (int(name[1]) for path in self._files() if (name := _NAME.fullmatch(path.name))), reverse=True
        )
        return tuple(number for number in found if self.read(identity, number) is not None)

    def read(self, identity: str, rounds: int) -> Checkpoint | None:
        """The one after ``rounds`` rounds; None if it is not there, not whole, or of another training."""
        try:
            head, _, booster = self._path(rounds).read_bytes().partition(b"\n")
            about = json.loads(head)
        except (OSError, ValueError):
            return None
        if not isinstance(about, dict) or about.get("identity") != identity:
            return None
        if about.get("sha256") != hashlib.sha256(booster).hexdigest():
            return None
        return Checkpoint(rounds, about["history"], booster)

    def write(self, identity: str, checkpoint: Checkpoint) -> None:
        """Keep one; older ones but the last go.

        :raises TrainingError: if it can't be written.
        """
        start = time.monotonic()
        about = {
            "identity": identity,
            "history": checkpoint.history,
            "sha256": hashlib.sha256(checkpoint.booster).hexdigest(),
        }
        path = self._path(checkpoint.rounds)
        aside = path.with_name(path.name + _ASIDE)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as stream:
                stream.write(json.dumps(about).encode() + b"\n" + checkpoint.booster)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(aside, path)
            self._forget()
        except OSError as error:
            raise TrainingError(
                f"checkpoint {path} can't be written", given=error.strerror, remedy="is the disk full?"
            ) from None
        end = time.monotonic()
        self._next = end + (end - start) * (1 / self._share - 1)

    def _forget(self) -> None:
        names = sorted((path.name for path in self._files() if _NAME.fullmatch(path.name)), reverse=True)
        for name in names[_KEPT:]:
            if not (self._folder / f"{name}{_UPLOADING}").exists():
                (self._folder / name).unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if path.is_file()] if self._folder.is_dir() else []

    def _path(self, rounds: int) -> Path:
        return self._folder / f"round-{rounds:06d}"


def identity_of(
    settings: Training, train: Part, validation: Part | None, *, names: tuple[str, ...], count: int
) -> str:
    """A hash of everything that a training depends on: a checkpoint of another one is of no use.

    :param count: how many machines train together.
    """
    import numpy as np
    import xgboost

    digest = hashlib.sha256(f"{xgboost.__version__} {count} {names} {settings.model_dump_json()}".encode())
    for part in (train, validation):
        if part is not None:
            digest.update(f"{part.values.shape} {part.offset!r}".encode())
            digest.update(np.ascontiguousarray(part.values).data)
            digest.update(np.ascontiguousarray(part.labels).data)
    return digest.hexdigest()


def newest(checkpoints: Checkpoints, identity: str, shard: Shard) -> Checkpoint | None:
    """The newest one of this training that every machine has; None without one."""
    own = checkpoints.rounds(identity)
    rounds = lowest(shard, own[0] if own else 0)
    found = checkpoints.read(identity, rounds) if rounds else None
    # One machine may not have what the lowest has as its newest: then all of them begin anew.
    return found if lowest(shard, int(found is not None)) else None


def saver(
    checkpoints: Checkpoints, identity: str, before: History, shard: Shard
) -> xgboost.callback.TrainingCallback:
    """A callback that keeps checkpoints, and ends the training when it is asked to stop.

    :param before: the history up to the round that this try began with.
    :param shard: when one machine is asked to stop, all do after the same round.
    """
    import xgboost

    class Saver(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            rounds = model.num_boosted_rounds()
            if lowest(shard, int(not checkpoints.stopping)) == 0:
                checkpoints.stop()
            if checkpoints.due(rounds):
                now = Checkpoint(rounds, _joined(before, evals_log), bytes(model.save_raw("ubj")))
                checkpoints.write(identity, now)
            if checkpoints.stopping:
                raise TrainingError(
                    f"training was stopped after round {rounds}",
                    remedy="its checkpoint is kept: another try goes on from there",
                )
            return False

    return Saver()


def _joined(before: History, now: Mapping[str, Mapping[str, list[float]]]) -> History:
    """The values of ``before``, then those of ``now``."""
    return {
        part: {name: [*before.get(part, {}).get(name, []), *values] for name, values in metrics.items()}
        for part, metrics in now.items()
    }
