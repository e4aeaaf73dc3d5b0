from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import RequestError
from airflow_mlops.core.evaluation import efficiency
from airflow_mlops.core.evaluation.efficiency import efficiency_of, latencies
from airflow_mlops.core.evaluation.importance import BIAS, contributions, importance_of
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from tests.core.training.world import World, make_version, rows_of, spec_of


def test_contributions_add_up_to_the_margin(
    store: Store, version: DatasetVersion, trained: TrainedModel
) -> None:
    frame = read_frame(store, version).iloc[:400]  # with missing values and categories
    predictor = Predictor.load(store, trained)
    found = predictor.contributions(frame)
    assert found.shape == (400, 4)
    scores = predictor.predict_frame(frame)
    np.testing.assert_allclose(found.sum(axis=1), np.log(scores / (1 - scores)), atol=1e-4)


def test_contributions_of_a_request_are_named_the_largest_first(
    store: Store, version: DatasetVersion, trained: TrainedModel
) -> None:
    frame = read_frame(store, version).iloc[:20]
    predictor = Predictor.load(store, trained)
    rows = rows_of(frame, ["amount", "country", "express"])
    told = contributions(predictor, rows)
    matrix = predictor.contributions(frame)
    for one, values in zip(told, matrix, strict=True):
        assert [one["amount"], one["country"], one["express"], one[BIAS]] == pytest.approx(values.tolist())
        sizes = [abs(value) for value in one.values()]
        assert sizes == sorted(sizes, reverse=True)
    with pytest.raises(RequestError, match="row 0 lacks amount"):
        contributions(predictor, [{"country": "DE", "express": True}])


def test_importance_ranks_the_features(store: Store, version: DatasetVersion, trained: TrainedModel) -> None:
    frame = read_frame(store, version)
    found = importance_of(Predictor.load(store, trained), frame, seed=1)
    assert found.rows == len(frame)
    assert found.features[0].feature == "amount"  # the strongest by construction
    assert {one.feature for one in found.features} == {"amount", "country", "express"}
    assert sum(one.gain for one in found.features) == pytest.approx(1)
    sizes = [one.contribution for one in found.features]
    assert sizes == sorted(sizes, reverse=True)
    assert all(size > 0 for size in sizes)


def test_trees_with_dropout(store: Store, tmp_path: Path) -> None:
    frame = World(rows=1200).frame()
    spec = spec_of(
        features={"columns": ["amount", "express"]},
        training={"rounds": 5, "params": {"booster": "dart", "rate_drop": 0.1}},
        split={"test": "10d"},
    )
    version = make_version(store, tmp_path / "other", frame, spec)
    predictor = Predictor.load(store, train(store, spec, version))
    found = importance_of(predictor, frame, seed=0)
    assert found.features[0].contribution > 0
    scores = predictor.predict_frame(frame)
    margin = predictor.contributions(frame).sum(axis=1)
    np.testing.assert_allclose(margin, np.log(scores / (1 - scores)), atol=1e-3)


def test_a_wide_or_large_model_is_explained_on_fewer_rows(
    store: Store, version: DatasetVersion, trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor.load(store, trained)
    large = trained.model_copy(update={"size": 10**9})
    monkeypatch.setattr(predictor, "trained", large)
    assert importance_of(predictor, read_frame(store, version), seed=0).rows == 100


def test_efficiency_measures_both_models(
    store: Store, version: DatasetVersion, trained: TrainedModel
) -> None:
    frame = read_frame(store, version)
    predictor = Predictor.load(store, trained)
    alone = efficiency_of(predictor, frame, None)
    assert (alone.size, alone.rounds) == (trained.size, 12)
    assert 0 < alone.latency_median_ms <= alone.latency_p99_ms
    assert alone.rows_per_second > 0
    assert (alone.champion_size, alone.champion_latency_median_ms) == (None, None)
    both = efficiency_of(predictor, frame, predictor)
    assert both.champion_size == trained.size
    assert both.champion_latency_median_ms is not None


def test_a_slow_model_is_asked_less_often(
    store: Store, version: DatasetVersion, trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(efficiency, "_BUDGET", 0.0)
    frame = read_frame(store, version).iloc[:3]
    assert len(latencies(Predictor.load(store, trained), frame)) == 20
