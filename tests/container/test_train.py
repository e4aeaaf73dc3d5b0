"""The program of a training job, in a process as SageMaker's toolkit starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.container.surroundings import Surroundings
from airflow_mlops.core.aws.bundle import code_uri
from airflow_mlops.core.aws.training_request import TrainingRequest
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes, put_bytes
from airflow_mlops.core.store.results import keep
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.environment import environment_lock
from airflow_mlops.core.training.features import source_of, store_source
from airflow_mlops.core.training.run import train
from airflow_mlops.spec import ModelSpec
from tests.container.world import FEATURES, unpack
from tests.core.training.test_shards import free_port
from tests.core.training.world import spec_of


class Job:
    """A job on machines of this one: a folder for each, which stands for ``/opt/ml``."""

    def __init__(self, store: Store, root: Path, machines: int = 1) -> None:
        self._store, self._root = store, root
        self._hosts = [f"127.0.0.{number}" for number in range(1, machines + 1)]
        key = code_uri(store, environment_lock()).removeprefix(f"{store.uri}/")
        self.code = unpack(store, key, root / "code")

    def folder(self, host: int = 0) -> Path:
        return self._root / self._hosts[host]

    def start(
        self, hyperparameters: dict[str, Any], host: int = 0, program: tuple[str, ...] = ("-m", "train")
    ) -> subprocess.Popen[str]:
        folder = self.folder(host)
        config = folder / "checkpointconfig.json"
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps({"LocalPath": str(self._root / "checkpoints")}))
        decoded = {name: json.loads(value) for name, value in hyperparameters.items()}
        environ = {
            "SM_HPS": json.dumps(decoded),
            "SM_HOSTS": json.dumps(self._hosts),
            "SM_CURRENT_HOST": self._hosts[host],
            "SM_MODEL_DIR": str(folder / "model"),
            "SM_OUTPUT_DIR": str(folder / "output"),
            "SM_OUTPUT_DATA_DIR": str(folder / "output" / "data"),
            "SM_CHECKPOINT_CONFIG_FILE": str(config),
            "AIRFLOW_MLOPS_CACHE": str(folder / "cache"),
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
        }
        return subprocess.Popen(
            [sys.executable, *program],
            cwd=self.code,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, hyperparameters: dict[str, Any]) -> tuple[int, str]:
        process = self.start(hyperparameters)
        said, _ = process.communicate(timeout=300)
        return process.returncode, said

    def trained(self, host: int = 0) -> TrainedModel:
        return TrainedModel.from_bytes((self.folder(host) / "model" / "trained.json").read_bytes())


def asked(store: Store, data: Path, spec: ModelSpec, version: DatasetVersion) -> dict[str, str]:
    source = source_of(spec.features)
    return TrainingRequest(
        store=store.uri,
        data=str(data),
        spec=put_bytes(store, json.dumps(spec.to_dict()).encode()),
        code=keep(store, store_source(store, source)) if source else "",
        dataset=version.name,
        dataset_id=version.id,
        run="run/train#0",
    ).hyperparameters()


@pytest.fixture
def job(store: Store, tmp_path: Path) -> Job:
    return Job(store, tmp_path / "job")


@pytest.mark.parametrize("kind", sorted(FEATURES))
def test_a_job_trains_what_would_be_trained_here(
    store: Store, version: DatasetVersion, tmp_path: Path, job: Job, kind: str
) -> None:
    """The feature function's module is not in the container: its stored source is."""
    spec = spec_of(features=FEATURES[kind])
    code, said = job.run(asked(store, tmp_path / "data", spec, version))
    assert code == 0, said
    here, there = train(store, spec, version), job.trained()
    same = {"seconds": 0.0, "environment": ""}
    assert there.model_copy(update=same) == here.model_copy(update=same)
    assert len(get_bytes(store, there.artifact)) == there.size
    assert "round 12 of 12: logloss" in said
    assert not (job.folder() / "output").exists()
    assert sorted(path.name for path in (job.folder() / "model").iterdir()) == ["trained.json"]


@pytest.mark.parametrize(
    "change,message",
    [
        ({"training": {"params": {"max_dept": 3}}}, "XGBoost does not know a parameter"),
        (
            {"features": {"columns": ["amount", "contry"]}},
            "features.columns names a column that the data lack",
        ),
    ],
)
def test_a_mistake_is_one_line(
    store: Store, version: DatasetVersion, tmp_path: Path, job: Job, change: dict[str, Any], message: str
) -> None:
    code, said = job.run(asked(store, tmp_path / "data", spec_of(**change), version))
    assert code == 1
    assert "Traceback" not in said
    why = (job.folder() / "output" / "failure").read_text()
    assert why.startswith(message)
    assert "\n" not in why
    assert (job.folder() / "output" / "data" / "failure.txt").read_text() == why
    assert why in said
    assert not (job.folder() / "model").exists()


def test_hyperparameters_of_somebody_else(job: Job) -> None:
    code, said = job.run({"eta": "0.3"})
    assert (code, said.strip()) == (
        1,
        (job.folder() / "output" / "failure").read_text(),
    )
    assert said.startswith("hyperparameters are not those of a training")


def test_a_dataset_that_is_not_there(store: Store, version: DatasetVersion, tmp_path: Path, job: Job) -> None:
    given = {**asked(store, tmp_path / "data", spec_of(), version), "mlops_dataset_id": '"0123"'}
    code, said = job.run(given)
    assert code == 1
    assert said.strip().endswith("take a snapshot first")


#: The program of the job, which gets a signal when 50 rounds are done.
INTERRUPTED = """
import os, signal, sys
from airflow_mlops.core.training.checkpoints import Checkpoints
from train import main

due = Checkpoints.due

def interrupted(self, rounds):
    if rounds == 50:
        os.kill(os.getpid(), {number})
    return due(self, rounds)

Checkpoints.due = interrupted
sys.exit(main())
"""


@pytest.mark.parametrize("kind,left", [(signal.SIGTERM, 50), (signal.SIGKILL, 20)])
def test_an_interrupted_job_goes_on(
    store: Store, version: DatasetVersion, tmp_path: Path, job: Job, kind: signal.Signals, left: int
) -> None:
    spec = spec_of(training={"rounds": 80, "params": {"max_depth": 2}})
    given = asked(store, tmp_path / "data", spec, version)
    process = job.start(given, program=("-c", INTERRUPTED.format(number=int(kind))))
    said, _ = process.communicate(timeout=300)
    assert process.returncode == (1 if kind is signal.SIGTERM else -signal.SIGKILL), said
    assert ("training was stopped after round 50" in said) == (kind is signal.SIGTERM)
    rounds = [int(path.name[6:]) for path in (tmp_path / "job" / "checkpoints").glob("round-??????")]
    assert max(rounds) >= left
    assert not (job.folder() / "model").exists()

    code, said = job.run(given)
    assert code == 0, said
    assert f"going on after round {max(rounds)} of 80" in said
    assert job.trained().artifact == train(store, spec, version).artifact


def test_two_machines_train_together(
    store: Store, version: DatasetVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts are addresses of loopback, as in the simulator; the first one leaves the record."""
    job = Job(store, tmp_path / "job", machines=2)
    port = free_port()
    shards = job.code / "airflow_mlops" / "core" / "training" / "shards.py"
    shards.write_text(shards.read_text().replace("PORT = 9099", f"PORT = {port}"))
    given = asked(store, tmp_path / "data", spec_of(), version)
    processes = [job.start(given, host) for host in (0, 1)]
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    trained = job.trained(0)
    assert trained.train_rows > 800
    assert trained.machines == 2
    assert not (job.folder(1) / "model").exists()
    assert len(get_bytes(store, trained.artifact)) == trained.size


def base(**changed: str) -> dict[str, str]:
    given = {
        "SM_HPS": "{}",
        "SM_HOSTS": '["algo-2", "algo-1"]',
        "SM_CURRENT_HOST": "algo-2",
        "SM_MODEL_DIR": "/opt/ml/model",
        "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
    }
    return {name: value for name, value in {**given, **changed}.items() if value}


def test_surroundings() -> None:
    here = Surroundings.of(base())
    assert (here.shard.rank, here.shard.count, here.shard.tracker) == (1, 2, "algo-1")
    assert here.checkpoints is None
    assert here.failure == Path("/opt/ml/output/failure")


@pytest.mark.parametrize(
    "changed,message",
    [
        ({"SM_HOSTS": ""}, "SM_HOSTS is not set"),
        ({"SM_HOSTS": "algo-1"}, "SM_HOSTS is no JSON list; given algo-1"),
        ({"SM_HPS": "[]"}, "SM_HPS is no JSON dict"),
        (
            {"SM_CURRENT_HOST": "algo-3"},
            "SM_CURRENT_HOST is none of SM_HOSTS; given algo-3; expected algo-1, algo-2",
        ),
        ({"SM_MODEL_DIR": ""}, "SM_MODEL_DIR is not set"),
    ],
)
def test_surroundings_that_are_none(changed: dict[str, str], message: str) -> None:
    with pytest.raises(PlatformError, match=message):
        Surroundings.of(base(**changed))
