"""All that a release does on AWS, from a snapshot to a teardown, with a recorder of calls beside it.

Each connection of Airflow and the execution role have other access keys, so every call names who made it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow_mlops.core.aws.permissions import Part
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.version import DatasetRef, DatasetVersion
from airflow_mlops.core.errors import DeploymentPending, DeploymentRolledBack, IntegrityError
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.retention.sagemaker import clean
from airflow_mlops.core.serving.sagemaker.mirroring import mirror_version
from airflow_mlops.core.serving.sagemaker.teardown import Cleaner
from airflow_mlops.core.serving.sagemaker.version_model import ensure_model
from airflow_mlops.core.serving.sagemaker_transform import BatchTransform, require_completed
from airflow_mlops.core.serving.transform_rows import gather, stage
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key, put_bytes
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.run import train
from airflow_mlops.core.training.sagemaker.starting import Task
from airflow_mlops.hooks.reached import reached
from airflow_mlops.platform import Platform
from airflow_mlops.spec import ModelSpec
from airflow_mlops.testing import calls
from airflow_mlops.testing.sagemaker.faults import Fault
from airflow_mlops.testing.sagemaker.harness import SageMakerSimulator
from tests.core.aws.world import TestAws
from tests.core.training import world as orders
from tests.servers import S3Server, ministack

#: Access keys of the connections of who runs Airflow, by what their role may do, and of jobs and containers.
KEYS: dict[Part, str] = {
    "store": "AKIASTORE",
    "data-reader": "AKIAREADER",
    "trainer": "AKIATRAINER",
    "deployer": "AKIADEPLOYER",
}
ROLE = "AKIAROLE"
BUCKET, SOURCE, PATH, PREFIX, MODEL = "acme-mlops", "acme-data", "store", "acme", "orders"
ACCOUNT = "123456789012"
GUARDED = {"strategy": "guardrail", "guardrail": {"bake": "1m"}, "scaling": {"most": 3}}
_IMAGE = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"
_LEASE = timedelta(hours=1)
#: One change of an endpoint; patience for a machine that is busy.
_PATIENCE = timedelta(seconds=2)
#: Simulated time goes by in small steps: a container takes real seconds, and a deployment may take one hour.
_STEP = timedelta(seconds=30)
_LONGEST = 180.0


@dataclass
class Release:
    """One model on one platform.

    :param hosting: how its endpoint is run.
    """

    sagemaker: SageMakerSimulator
    aws: TestAws
    folder: Path
    hosting: dict[str, Any]

    def __post_init__(self) -> None:
        roles = {
            "training": {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-training", "image": _IMAGE},
            "hosting": {
                "role_arn": f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-serving",
                "image": _IMAGE,
                **self.hosting,
            },
        }
        self.platform = Platform.from_fields(
            {
                "store": f"s3://{BUCKET}/{PATH}",
                "data": f"s3://{SOURCE}",
                "trainer": "sagemaker",
                "endpoint": "sagemaker",
                "sagemaker": {"prefix": PREFIX, "tags": {"team": "ops"}, **roles},
            },
            home=Path("/nowhere"),
            s3=lambda: self.aws.client("s3"),
            aws=lambda: self.aws,
            own_aws={
                "data": lambda: by_key(self.aws, "data-reader"),
                "training": lambda: by_key(self.aws, "trainer"),
                "serving": lambda: self.deployer,
            },
        )
        self.deployer = by_key(self.aws, "deployer")
        self.store: Store = self.platform.store()
        self.log = DeploymentLog(self.store, MODEL)
        self.settings = self.platform.require_aws("serving")[1].of_model(MODEL)

    def spec(self, **sections: Any) -> ModelSpec:
        return orders.spec_of(**sections)

    def trained(self, version: DatasetVersion) -> TrainedModel:
        """The model, trained in a job; another job is stopped."""
        training = self.platform.training(MODEL)
        assert training is not None
        training.stop(training.start(self.spec(), version, Task("release/stopped")))
        job = training.start(self.spec(), version, Task("release/r1"))
        training.wait(job, sleep=lambda seconds: time.sleep(0.1))
        trained, _ = training.collect(job, version)
        return trained

    def register(self, trained: TrainedModel, spec: ModelSpec, dataset: DatasetVersion) -> int:
        passed = GateResult(gate=Gate(metric="auc", min=0.6), outcome="pass", reason="good")
        number, _ = Registry(self.store, MODEL).register(
            trained=trained,
            evaluation=Evaluation(artifact=trained.artifact, rows=1, metrics={"auc": 0.7}, gates=(passed,)),
            dataset=DatasetRef(name=dataset.name, id=dataset.id),
            spec=spec,
            validation=None,
            run=None,
            by="ann",
        )
        self.mirror(number)
        return number

    def mirror(self, version: int) -> None:
        mirror_version(self.deployer, self.settings, self.store, MODEL, version)

    def reconcile(self) -> None:
        """Bring the endpoint to the newest decision; simulated minutes go by while it changes."""
        endpoint, until = self.platform.endpoint(MODEL), time.monotonic() + _LONGEST
        while True:
            try:
                return endpoint.reconcile(self.log.desired(), _PATIENCE)
            except DeploymentPending:
                assert time.monotonic() < until
                self.sagemaker.advance(_STEP)

    def challenge(self, version: int, weight: float, run: str) -> None:
        self.log.challenge(version, weight=weight, lease=_LEASE, who="ann", why="a release", run=run)
        self.reconcile()

    def promote(self, version: int, run: str) -> None:
        self.log.promote(version, who="ann", why="proved", run=run)
        self.reconcile()
        self.mirror(version)

    def predict(self, version: int, dataset: DatasetVersion) -> None:
        """A whole dataset version; another job is stopped."""
        record = Registry(self.store, MODEL).get(version)
        batch = BatchTransform(self.deployer, self.settings, self.store, MODEL, "release/score")
        staged = stage(self.store, batch.prefix, version, record, dataset)
        name = ensure_model(self.deployer, self.settings, self.store, MODEL, version)
        state, until = batch.start(name), time.monotonic() + _LONGEST
        while (state := batch.describe(state.job)).changing:
            assert time.monotonic() < until
            time.sleep(0.1)
        require_completed(state)
        gather(self.store, batch.prefix, staged)
        batch.stop(state.job)

    def teardown(self) -> None:
        Cleaner(self.deployer, self.settings, MODEL).teardown()


def release(sagemaker: SageMakerSimulator, aws: TestAws, folder: Path) -> None:
    """The story: two versions, shadow, canary, rollback, promotion, batch predictions, cleaning up."""
    one = Release(sagemaker, aws, folder, {})
    reached(one.platform)
    _write_source(aws, folder)
    one.platform.data().read_bytes(
        "orders/all.parquet"
    )  # as the log of a Delta table, or a manifest of new files
    dataset = snapshot(one.store, one.platform.data(), one.spec())
    first = one.register(one.trained(dataset), one.spec(), dataset)
    one.promote(first, "r1")
    other = one.spec(training={"rounds": 5})
    second = one.register(train(one.store, other, dataset), other, dataset)
    one.challenge(second, 0.0, "r2")
    one.challenge(second, 0.2, "r2")
    endpoint = one.platform.endpoint(MODEL)
    columns = ["amount", "country", "express"]
    endpoint.invoke(orders.rows_of(orders.World(rows=3).frame(), columns))
    sagemaker.advance(timedelta(minutes=10))
    since = utc_now() - timedelta(hours=1)
    list(endpoint.captures(since))
    endpoint.resources(since, sagemaker.now())  # type: ignore[attr-defined]
    one.challenge(second, 0.5, "r2")
    one.promote(second, "r2")
    one.log.rollback(to=None, who="bob", why="complaints", run="b1")
    one.reconcile()
    one.mirror(first)
    one.predict(first, dataset)
    clean(one.deployer, one.settings, MODEL, one.store)
    one.teardown()
    _guardrail(Release(sagemaker, aws, folder, GUARDED))
    _store(one.store, folder)


def _guardrail(guarded: Release) -> None:
    """The other strategy, with autoscaling: an update that goes back without a word, and one that comes through."""
    guarded.reconcile()
    guarded.log.rollback(to=2, who="bob", why="asked for", run="b2")
    guarded.sagemaker.order(Fault("update_fails", "UpdateEndpoint", message=""))
    with suppress(DeploymentRolledBack):
        guarded.reconcile()
    guarded.reconcile()
    guarded.teardown()


def _write_source(aws: TestAws, folder: Path) -> None:
    """Orders in a versioned bucket, whose older version stays pinned."""
    path = folder / "orders.parquet"
    orders.World().frame().to_parquet(path, index=False)
    _as_owner(aws).put_object(Bucket=SOURCE, Key="orders/all.parquet", Body=path.read_bytes())


def _store(store: Store, folder: Path) -> None:
    """What a store does with large and with old objects."""
    path = folder / "large"
    path.write_bytes(bytes(20 << 20))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    store.upload(path, blob_key(sha256), sha256)
    with suppress(IntegrityError):
        store.upload(path, blob_key("0" * 64), "0" * 64)
    store.remove(blob_key(put_bytes(store, b"old")))  # type: ignore[attr-defined]


def by_key(aws: TestAws, part: Part) -> TestAws:
    """The same place by the connection of another role."""
    return TestAws(aws._url, replace(aws._s3, access_key=KEYS[part]), aws.region)


def _as_owner(aws: TestAws) -> Any:
    """An S3 client of who owns the source: neither Airflow nor the role."""
    return replace(aws._s3, access_key="AKIAOWNER").client()


@contextmanager
def recording(path: Path, folder: Path) -> Iterator[tuple[SageMakerSimulator, TestAws]]:
    """A world that writes every call of Airflow, of SageMaker and of jobs to ``path``."""
    with ministack() as s3, SageMakerSimulator(s3.endpoint, access_key=ROLE, secret_key="x") as sagemaker:
        simulator = sagemaker.simulator
        simulator.role = {**simulator.role, **calls.environment(path, folder / "site")}
        aws = TestAws(sagemaker.url, replace(s3, access_key=KEYS["store"]), sagemaker.region)
        _make_buckets(s3, sagemaker.region)
        with calls.recorded(path):
            yield sagemaker, aws


def _make_buckets(s3: S3Server, region: str) -> None:
    client = s3.client()
    for bucket in (BUCKET, SOURCE):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    client.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
