from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.core.errors import FeatureError
from airflow_mlops.core.training.artifact import InputColumn, Signature
from airflow_mlops.core.training.inputs import rows_frame
from airflow_mlops.core.training.matrix import RowEncoder, feature_types, frame_matrix, learn_categories

INPUTS = tuple(
    InputColumn(name=name, type=kind)
    for name, kind in {"n": "number", "s": "string", "b": "boolean", "m": "number", "c": "boolean"}.items()
)
SIGNATURE = Signature(
    inputs=INPUTS,
    features=("n", "s", "b", "m", "c"),
    categories={"s": ("a", "b", "ü"), "m": ("1", "2.5", "10"), "c": ("false", "true")},
)


def signature_of(frame: pd.DataFrame, declared: tuple[str, ...] = ()) -> Signature:
    return Signature(inputs=(), features=tuple(frame.columns), categories=learn_categories(frame, declared))


def test_levels_are_sorted_and_strings_are_categories() -> None:
    frame = pd.DataFrame(
        {
            "text": ["b", "a", None, "b"],
            "month": [10.0, 2.0, np.nan, 2.0],
            "flag": [True, False, True, True],
            "kind": pd.Categorical(["y", "x", "y", None], categories=["z", "y", "x"]),
            "size": [1, 2, 3, 4],
        }
    )
    signature = signature_of(frame, ("month", "flag"))
    assert signature.categories == {
        "text": ("a", "b"),
        "month": ("2", "10"),
        "flag": ("false", "true"),
        "kind": ("x", "y"),
    }
    assert feature_types(signature) == ["c", "c", "c", "c", "q"]
    expected = [[1, 1, 1, 1, 1], [0, 0, 0, 0, 2], [np.nan, np.nan, 1, 1, 3], [1, 0, 1, np.nan, 4]]
    np.testing.assert_array_equal(frame_matrix(frame, signature), np.array(expected, dtype=np.float32))


def test_unknown_levels_are_missing() -> None:
    signature = signature_of(pd.DataFrame({"s": ["a", "b"]}))
    for times in (1, 200):  # short frames are encoded in a loop, long ones by pandas
        matrix = frame_matrix(pd.DataFrame({"s": ["b", "new", None, 3] * times}), signature)
        np.testing.assert_array_equal(matrix[:, 0], [1, np.nan, np.nan, np.nan] * times)


@pytest.mark.parametrize(
    "frame,message",
    [
        (
            pd.DataFrame({"t": pd.to_datetime(["2024-01-01"])}),
            "feature t is neither .* turn times into numbers",
        ),
        (pd.DataFrame({"x": [None, [1], [2]]}), "feature x holds something that can't be a category"),
        (pd.DataFrame({"x": ["a", 1]}), "feature x mixes strings and numbers"),
        (pd.DataFrame({"x[0]": [1]}), "name that XGBoost refuses"),
    ],
)
def test_features_that_no_model_takes(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        learn_categories(frame, ())


def test_a_declared_category_has_to_be_there() -> None:
    with pytest.raises(FeatureError, match=r"features.categorical names z; expected features: a, b"):
        learn_categories(pd.DataFrame({"a": [1], "b": [2]}), ("a", "z"))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_infinity_is_refused_by_name(value: float) -> None:
    signature = signature_of(pd.DataFrame({"a": [1.0], "b": [1.0]}))
    with pytest.raises(FeatureError, match="feature b is infinite"):
        frame_matrix(pd.DataFrame({"a": [1.0], "b": [value]}), signature)


def test_other_features_than_in_training() -> None:
    signature = signature_of(pd.DataFrame({"a": [1.0], "b": [1.0]}))
    with pytest.raises(FeatureError, match=r"features differ.*given b, a; expected a, b"):
        frame_matrix(pd.DataFrame({"b": [1.0], "a": [1.0]}), signature)
    with pytest.raises(FeatureError, match="feature b is not a number as in the training"):
        frame_matrix(pd.DataFrame({"a": [1.0], "b": ["x"]}), signature)


VALUES = {
    "n": st.none() | st.integers(-(2**60), 2**60) | st.floats(width=32, allow_infinity=False),
    "s": st.none() | st.sampled_from(["a", "b", "ü", "new", ""]),
    "b": st.none() | st.booleans(),
    "m": st.none() | st.sampled_from([1, 1.0, 2.5, 10, 11, float("nan")]),
    "c": st.none() | st.booleans(),
}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=5))
def test_rows_and_frames_give_the_same_matrix(rows: list[dict[str, object]]) -> None:
    from_rows = RowEncoder(SIGNATURE)(rows)
    from_frame = frame_matrix(rows_frame(rows, INPUTS), SIGNATURE)
    assert from_rows.dtype == from_frame.dtype == np.float32
    np.testing.assert_array_equal(from_rows, from_frame)


def test_a_served_number_beyond_float32() -> None:
    with pytest.raises(FeatureError, match="feature n is infinite"):
        RowEncoder(SIGNATURE)([{"n": 1e39, "s": None, "b": None, "m": None, "c": None}])


def test_xgboost_predicts_in_place_on_codes_as_on_a_dmatrix() -> None:
    """The fact that serving rests on: ``inplace_predict`` on numpy honours the categories of the model."""
    random = np.random.default_rng(0)
    values = random.normal(size=(3000, 3)).astype(np.float32)
    values[:, 0] = random.integers(0, 30, len(values))
    values[random.random(values.shape) < 0.1] = np.nan
    labels = ((np.nan_to_num(values[:, 0]) % 3 == 1) ^ (random.random(len(values)) < 0.1)).astype(float)

    def matrix(part: np.ndarray, label: np.ndarray | None = None) -> xgboost.DMatrix:
        return xgboost.DMatrix(
            part, label=label, feature_types=["c", "q", "q"], enable_categorical=True, nthread=1
        )

    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4}, matrix(values, labels), 15)
    loaded = xgboost.Booster(model_file=bytearray(booster.save_raw("ubj")))
    loaded.set_param({"nthread": 1})
    served = loaded.inplace_predict(values, validate_features=False)
    np.testing.assert_array_equal(served, booster.predict(matrix(values)))
    assert ((served > 0.5) == (labels == 1)).mean() > 0.85  # it did learn the categories
    unseen = np.array([[99, 0, 0]], dtype=np.float32)
    np.testing.assert_array_equal(
        loaded.inplace_predict(unseen, validate_features=False), booster.predict(matrix(unseen))
    )
