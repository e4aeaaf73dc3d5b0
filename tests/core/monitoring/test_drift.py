"""One look at a model from end to end: store, snapshot, registry and deployment log are real."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.monitoring.drift import look_for_drift, monitoring_log
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.store import Log
from tests.core.lineage.records import model_version
from tests.core.monitoring.traffic import NOW, capture, requests, rows_like_training

LOOK: dict[str, Any] = {"run": "flight_delay.monitor/1", "until": NOW}


class Endpoint:
    """The one call of an endpoint that monitoring needs; counts how often it is asked."""

    def __init__(self, *captures: CaptureRecord) -> None:
        self.records = captures
        self.asked = 0

    def captures(self, since: datetime) -> Iterator[CaptureRecord]:
        self.asked += 1
        return iter(self.records)


@pytest.fixture
def spec(make_spec):
    return make_spec(columns=("distance", "carrier", "snow"))


@pytest.fixture
def released(store, spec, tmp_path, monkeypatch):
    """Version 1 is the champion and has learned from 3,000 rows."""
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data" / "flights"
    folder.mkdir(parents=True)
    rows_like_training(3000, seed=1).assign(late=0.0).to_parquet(folder / "1.parquet")
    version = snapshot(store, open_data_root(str(tmp_path / "data")), spec)
    entry = model_version().model_copy(update={"dataset": DatasetRef(name=version.name, id=version.id)})
    Log(store, "models/flight_delay/versions", ModelVersion).append(entry, after=0)
    DeploymentLog(store, "flight_delay").promote(1, who="test", why="first", run="r")
    return version


def traffic(shift: int = 0) -> Endpoint:
    live = rows_like_training(600, seed=2)
    live["distance"] += shift
    return Endpoint(*(capture([row], variant="v1") for row in requests(live)))


def test_a_look_is_kept_and_logged(store, spec, released):
    lines: list[str] = []
    report = look_for_drift(store, traffic(shift=900), spec, **LOOK, progress=lines.append)
    assert report.outcome == "drift"
    assert report.drifted == ("distance",)
    assert (report.champion, report.rows, report.reference_rows) == (1, 600, 3000)
    assert report.dataset == DatasetRef(name=released.name, id=released.id)
    assert len(lines) == 3
    number, entry = monitoring_log(store, "flight_delay").newest()
    assert (number, entry.run, entry.retrain, entry.columns) == (1, LOOK["run"], True, ("distance",))
    assert entry.reason == "drifted share 33% reaches monitoring.drift_share 30%"


def test_a_retry_finds_its_own_report_and_another_run_looks_anew(store, spec, released):
    endpoint = traffic()
    first = look_for_drift(store, endpoint, spec, **LOOK)
    assert look_for_drift(store, traffic(shift=900), spec, **LOOK) == first
    assert endpoint.asked == 1
    second = look_for_drift(store, traffic(shift=900), spec, run="flight_delay.monitor/2", until=NOW)
    assert (first.outcome, second.outcome) == ("stable", "drift")
    assert [number for number, _ in monitoring_log(store, "flight_delay").entries()] == [1, 2]


def test_no_traffic_and_no_champion_are_inconclusive(store, spec, released):
    quiet = look_for_drift(store, Endpoint(), spec, **LOOK)
    assert (quiet.outcome, quiet.reason) == ("inconclusive", "0 live rows, monitoring.min_rows is 200")
    DeploymentLog(store, "flight_delay").fallback(who="test", why="broken", run="f")
    nobody = look_for_drift(store, traffic(), spec, run="flight_delay.monitor/2", until=NOW)
    assert (nobody.outcome, nobody.reason, nobody.champion) == ("inconclusive", "no champion serves", None)
    assert not any(entry.retrain for _, entry in monitoring_log(store, "flight_delay").entries())


def test_a_wrong_column_is_named_and_nothing_is_logged(store, spec, released):
    wrong = spec.with_overrides({"monitoring": {"columns": ["wind"]}})
    with pytest.raises(SpecError, match=r"given wind; expected some of features\.columns"):
        look_for_drift(store, traffic(), wrong, **LOOK)
    assert monitoring_log(store, "flight_delay").newest() is None
