"""Orders to score: a store with registered versions, a deployment log with times, and files of new rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airflow_mlops.core.data.join import join
from airflow_mlops.core.data.source import DataRoot, open_data_root
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.scoring.plan import Plan, plan_scoring
from airflow_mlops.core.scoring.run import Recorded, score
from airflow_mlops.core.scoring.source import pin_source
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from airflow_mlops.spec import ModelSpec
from tests.core.training import world as orders

FALLBACK = {"default": 0.5, "by": "country", "values": {"DE": 0.75}}


def day(number: int) -> datetime:
    """A day of June 2024, at midnight in UTC."""
    return datetime(2024, 6, 1, tzinfo=timezone.utc) + timedelta(days=number - 1)


def frame_of(days: range, rows: int = 40, seed: int = 1) -> pd.DataFrame:
    """Orders without labels, some on each day, in the order of their times."""
    random = np.random.default_rng(seed)
    count = rows * len(days)
    starts = np.repeat([pd.Timestamp(day(number)) for number in days], rows)
    frame = pd.DataFrame(
        {
            "order": [f"o{seed}-{number}" for number in range(count)],
            "ordered": pd.to_datetime(starts)
            + pd.to_timedelta(np.tile(np.linspace(0, 86_000, rows), len(days)), "s").round("s"),
            "amount": random.normal(50, 20, count),
            "country": random.choice(["AT", "DE", "FR", None], count),
            "express": random.random(count) < 0.3,
            "note": "x",
        }
    )
    frame.loc[::17, "amount"] = np.nan
    return frame


@dataclass
class World:
    """A model, its versions, and a folder of rows to score."""

    store: Store
    folder: Path
    spec: ModelSpec

    @property
    def root(self) -> DataRoot:
        return open_data_root(str(self.folder))

    def deploy(self, action: Any, champion: int | None, at: datetime) -> None:
        """Put an entry into the deployment log, as if it had been written at a time."""
        log = DeploymentLog(self.store, "orders").log
        entry = Deployment(action=action, champion=champion, who="ann", why="test", run=None, at=at)
        log.append(entry, after=log.last_number())

    def write(self, name: str, frame: pd.DataFrame) -> None:
        path = self.folder / "new" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(path, index=False) if name.endswith("csv") else frame.to_parquet(path, index=False)

    def plan(self, since: Any = None, until: Any = None, at: Any = None, **over: Any) -> Plan:
        spec = over.pop("spec", self.spec)
        version = pin_source(self.store, self.root, spec, since=since, until=until)
        return plan_scoring(self.store, spec, version, at=at or until or day(20), **over)

    def score(self, *args: Any, **over: Any) -> Recorded:
        return score(self.store, self.plan(*args, **over), by="ann")

    def expected(self, frame: pd.DataFrame, version: int = 1) -> list[float]:
        trained = Registry(self.store, "orders").get(version).trained
        return list(Predictor.load(self.store, trained).predict_frame(frame))

    def files(self) -> dict[str, bytes]:
        """What lies below ``predictions``."""
        return {one.key: self.store.read(one.key) for one in self.store.list("predictions/")}


def make_world(folder: Path, **sections: Any) -> World:
    """Two versions, the first one champion since the first of January."""
    store = open_store(str(folder / "store"))
    data = {"source": "orders/*.parquet", "event_time": "ordered", "label": "late", "id": "order"}
    spec = orders.spec_of(
        data=data | sections.pop("data", {}),
        scoring={"source": "new/*.parquet", "carry": ["country"], "schedule": "@daily"}
        | sections.pop("scoring", {}),
        serving={"fallback": FALLBACK},
        **sections,
    )
    frame = orders.World().frame()
    frame["order"] = [f"t{number}" for number in range(len(frame))]
    dataset = orders.make_version(store, folder / "data", frame, spec)
    dataset = join(store, open_data_root(str(folder / "data")), spec, dataset, by="ann")
    for rounds in (12, 6):
        learned = spec.with_overrides({"training": {"rounds": rounds}})
        trained = train(store, learned, dataset)
        passed = GateResult(gate=Gate(metric="auc", min=0.6), outcome="pass", reason="good")
        Registry(store, "orders").register(
            trained=trained,
            evaluation=Evaluation(artifact=trained.artifact, rows=1, metrics={"auc": 0.7}, gates=(passed,)),
            dataset=dataset.ref,
            spec=learned,
            validation=None,
            run=None,
            by="ann",
        )
    world = World(store, folder / "data", spec)
    world.deploy("promote", 1, datetime(2024, 1, 1, tzinfo=timezone.utc))
    return world
