"""Captured requests have the features of the training; what breaks that is named, without its values."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.monitoring.skew import SkewReport, check_skew, explain, stored_frame
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.training.artifact import InputColumn, TrainedModel
from airflow_mlops.core.training.features import read_source, store_source
from airflow_mlops.core.training.inputs import raw_frame, rows_frame
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from airflow_mlops.spec import ModelSpec
from tests.core.registry.world import evaluation
from tests.core.training.world import COLUMNS, World, make_version, rows_of, spec_of

MODULE = "tests.core.training.order_features"
NOW = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
SQL = "SELECT amount, hour(ordered) AS hour, country, express FROM rows"


class Captured:
    """An endpoint of which only the captures are asked."""

    def __init__(self) -> None:
        self.records: list[CaptureRecord] = []

    def captures(self, since: datetime) -> Sequence[CaptureRecord]:
        return self.records


class Champion:
    """A model that serves, and requests that it has answered."""

    def __init__(self, store: Store, root: Path, features: dict[str, Any], frame: pd.DataFrame) -> None:
        self.store, self.endpoint = store, Captured()
        self.spec: ModelSpec = spec_of(features=features)
        self.version = make_version(store, root, frame, self.spec)
        self.trained = train(store, self.spec, self.version)

    def serve(self, trained: TrainedModel | None = None) -> Champion:
        trained = trained or self.trained
        number, _ = Registry(self.store, "orders").register(
            trained=trained,
            evaluation=evaluation(artifact=trained.artifact),
            dataset=self.version.ref,
            spec=self.spec,
            validation=None,
            run=None,
            by="ann",
        )
        DeploymentLog(self.store, "orders").promote(number, who="ann", why="first", run="r1")
        return self

    def answer(self, rows: list[dict[str, Any]], size: int = 1, **fields: Any) -> None:
        """Answer requests of ``size`` rows each, and capture them as JSON lines do."""
        predictor = Predictor.load(self.store, Registry(self.store, "orders").get(1).trained)
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            predictor.check_rows(some)
            base = {
                "event_id": f"e{len(self.endpoint.records)}",
                "inference_id": f"i{start}",
                "variant": "v1",
                "role": "champion",
                "at": (NOW - timedelta(minutes=60) + timedelta(seconds=start)).isoformat(),
                "latency_ms": 1.0,
                "status": 200,
                "key": "0" * 16,
                "deployment": 1,
                "rows": some,
                "predictions": [float(value) for value in predictor.predict(some)],
            }
            line = json.dumps({**base, **fields}).encode()
            self.endpoint.records.append(CaptureRecord.from_bytes(line))

    def check(self, requests: int = 1000) -> SkewReport:
        endpoint: Any = self.endpoint
        return check_skew(self.store, endpoint, self.spec, requests=requests, until=NOW)


@pytest.fixture
def champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Champion]:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))

    def make(frame: pd.DataFrame | None = None, **features: Any) -> Champion:
        store = open_store(str(tmp_path / "store"))
        fields = {"columns": COLUMNS, **features}
        return Champion(store, tmp_path / "data", fields, World().frame() if frame is None else frame)

    return make


def live(champion: Champion, every: int = 29) -> list[dict[str, Any]]:
    return rows_of(read_frame(champion.store, champion.version).iloc[::every], COLUMNS)


@pytest.mark.parametrize(
    "features",
    [
        {"function": f"{MODULE}:good"},
        {"function": f"{MODULE}:tells_none_from_nan"},
        {"sql": SQL, "categorical": ["hour"]},
        {"columns": ["amount", "country", "express"]},
    ],
    ids=["a function", "a function that tells None from NaN", "sql", "raw columns"],
)
@pytest.mark.parametrize("size", [1, 5])
def test_replayed_requests_have_equal_features_and_answers(
    champion: Callable[..., Champion], features: dict[str, Any], size: int
) -> None:
    one = champion(**features).serve()
    rows = [{name: row[name] for name in one.spec.features.columns} for row in live(one)]
    one.answer(rows, size)
    found = one.check()
    assert (found.outcome, found.features, found.answers) == ("equal", (), 0), explain(found)
    assert found.rows == len(rows) == 42
    assert explain(found).endswith("features and answers are equal on both paths")
    assert SkewReport.from_bytes(found.to_bytes()) == found


def test_a_default_for_missing_values_that_depends_on_the_batch(champion: Callable[..., Champion]) -> None:
    """The training had no missing value, so nothing showed there."""
    frame = World().frame()
    frame["amount"] = frame["amount"].fillna(50.0)
    one = champion(frame, function=f"{MODULE}:fills").serve()
    rows = live(one)
    for number in (5, 9):
        rows[number]["amount"] = None
    one.answer(rows)
    found = one.check()
    assert found.outcome == "skew"
    (feature,) = found.features
    assert (feature.feature, feature.rows, feature.inference_id, feature.row) == ("amount", 2, "i5", 0)
    assert (feature.endpoint, feature.training) == ("about 0", f"about {feature.training[6:]}")
    assert found.answers == 0
    assert "amount differs in 2 rows (request i5, row 0: about 0 at the endpoint" in explain(found)


def test_categories_numbered_by_appearance(champion: Callable[..., Champion]) -> None:
    one = champion(function=f"{MODULE}:steady_codes")
    code = store_source(one.store, read_source(f"{MODULE}:batch_codes"))
    one.serve(one.trained.model_copy(update={"code": code}))
    one.answer(live(one))
    found = one.check()
    assert [feature.feature for feature in found.features] == ["country"]
    assert found.features[0].rows > 10


def test_local_time_shows_in_the_answers(
    champion: Callable[..., Champion], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both paths of one process agree; the endpoint's process was in another zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    one = champion(function=f"{MODULE}:local_hour").serve()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    one.answer(live(one))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    found = one.check()
    monkeypatch.undo()
    time.tzset()
    assert (found.outcome, found.features) == ("skew", ())
    assert found.answers > 5
    assert "captured answers are not what the version answers here (request i" in explain(found)


def test_an_answer_of_another_model_is_found(champion: Callable[..., Champion]) -> None:
    one = champion(function=f"{MODULE}:good").serve()
    one.answer(live(one)[:3])
    one.answer(live(one)[3:4], predictions=[0.123])
    assert one.check().answers == 1


def test_no_value_of_a_request_stands_in_the_report(champion: Callable[..., Champion]) -> None:
    frame = World().frame()
    frame["amount"] = frame["amount"].fillna(50.0)
    one = champion(frame, sql=SQL).serve()
    changed = Predictor.matrix_of_frame
    one.answer([{**row, "country": "DE", "amount": 1234.5678} for row in live(one)])

    def other(predictor: Predictor, frame: pd.DataFrame) -> Any:
        return changed(predictor, frame.assign(amount=np.nan, country="IT"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "matrix_of_frame", other)
        found = one.check()
    told = {feature.feature: (feature.endpoint, feature.training) for feature in found.features}
    assert told == {"amount": ("about 1.2e+03", "missing"), "country": ("category 2 of 4", "category 4 of 4")}
    assert b"1234" not in found.to_bytes()
    assert b"DE" not in found.to_bytes()


def test_only_the_newest_answered_requests_of_the_champion_count(champion: Callable[..., Champion]) -> None:
    one = champion(function=f"{MODULE}:good").serve()
    rows = live(one)
    one.answer(rows[:10])
    one.answer(rows[:4], variant="v7", role="shadow")
    one.answer(rows[:3], status=500, predictions=None)
    one.answer(rows[:2], at=(NOW - timedelta(days=3)).isoformat())
    found = one.check(requests=6)
    assert (found.requests, found.rows) == (6, 6)
    assert found.set_aside == {"other version": 4, "failed": 3}
    with pytest.raises(SpecError, match="skew_requests compares nothing; given 0"):
        one.check(requests=0)


def test_without_a_champion_or_traffic_nothing_is_decided(champion: Callable[..., Champion]) -> None:
    one = champion(function=f"{MODULE}:good")
    assert one.check().outcome == "inconclusive"
    assert "no champion serves" in explain(one.check())
    assert "no answered request of version 1" in one.serve().check().reason


def test_rows_that_went_through_parquet_give_the_frame_of_a_request() -> None:
    rows = [
        {"amount": 1, "country": "DE", "express": True, "ordered": "2024-05-01T12:30:05.5+02:00"},
        {"amount": None, "country": None, "express": None, "ordered": None},
        {"amount": 2**60, "country": "", "express": False, "ordered": "2024-05-01"},
    ]
    kinds = {"amount": "number", "country": "string", "express": "boolean", "ordered": "time"}
    inputs = [InputColumn(name=name, type=kind) for name, kind in kinds.items()]
    for some in (rows, rows[:1], rows[1:2]):
        pd.testing.assert_frame_equal(raw_frame(stored_frame(some, inputs), inputs), rows_frame(some, inputs))
