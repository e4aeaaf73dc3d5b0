from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, FeatureError, MlopsError, TrainingError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.training.base import Trainer
from airflow_mlops.core.training.features import FeatureSource
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from airflow_mlops.core.training.xgboost_trainer import XGBoostTrainer
from tests.core.training.world import COLUMNS, World, make_version, spec_of

GOOD = {"columns": COLUMNS, "function": "tests.core.training.order_features:good"}


def function(name: str) -> dict[str, Any]:
    return {"columns": COLUMNS, "function": f"tests.core.training.order_features:{name}"}


def keys(store: Store) -> set[str]:
    return {item.key for item in store.list("")}


def test_record_of_a_training(store: Store, version: DatasetVersion) -> None:
    lines: list[str] = []
    trained = train(store, spec_of(features=GOOD), version, progress=lines.append)
    assert (trained.model, trained.dataset, trained.framework) == ("orders", version.id, "xgboost")
    assert (trained.objective, trained.seed, trained.rounds) == ("binary", 0, 12)
    assert 850 < trained.train_rows < 950  # thirty of forty days of 1200 rows
    assert [(c.name, c.type) for c in trained.signature.inputs] == [
        ("amount", "number"),
        ("country", "string"),
        ("express", "boolean"),
        ("ordered", "time"),
    ]
    assert trained.signature.allowed == ("city",)
    assert trained.signature.features == ("amount", "log_amount", "country", "express", "hour", "weekend")
    assert trained.signature.categories == {"country": ("AT", "DE", "FR", "IT")}
    assert len(get_bytes(store, trained.artifact)) == trained.size
    assert any("fitting on" in line and "x 6 features" in line for line in lines)
    assert any("round 12 of 12: logloss" in line for line in lines)


def test_same_inputs_same_bytes_on_any_number_of_cores(store: Store, version: DatasetVersion) -> None:
    spec = spec_of(training={"rounds": 8, "seed": 3, "params": {"subsample": 0.7, "colsample_bytree": 0.5}})
    found = {train(store, spec, version, trainer=XGBoostTrainer(cores)).artifact for cores in (1, 2, 3)}
    assert len(found) == 1
    other = spec.with_overrides({"training": {"seed": 4}})
    assert train(store, other, version).artifact not in found


def test_a_repeated_training_stores_nothing_twice(store: Store, version: DatasetVersion) -> None:
    train(store, spec_of(features=GOOD), version)
    before = keys(store)
    train(store, spec_of(features=GOOD), version)
    assert keys(store) == before


def test_the_environment_is_an_installable_lock(store: Store, version: DatasetVersion) -> None:
    import numpy
    import xgboost
    from packaging.requirements import Requirement

    text = get_bytes(store, train(store, spec_of(), version).environment).decode()
    head, *lines = text.splitlines()
    assert head.startswith("# python 3.")
    assert lines == sorted(lines, key=lambda line: line.split("==")[0])
    locked = {Requirement(line).name: line.split("==")[1] for line in lines}
    assert locked["numpy"] == numpy.__version__
    assert locked.get("xgboost-cpu", locked.get("xgboost")) == xgboost.__version__


def test_code_of_an_earlier_version_can_be_used(store: Store, version: DatasetVersion) -> None:
    """As a reproduction does: the stored source, though the module has changed since."""
    trained = train(store, spec_of(features=GOOD), version)
    assert trained.code is not None
    stored = FeatureSource(trained.code.module, trained.code.function, get_bytes(store, trained.code.sha256))
    spec = spec_of(features={**GOOD, "function": "a_module.that_is_gone:good"})
    again = train(store, spec, version, source=stored)
    assert (again.artifact, again.code) == (trained.artifact, trained.code)


def test_early_stopping_keeps_the_best_rounds(store: Store, version: DatasetVersion) -> None:
    spec = spec_of(
        training={"rounds": 300, "early_stopping": 3, "params": {"eta": 0.5}},
        split={"test": "5d", "validation": "10d"},
    )
    lines: list[str] = []
    trained = train(store, spec, version, progress=lines.append)
    assert 1 <= trained.rounds < 60
    assert 700 < trained.train_rows < 800  # 25 of 40 days
    assert lines[-1].startswith(f"stopped early: round {trained.rounds} of 300 is the best")
    Predictor.load(store, trained).predict_frame(read_frame(store, version))


def test_rows_without_a_label_are_left_out_and_counted(store: Store, tmp_path: Path) -> None:
    frame = World().frame()
    frame["late"] = frame["late"].astype("float64")
    frame.loc[frame.index < 100, "late"] = np.nan
    lines: list[str] = []
    whole = train(store, spec_of(), make_version(store, tmp_path / "a", World().frame(), spec_of()))
    trained = train(
        store, spec_of(), make_version(store, tmp_path / "b", frame, spec_of()), progress=lines.append
    )
    assert trained.train_rows == whole.train_rows - 100
    assert any(line.startswith("100 of") and "no label" in line for line in lines)


@pytest.mark.parametrize("label", [[True, False], [1.0, 0.0]])
def test_labels_may_be_booleans_or_numbers(store: Store, tmp_path: Path, label: list[Any]) -> None:
    frame = World().frame()
    expected = train(store, spec_of(), make_version(store, tmp_path / "a", frame, spec_of())).artifact
    frame["late"] = np.where(frame["late"] == 1, *label)
    assert train(store, spec_of(), make_version(store, tmp_path / "b", frame, spec_of())).artifact == expected


def test_a_regression(store: Store, tmp_path: Path) -> None:
    frame = World().frame()
    frame["late"] = frame["amount"].fillna(0) * 2 + 1
    spec = spec_of(
        training={"objective": "regression", "rounds": 40},
        evaluation={"gates": [{"metric": "r2", "min": 0.5}]},
    )
    version = make_version(store, tmp_path / "data", frame, spec)
    scores = Predictor.load(store, train(store, spec, version)).predict_frame(read_frame(store, version))
    assert np.corrcoef(scores, frame["late"])[0, 1] > 0.98


def broken_label(values: Any) -> pd.DataFrame:
    frame = World().frame()
    return frame.assign(late=values(frame))


@pytest.mark.parametrize(
    "frame,sections,error,message",
    [
        (
            broken_label(lambda f: 1),
            {},
            DataError,
            "not two different values in the train part; given only 1 in",
        ),
        (broken_label(lambda f: f["late"] + 1), {}, DataError, "label late is not binary; given .*2"),
        (
            broken_label(lambda f: f["country"].fillna("XX")),
            {},
            DataError,
            "label late is not binary; given .*'DE'",
        ),
        (
            broken_label(lambda f: f["country"].fillna("XX")),
            {"training": {"objective": "regression"}},
            DataError,
            "label late is not numeric",
        ),
        (None, {"features": {"columns": ["amount", "late"]}}, DataError, "label is among features.columns"),
        (
            None,
            {"features": {"columns": ["amount", "contry"]}},
            DataError,
            "contry; expected did you mean country",
        ),
        (None, {"features": {"columns": ["amount", "ordered"]}}, FeatureError, "feature ordered is neither"),
        (
            None,
            {"features": {"columns": ["amount"], "categorical": ["x"]}},
            FeatureError,
            "categorical names x",
        ),
        (
            None,
            {"features": function("batch_mean")},
            FeatureError,
            "not row by row; given relative of one row",
        ),
        (None, {"features": function("drops")}, FeatureError, "breaks its contract"),
        (None, {"features": function("times")}, FeatureError, "feature ordered is neither"),
        (None, {"features": function("infinite")}, FeatureError, "feature ratio is infinite"),
        (None, {"features": function("nothing")}, FeatureError, "has no function nothing"),
        (None, {"training": {"params": {"max_dept": 3}}}, TrainingError, "does not know .*; given max_dept"),
        (
            None,
            {"training": {"params": {"max_depth": "deep"}}},
            TrainingError,
            "XGBoost refuses; given Invalid",
        ),
        (None, {"training": {"params": {"booster": "gblinear"}}}, TrainingError, "booster can't be served"),
        (None, {"training": {"early_stopping": 5}}, TrainingError, "early_stopping has nothing to stop by"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_trace(
    store: Store,
    tmp_path: Path,
    frame: pd.DataFrame | None,
    sections: dict[str, Any],
    error: type[MlopsError],
    message: str,
) -> None:
    version = make_version(store, tmp_path / "data", World().frame() if frame is None else frame, spec_of())
    before = keys(store)
    with pytest.raises(error, match=message) as caught:
        train(store, spec_of(**sections), version)
    assert "\n" not in str(caught.value)
    assert keys(store) == before


def test_parameters_that_speak_of_features(store: Store, version: DatasetVersion) -> None:
    spec = spec_of(training={"rounds": 10, "params": {"monotone_constraints": "(1,0,0)"}})
    predictor = Predictor.load(store, train(store, spec, version))
    rows = [{"amount": amount, "country": "DE", "express": False} for amount in range(0, 120, 5)]
    assert (np.diff(predictor.predict(rows)) >= 0).all()


def test_the_trainer_keeps_the_protocol() -> None:
    assert isinstance(XGBoostTrainer(), Trainer)
