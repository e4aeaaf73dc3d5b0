"""Train again what a request in a file says: the one entry into a stored program, in a process of its own.

What calls it may be years newer than this code. So they agree on little: ``main`` takes the path of a
:class:`RebuildRequest`, prints a line per step, and leaves a :class:`Rebuilt` in the file that the request names.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.progress import ignore
from airflow_mlops.core.record import Record
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.training.artifact import FeatureCode, TrainedModel


class RebuildRequest(Record):
    """One training to repeat.

    :param store: folder of a store with the dataset version, its bytes and the feature code, and nothing else; the
        model is written there.
    :param spec: the mapping of the model's spec, as it was registered.
    :param code: the feature code, None where the raw columns are the features.
    :param answer: file to write.
    :param rank, machines: which of so many processes this is; they train together.
    :param port: where the first of them listens, 0 for one alone.
    """

    store: str
    spec: dict[str, Any]
    dataset: DatasetRef
    code: FeatureCode | None
    answer: str
    rank: int = 0
    machines: int = 1
    port: int = 0


class Rebuilt(Record):
    """What came of it: the new model, or one line that says why there is none."""

    trained: TrainedModel | None = None
    error: str | None = None


def main(path: str) -> int:
    """Train; return the exit code: 0 also where the answer is that it can't be done."""
    request = RebuildRequest.from_bytes(Path(path).read_bytes())
    try:
        answer = Rebuilt(trained=_train(request))
    except MlopsError as error:
        answer = Rebuilt(error=str(error))
    if request.rank == 0 or answer.error:
        aside = Path(f"{request.answer}.part")
        aside.write_bytes(answer.to_bytes())
        aside.replace(request.answer)
    return 0


def _train(request: RebuildRequest) -> TrainedModel:
    from airflow_mlops.core.data.reading import load_version
    from airflow_mlops.core.training.features import stored_source
    from airflow_mlops.core.training.run import train
    from airflow_mlops.core.training.shards import Shard
    from airflow_mlops.core.training.xgboost_trainer import XGBoostTrainer
    from airflow_mlops.spec import ModelSpec

    store = FolderStore(Path(request.store))
    shard = Shard(request.rank, request.machines, "127.0.0.1", request.port)
    return train(
        store,
        ModelSpec.from_mapping(request.spec),
        load_version(store, request.dataset.name, request.dataset.id),
        progress=_say if request.rank == 0 else ignore,
        trainer=XGBoostTrainer(shard=shard),
        source=stored_source(store, request.code) if request.code else None,
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
