"""The worked example on real flights: two months, from files to a judged model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.evaluation.run import evaluate, explain
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from airflow_mlops.demo.flights import write_month
from airflow_mlops.spec import ModelSpec
from tests.core.training.world import rows_of

DAGS = Path(__file__).parents[3] / "dags"


def test_flights_from_files_to_a_judged_model(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(DAGS))
    spec = ModelSpec.from_yaml(DAGS / "flight_delay.yaml").with_overrides(
        {"split": {"test": "20d"}, "training": {"rounds": 40}}
    )
    for month in (1, 2):
        write_month(month, tmp_path / "data")
    version = snapshot(store, open_data_root(str(tmp_path / "data")), spec)
    honest = train(store, spec, version)
    assert train(store, spec, version).artifact == honest.artifact
    found = evaluate(store, spec, version, honest, champion=None)
    assert found.passed, explain(found)
    assert 0.6 < found.metrics["auc"] < 0.75
    assert {part.slice for part in found.slices} >= {"origin=EWR", "origin=JFK", "origin=LGA", "carrier=UA"}

    frame = read_frame(store, version).iloc[::500]
    predictor = Predictor.load(store, honest)
    rows = rows_of(frame, [column.name for column in honest.signature.inputs])
    predictor.check_rows(rows)
    alone = [predictor.predict([row])[0] for row in rows]
    np.testing.assert_array_equal(alone, predictor.predict_frame(frame))

    # What the demo's bad model does: it shines offline, and fails on live rows, which lack the departure delay.
    bad = train(
        store,
        spec.with_overrides(
            {
                "features": {
                    "columns": [*spec.features.columns, "dep_delay"],
                    "function": "flight_delay_features:features_with_departure_delay",
                }
            }
        ),
        version,
    )
    against = evaluate(store, spec, version, bad, champion=(1, honest))
    assert against.passed
    assert against.metrics["auc"] > 0.85
    live = frame.assign(dep_delay=None)
    labels = frame["late"].to_numpy(dtype=float)
    briers = [
        float(np.mean((Predictor.load(store, model).predict_frame(live) - labels) ** 2))
        for model in (honest, bad)
    ]
    assert briers[1] > briers[0] + 0.05
