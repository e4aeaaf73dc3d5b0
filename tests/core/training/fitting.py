"""Fits the same small model in this process or, as a program, in another one that can be killed.

``python -m tests.core.training.fitting '{"folder": ..., "die_after": 9}'`` prints the hash of the model.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.training.base import Fitted, Part
from airflow_mlops.core.training.checkpoints import Checkpoints
from airflow_mlops.core.training.shards import Shard
from airflow_mlops.core.training.xgboost_trainer import XGBoostTrainer
from airflow_mlops.spec import Training

ROOT = Path(__file__).parents[3]
NAMES = ("a", "b", "c")


def parts(seed: int = 0, rows: int = 900) -> tuple[Part, Part]:
    """A training and a validation part: two numbers and a category; some values are missing."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 3)).astype(np.float32)
    values[:, 2] = random.integers(0, 4, rows)
    labels = (values[:, 0] + (values[:, 2] == 1) + random.normal(size=rows) > 0.5).astype(np.float64)
    values[random.random(rows) < 0.1, 1] = np.nan
    cut = rows * 2 // 3
    return Part(values[:cut], labels[:cut]), Part(values[cut:], labels[cut:])


def fit(
    *,
    rounds: int = 40,
    early: int | None = None,
    params: dict[str, Any] | None = None,
    seed: int = 0,
    rows: int = 900,
    validation: bool = True,
    shard: Shard | None = None,
    checkpoints: Checkpoints | None = None,
    lines: list[str] | None = None,
) -> Fitted:
    settings = Training(
        rounds=rounds, early_stopping=early, params={"max_depth": 3, "eta": 0.4, **(params or {})}
    )
    train, held = parts(seed, rows)
    return XGBoostTrainer(1, shard=shard, checkpoints=checkpoints).fit(
        settings,
        train,
        held if validation else None,
        names=NAMES,
        types=("q", "q", "c"),
        progress=(lines if lines is not None else []).append,
    )


def start(**options: Any) -> subprocess.Popen[str]:
    """The same fit in another process."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.core.training.fitting", json.dumps(options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class _Dying(Checkpoints):
    """Kills its process, or asks it to stop, when a round is done."""

    def __init__(self, folder: Path, every: int, after: int, kind: signal.Signals) -> None:
        super().__init__(folder, every, share=1.0)
        self._after, self._kind = after, kind
        signal.signal(signal.SIGTERM, lambda *_: self.stop())

    def due(self, rounds: int) -> bool:
        if rounds == self._after:
            os.kill(os.getpid(), self._kind)
        return super().due(rounds)


def main(given: dict[str, Any]) -> int:
    folder, every = given.pop("folder", None), given.pop("every", 4)
    after, kind = given.pop("die_after", None), signal.Signals[given.pop("signal", "SIGKILL")]
    shard = Shard(**given.pop("shard")) if "shard" in given else None
    checkpoints = None
    if folder:
        if after:
            checkpoints = _Dying(Path(folder), every, after, kind)
        else:
            checkpoints = Checkpoints(Path(folder), every, share=1.0, writes=shard is None or shard.rank == 0)
    try:
        fitted = fit(checkpoints=checkpoints, shard=shard, **given)
    except MlopsError as error:
        print(error)
        return 1
    print(hashlib.sha256(fitted.artifact).hexdigest(), fitted.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
