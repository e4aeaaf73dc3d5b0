from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import FeatureError, IntegrityError, KeyMissing, RegistryError, RequestError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from tests.core.training.world import COLUMNS, rows_of, spec_of

FUNCTION = {"columns": COLUMNS, "function": "tests.core.training.order_features:good"}
PLAIN = {"columns": ["amount", "country", "express"]}


@pytest.fixture(params=[PLAIN, FUNCTION], ids=["raw columns", "feature function"])
def trained(request: pytest.FixtureRequest, store: Store, version: DatasetVersion) -> TrainedModel:
    return train(store, spec_of(features=request.param), version)


def test_requests_and_training_rows_give_equal_predictions(
    store: Store, version: DatasetVersion, trained: TrainedModel
) -> None:
    frame = read_frame(store, version)
    predictor = Predictor.load(store, trained)
    rows = rows_of(frame, [column.name for column in trained.signature.inputs])
    predictor.check_rows(rows)
    whole = predictor.predict_frame(frame)
    assert whole.dtype == np.float64
    assert whole.shape == (len(frame),)
    assert 0.05 < whole.std() < 0.5
    np.testing.assert_array_equal(predictor.predict(rows), whole)
    for number in range(0, len(rows), 97):
        assert predictor.predict([rows[number]])[0] == whole[number]


def test_replayed_requests_have_the_features_of_the_training(store: Store, version: DatasetVersion) -> None:
    trained = train(store, spec_of(features=FUNCTION), version)
    frame = read_frame(store, version)
    predictor = Predictor.load(store, trained)
    replayed = predictor.features(rows_of(frame, COLUMNS))
    again = predictor.features(rows_of(frame.iloc[5:6], COLUMNS))
    assert list(replayed.columns) == list(trained.signature.features)
    assert replayed["country"].isna().sum() == frame["country"].isna().sum() > 0
    pd.testing.assert_frame_equal(again, replayed.iloc[5:6].reset_index(drop=True))


def test_extra_columns_of_the_data_are_ignored_and_the_label_is_refused(
    store: Store, version: DatasetVersion
) -> None:
    predictor = Predictor.load(store, train(store, spec_of(), version))
    row = {"amount": 10, "country": "DE", "express": False}
    predictor.check_rows([{**row, "city": "big", "ordered": None}])
    with pytest.raises(RequestError, match="row 0 has unknown features late"):
        predictor.check_rows([{**row, "late": 1}])
    assert predictor.predict([{**row, "city": "big"}])[0] == predictor.predict([row])[0]


def test_many_threads_agree(store: Store, version: DatasetVersion, trained: TrainedModel) -> None:
    frame = read_frame(store, version)
    predictor = Predictor.load(store, trained)
    rows = rows_of(frame, [column.name for column in trained.signature.inputs])[:160]
    expected = predictor.predict(rows)

    def one(number: int) -> bool:
        return bool(predictor.predict([rows[number]])[0] == expected[number])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(len(rows))))


def test_no_frame_is_made_for_a_row_without_a_function(
    store: Store, version: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor.load(store, train(store, spec_of(), version))

    def no_frame(*args: object, **kwargs: object) -> None:
        raise AssertionError("a DataFrame was made")

    monkeypatch.setattr(pd.DataFrame, "__init__", no_frame)
    assert 0 < predictor.predict([{"amount": 10, "country": "DE", "express": False}])[0] < 1


def test_a_function_that_fails_on_a_row_is_named(store: Store, version: DatasetVersion) -> None:
    features = {"columns": COLUMNS, "function": "tests.core.training.order_features:needs_a_time"}
    predictor = Predictor.load(store, train(store, spec_of(features=features), version))
    with pytest.raises(FeatureError, match="order_features:needs_a_time fails; given ValueError: no time"):
        predictor.predict([{"amount": 1.0, "country": "DE", "express": True, "ordered": None}])


@pytest.mark.parametrize("part", ["artifact", "code"])
def test_changed_or_missing_parts_are_refused(store: Store, version: DatasetVersion, part: str) -> None:
    trained = train(store, spec_of(features=FUNCTION), version)
    assert trained.code is not None
    sha256 = trained.artifact if part == "artifact" else trained.code.sha256
    path = Path(store.uri.removeprefix("file://")) / blob_key(sha256)
    path.chmod(0o644)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=sha256[:12]):
        Predictor.load(store, trained)
    path.unlink()
    with pytest.raises(KeyMissing):
        Predictor.load(store, trained)


def test_another_framework_is_refused(store: Store, version: DatasetVersion) -> None:
    trained = train(store, spec_of(), version).model_copy(update={"framework": "pytorch"})
    with pytest.raises(RegistryError, match="given pytorch; expected xgboost"):
        Predictor.load(store, trained)


def test_the_feature_module_is_not_imported_under_its_name(store: Store, version: DatasetVersion) -> None:
    sys.modules.pop("tests.core.training.order_features", None)
    Predictor.load(store, train(store, spec_of(features=FUNCTION), version))
    assert "tests.core.training.order_features" not in sys.modules
