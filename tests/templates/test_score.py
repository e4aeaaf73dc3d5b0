"""``dag.test()`` on the score DAG with real flights: run twice, killed on the way, backfilled, with a new champion."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.scoring.reading import read_predictions
from airflow_mlops.core.scoring.record import predictions_log
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from airflow_mlops.demo.flights import month_of, write_batch
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates import score
from tests.templates.conftest import small_spec
from tests.templates.test_runs import play, result, state

pytestmark = [pytest.mark.slow]
MODEL = "flight_delay"
JULY = datetime(2013, 7, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Ahead:
    """Where the score DAG runs: two versions of a model, and flights that are still to depart."""

    home: Path
    store: Store
    spec: ModelSpec
    flights: pd.DataFrame

    def deploy(self, champion: int, at: datetime) -> None:
        log = DeploymentLog(self.store, MODEL).log
        entry = Deployment(action="promote", champion=champion, who="ann", why="test", run=None, at=at)
        log.append(entry, after=log.last_number())

    def files(self) -> dict[str, bytes]:
        return {one.key: self.store.read(one.key) for one in self.store.list("predictions/")}

    def read(self, **over: Any) -> pd.DataFrame:
        return read_predictions(self.store, MODEL, **over).to_pandas()

    def expected(self, flights: pd.DataFrame, version: int) -> list[float]:
        trained = Registry(self.store, MODEL).get(version).trained
        return list(Predictor.load(self.store, trained).predict_frame(flights))


def day(number: int) -> str:
    return f"2013-07-{number:02d}T00:00:00Z"


@pytest.fixture
def ahead(database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ahead:
    store, data = open_store(str(tmp_path / "store")), tmp_path / "data"
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    fields = {"store": str(tmp_path / "store"), "data": str(data)}
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", json.dumps({"conn_type": "mlops", "extra": fields}))
    spec = small_spec(scoring={"source": "ahead/*.parquet", "carry": ["carrier", "origin"]})
    write_batch(month_of(6).iloc[::6], 6, data)
    dataset = snapshot(store, open_data_root(str(data)), spec)
    passed = GateResult(gate=Gate(metric="auc", min=0.5), outcome="pass", reason="good")
    for rounds in (10, 5):
        learned = spec.with_overrides({"training": {"rounds": rounds}})
        trained = train(store, learned, dataset)
        Registry(store, MODEL).register(
            trained=trained,
            evaluation=Evaluation(artifact=trained.artifact, rows=1, metrics={"auc": 0.7}, gates=(passed,)),
            dataset=dataset.ref,
            spec=learned,
            validation=None,
            run=None,
            by="ann",
        )
    flights = month_of(7).drop(columns=["late", "dep_delay"])
    flights = flights[flights["departure"] < pd.Timestamp("2013-07-04", tz="UTC")].reset_index(drop=True)
    (data / "ahead").mkdir()
    flights.to_parquet(data / "ahead" / "july.parquet", index=False)
    world = Ahead(tmp_path, store, spec, flights)
    world.deploy(1, datetime(2013, 6, 30, tzinfo=timezone.utc))
    return world


def test_the_whole_source_twice(ahead: Ahead) -> None:
    run = play(score(ahead.spec))
    assert str(run.state) == "success"
    told = result(run, "score")
    assert (told["version"], told["variant"], told["rows"]) == (1, "v1", len(ahead.flights))
    assert told["new"]
    assert told["partitions"] == ["2013-07-01", "2013-07-02", "2013-07-03"]
    found = ahead.read()
    assert list(found["flight_id"]) == list(ahead.flights["flight_id"])
    assert list(found["_prediction"]) == ahead.expected(ahead.flights, 1)
    before = ahead.files()
    again = result(play(score(ahead.spec)), "score")
    assert again == {**told, "new": False}
    assert ahead.files() == before
    assert predictions_log(ahead.store, MODEL).last_number() == 1


def test_a_backfill_of_two_days_with_a_new_champion_between(ahead: Ahead) -> None:
    ahead.deploy(2, datetime(2013, 7, 2, 12, tzinfo=timezone.utc))
    dag = score(ahead.spec)
    days = [{"since": day(2), "until": day(3)}, {"since": day(1), "until": day(2)}]
    told = [result(play(dag, conf), "score") for conf in days]
    assert [one["version"] for one in told] == [2, 1]
    assert [one["scored_at"] for one in told] == ["2013-07-03T00:00:00+00:00", "2013-07-02T00:00:00+00:00"]
    found = ahead.read()
    for number, version in ((1, 1), (2, 2)):
        flights = ahead.flights[ahead.flights["departure"].dt.day == number]
        its = found[found["departure"].dt.day == number]
        assert list(its["_prediction"]) == ahead.expected(flights, version)
        assert set(its["_version"]) == {version}
    before = ahead.files()
    assert [result(play(dag, conf), "score") for conf in days] == [{**one, "new": False} for one in told]
    assert ahead.files() == before
    asked = result(play(dag, {**days[0], "version": 1}), "score")
    assert (asked["version"], asked["new"]) == (1, True)


def test_a_period_without_rows_is_skipped_and_a_missing_column_named(ahead: Ahead) -> None:
    run = play(score(ahead.spec), {"since": day(20), "until": day(21)})
    assert [state(run, task) for task in ("snapshot", "score")] == ["skipped", "skipped"]
    path = ahead.home / "data" / "ahead" / "july.parquet"
    ahead.flights.drop(columns=["temp"]).to_parquet(path, index=False)
    run = play(score(ahead.spec))
    assert state(run, "score") == "failed"
    assert ahead.files() == {}


KILLED = """
import os, signal, sys
from airflow_mlops.core.store import open_store
from airflow_mlops.core.scoring import run
from airflow_mlops.core.scoring.plan import plan_scoring
from airflow_mlops.core.scoring.source import pin_source
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.spec import ModelSpec
from datetime import datetime
import json

home, fields, since, until = sys.argv[1], json.loads(sys.argv[2]), *map(datetime.fromisoformat, sys.argv[3:])
store, spec = open_store(home + "/store"), ModelSpec(**fields)
version = pin_source(store, open_data_root(home + "/data"), spec, since=since, until=until)
writing, left = run.write_partition, [1]

def write_partition(*args):
    if not left.pop():
        os.kill(os.getpid(), signal.SIGKILL)
    left.append(0)
    return writing(*args)

run.write_partition = write_partition
run.score(store, plan_scoring(store, spec, version, at=until), by="ann")
"""


def test_killed_on_the_way(ahead: Ahead) -> None:
    since, until = JULY.isoformat(), JULY.replace(day=4).isoformat()
    arguments = [str(ahead.home), json.dumps(ahead.spec.to_dict()), since, until]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], env={**os.environ}, check=False)
    assert killed.returncode == -signal.SIGKILL
    left = ahead.files()
    assert len(left) == 1
    told = result(play(score(ahead.spec), {"since": since, "until": until}), "score")
    assert (told["new"], told["rows"]) == (True, len(ahead.flights))
    after = ahead.files()
    assert len(after) == 3
    assert after.items() >= left.items(), "the same bytes at the same keys"
    assert list(ahead.read()["_prediction"]) == ahead.expected(ahead.flights, 1)
