"""A champion that really learned from 3,000 rows, and captured traffic of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.monitoring.answers import AnswersTable
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.hours import Cursor
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from airflow_mlops.spec import ModelSpec
from tests.core.monitoring.traffic import capture, requests, rows_like_training

MODEL = "flight_delay"


class Endpoint:
    """The part of an endpoint that a look needs. Its captures come in any order."""

    def __init__(self, *captures: CaptureRecord) -> None:
        self.records = list(captures)

    def captures(self, since: datetime, cursor: Cursor | None = None) -> Iterator[CaptureRecord]:
        shuffled = [one for one in self.records if one.at >= since]
        random.Random(1).shuffle(shuffled)
        return iter(shuffled)


def released(store: Store, spec: ModelSpec, folder: Path) -> DatasetVersion:
    """Version 1 is the champion."""
    rows = rows_like_training(3000, seed=1)
    (folder / "flights").mkdir(parents=True)
    rows.assign(late=(rows["distance"] > 1000).astype(float)).to_parquet(folder / "flights" / "1.parquet")
    version = snapshot(store, open_data_root(str(folder)), spec)
    trained = train(store, spec, version)
    entry = ModelVersion(
        model=MODEL,
        dataset=version.ref,
        spec=spec.to_dict(),
        trained=trained,
        evaluation=Evaluation(artifact=trained.artifact, rows=100, metrics={"log_loss": 0.2}),
        validation=None,
        run=None,
        created_at=version.created_at,
        created_by="test",
    )
    Log(store, f"models/{MODEL}/versions", ModelVersion).append(entry, after=0)
    DeploymentLog(store, MODEL).promote(1, who="test", why="first", run="r")
    return version


def traffic(store: Store, at: datetime, *, shift: int = 0, rows: int = 600) -> Endpoint:
    """So many requests, one a second from ``at`` on, answered by version 1."""
    live = rows_like_training(rows, seed=2).drop(columns=["month", "at"])
    live["distance"] += shift
    asked = requests(live)
    answers = Predictor.load(store, Registry(store, MODEL).get(1).trained).predict(asked)
    return Endpoint(
        *(
            capture(
                [row],
                variant="v1",
                inference_id=f"i{place}",
                at=at + timedelta(seconds=place),
                predictions=(float(answer),),
            )
            for place, (row, answer) in enumerate(zip(asked, answers, strict=True))
        )
    )


def taken_in(store: Store, endpoint: Endpoint, until: datetime) -> AnswersTable:
    """The table of answers with what the endpoint has captured."""
    table = AnswersTable(store, MODEL)
    table.take_in(endpoint, until=until)  # type: ignore[arg-type]
    return table
