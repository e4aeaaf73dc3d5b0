"""The program of a training job: our own training, whole, inside SageMaker's XGBoost container in script mode.

It reads the dataset version from the store, puts the model there, and leaves the record of it in the job's model
output. With several machines each reads all rows, they train together on their shards, and the first one leaves the
record.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from airflow_mlops.container.surroundings import Surroundings
from airflow_mlops.core.aws.training_request import FAILURE, RESULT, TrainingRequest
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.store.results import recall
from airflow_mlops.core.training.artifact import FeatureCode, TrainedModel
from airflow_mlops.core.training.checkpoints import Checkpoints
from airflow_mlops.core.training.features import FeatureSource, stored_source

_log = logging.getLogger(__name__)


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Train; return the exit code.

    A mistake of the user's is one line, in the log and in ``failure``. The XGBoost container writes over that file
    with the name of the command that failed, so the line also goes to ``failure.txt`` in the output data, for
    whoever asked.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    here: Surroundings | None = None
    try:
        here = Surroundings.of(environ)
        run(here)
    except MlopsError as error:
        _log.error("%s", error)
        _tell(here, str(error))
        return 1
    except Exception as error:
        _tell(here, f"{type(error).__name__}: {' '.join(str(error).split())}"[:1000])
        raise
    return 0


def run(here: Surroundings) -> None:
    """Train what the hyperparameters ask for.

    :raises MlopsError: if that is not possible; says why.
    """
    from airflow_mlops.core.data.reading import load_version
    from airflow_mlops.core.data.source import open_data_root
    from airflow_mlops.core.training.run import train
    from airflow_mlops.core.training.xgboost_trainer import XGBoostTrainer
    from airflow_mlops.spec import ModelSpec

    request = TrainingRequest.from_hyperparameters(here.hyperparameters)
    store = open_store(request.store)
    checkpoints = _checkpoints(here)
    spec = ModelSpec.from_mapping(json.loads(get_bytes(store, request.spec)))
    version = load_version(
        store, request.dataset, request.dataset_id, root=open_data_root(request.data), progress=_log.info
    )
    trained = train(
        store,
        spec,
        version,
        progress=_log.info,
        trainer=XGBoostTrainer(shard=here.shard, checkpoints=checkpoints),
        source=_source(store, request.code),
    )
    if here.shard.rank == 0:
        leave(here.model, trained.model_copy(update={"machines": here.shard.count}))


def leave(folder: Path, trained: TrainedModel) -> None:
    """Write the record into the model output, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{RESULT}"
    aside.write_bytes(trained.to_bytes())
    aside.replace(folder / RESULT)


def _checkpoints(here: Surroundings) -> Checkpoints | None:
    """Where the job keeps checkpoints; SIGTERM, which SageMaker sends two minutes before it kills, leaves one."""
    if here.checkpoints is None:
        return None
    checkpoints = Checkpoints(here.checkpoints, writes=here.shard.rank == 0)
    signal.signal(signal.SIGTERM, lambda *_: checkpoints.stop())
    return checkpoints


def _source(store: Store, code: str) -> FeatureSource | None:
    return stored_source(store, recall(store, code, FeatureCode)) if code else None


def _tell(here: Surroundings | None, why: str) -> None:
    """Leave the reason where SageMaker and whoever asked for the job look for it."""
    if here is None:
        return
    for path in (here.failure, here.output / FAILURE):
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(why)
