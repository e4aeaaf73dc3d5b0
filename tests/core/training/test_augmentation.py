"""Resampling: what it does to the training part, that nothing else sees it, and that probabilities stay right."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.errors import DataError, MlopsError, SpecError, TrainingError
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.augmentation import augment
from airflow_mlops.core.training.base import Fitted, Part
from airflow_mlops.core.training.centring import centre
from airflow_mlops.core.training.predictor import Predictor, load_booster, score_matrix
from airflow_mlops.core.training.run import train
from airflow_mlops.core.training.xgboost_trainer import XGBoostTrainer
from airflow_mlops.spec import Training
from tests.core.training.world import World, make_version, spec_of

METHODS = ("oversample", "undersample", "smote")


def settings(method: str, ratio: float = 1.0, neighbours: int = 5, **more: Any) -> Training:
    return Training(augmentation={"method": method, "ratio": ratio, "neighbours": neighbours}, **more)


def part(rows: int = 400, ones: int = 40) -> Part:
    random = np.random.default_rng(0)
    labels = np.zeros(rows)
    labels[random.choice(rows, ones, replace=False)] = 1
    values = np.column_stack(
        [random.normal(labels * 2, 1), random.normal(size=rows) * 1000, random.integers(0, 3, rows)]
    )
    return Part(values.astype(np.float32), labels)


def same(one: Part, other: Part) -> bool:
    return np.array_equal(one.values, other.values, equal_nan=True) and np.array_equal(
        one.labels, other.labels
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_counts_and_offset(method: str, ratio: float) -> None:
    lines: list[str] = []
    found, told = augment(part(), settings(method, ratio), "qqc", lines.append)
    assert found.values.dtype == np.float32
    after = {"undersample": (round(40 / ratio), 40)}.get(method, (360, round(360 * ratio)))
    assert told is not None
    assert (told.method, told.before, told.after) == (method, (360, 40), after)
    assert told.synthetic == (after[1] - 40 if method == "smote" else 0)
    assert told.offset == pytest.approx(np.log(after[1] / after[0] * 360 / 40))
    assert (found.labels == 1).sum() == after[1]
    assert len(found.values) == sum(after)
    assert found.offset == told.offset
    assert lines == [
        f"{method}: labels 0 and 1 had 360 and 40 rows of the train part, now {after[0]} and {after[1]}"
    ]


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides(method: str) -> None:
    one, other, third = (augment(part(), settings(method, seed=seed), "qqc")[0] for seed in (1, 1, 2))
    assert same(one, other)
    assert not same(one, third)


@pytest.mark.parametrize("method", ["oversample", "smote"])
def test_the_rows_that_were_there_stay(method: str) -> None:
    before = part()
    found, _ = augment(before, settings(method), "qqc")
    assert same(Part(found.values[:400], found.labels[:400]), before)
    made = found.values[400:]
    assert set(made[:, 2]) <= {0.0, 1.0, 2.0}, "a category is one of the levels"
    known = {tuple(row) for row in before.values[before.labels == 1]}
    assert all(tuple(row) in known for row in made) == (method == "oversample")
    rare = before.values[before.labels == 1]
    assert made[:, 0].min() >= rare[:, 0].min()
    assert made[:, 0].max() <= rare[:, 0].max()


def test_smote_takes_missing_values_empty_columns_and_missing_categories() -> None:
    before = part()
    values = np.column_stack([before.values, np.full(400, np.nan, dtype=np.float32)])
    values[::3, 0] = np.nan
    values[::4, 2] = np.nan
    found, _ = augment(Part(values, before.labels), settings("smote"), "qqcq")
    made = found.values[400:]
    assert np.isnan(made[:, 3]).all()
    assert 0.05 < np.isnan(made[:, 0]).mean() < 0.6, "a missing number is missing in the new rows, too"
    assert set(made[:, 2][~np.isnan(made[:, 2])]) <= {0.0, 1.0, 2.0}
    only, _ = augment(Part(values[:, [2]], before.labels), settings("smote"), "c")
    assert len(only.labels) == 720


def test_a_class_that_is_frequent_enough_is_left_alone() -> None:
    found, told = augment(part(400, 150), settings("smote", 0.5), "qqc")
    assert same(found, part(400, 150))
    assert told is not None
    assert (told.synthetic, told.offset, told.before) == (0, 0.0, told.after)
    unasked = part()
    assert augment(unasked, Training(), "qqc") == (unasked, None)


def test_label_1_may_be_the_common_one() -> None:
    _found, told = augment(part(400, 350), settings("oversample"), "qqc")
    assert told is not None
    assert told.after == (350, 350)
    assert told.offset < 0


@pytest.mark.parametrize(
    "given, chosen, error, says",
    [
        (part(50, 4), settings("smote"), DataError, "too few rows of label 1; given 4 rows and 5 neighbours"),
        (part(50, 0), settings("oversample"), DataError, "needs rows of both labels; given 0 of 50"),
        (Part(part().values, part().labels * 3), settings("smote"), TrainingError, "labels 0 and 1"),
    ],
)
def test_bad_input_is_one_line(given: Part, chosen: Training, error: type[MlopsError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        augment(given, chosen, "qqc")
    assert len(str(caught.value).splitlines()) == 1


def test_a_regression_has_no_rare_class() -> None:
    with pytest.raises(SpecError, match="a regression has none"):
        settings("smote", objective="regression")


class _Watching(XGBoostTrainer):
    """Remembers what it was given."""

    def fit(self, settings: Training, train: Part, validation: Part | None, **more: Any) -> Fitted:
        self.seen = train, validation
        return super().fit(settings, train, validation, **more)


@pytest.mark.parametrize("method", METHODS)
def test_only_the_training_part_is_resampled_and_the_record_says_how(
    store: Store, tmp_path: Path, method: str
) -> None:
    frame = World().frame()
    frame = frame[(frame["late"] == 0) | (np.arange(len(frame)) % 4 == 0)]
    split = {"test": "10d", "validation": "10d"}
    training = {"rounds": 12, "early_stopping": 5, "params": {"max_depth": 3}}
    plain = spec_of(split=split, training=training)
    version = make_version(store, tmp_path / "data", frame, plain)
    spec = plain.with_overrides({"training": {"augmentation": {"method": method}}})
    before, watching = _Watching(), _Watching()
    reference = train(store, plain, version, trainer=before)
    trained = train(store, spec, version, trainer=watching)
    assert before.seen[1] is not None
    assert watching.seen[1] is not None
    assert same(before.seen[1], watching.seen[1]), "validation is as it was"
    assert watching.seen[1].offset == 0
    assert len(watching.seen[0].labels) != len(before.seen[0].labels)
    assert trained.train_rows == reference.train_rows
    assert reference.augmentation is None
    told = trained.augmentation
    assert told is not None
    assert told.before == (int((before.seen[0].labels == 0).sum()), int(before.seen[0].labels.sum()))
    assert told.after[0] == told.after[1]
    assert train(store, spec, version).artifact == trained.artifact, "the same seed gives the same bytes"
    scores = Predictor.load(store, trained).predict_frame(read_frame(store, version))
    assert abs(scores.mean() - frame["late"].mean()) < 0.06
    assert abs(told.shift) < 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stops_early", [False, True])
def test_probabilities_stay_right(method: str, stops_early: bool) -> None:
    """Two per cent of ones: without the offset a model of equal classes would say about one half."""

    def draw(rows: int, seed: int) -> Part:
        random = np.random.default_rng(seed)
        values = random.normal(size=(rows, 3))
        share = 1 / (1 + np.exp(-(-5 + 1.5 * values[:, 0])))
        return Part(values.astype(np.float32), (random.random(rows) < share).astype(np.float64))

    chosen = settings(
        method, rounds=40, early_stopping=10 if stops_early else None, params={"max_depth": 2, "eta": 0.2}
    )
    moved, told = augment(draw(20_000, 0), chosen, "qqq")
    assert told is not None
    fitted = XGBoostTrainer().fit(
        chosen,
        moved,
        draw(5_000, 1) if stops_early else None,
        names=("a", "b", "c"),
        types=("q", "q", "q"),
        progress=lambda line: None,
    )
    fresh = draw(40_000, 2)
    scores = score_matrix(load_booster("xgboost", fitted.artifact, "m"), fresh.values)
    assert abs(scores.mean() - fresh.labels.mean()) < 0.006
    edges = np.quantile(scores, [0, 0.5, 0.8, 0.95, 1])
    for low, high in itertools.pairwise(edges):
        inside = (scores >= low) & (scores <= high)
        assert abs(scores[inside].mean() - fresh.labels[inside].mean()) < 0.03
    wrong = 1 / (1 + np.exp(-(np.log(scores / (1 - scores)) + told.offset)))
    assert wrong.mean() > 5 * fresh.labels.mean(), "what the resampled rows alone would say"


@pytest.mark.parametrize("share", [0.02, 0.4])
def test_a_model_is_moved_to_the_natural_share_and_keeps_its_order(share: float) -> None:
    given = part()
    plain = Training(rounds=10, params={"max_depth": 2})
    fitted = XGBoostTrainer().fit(
        plain, given, None, names=("a", "b", "c"), types=("q", "q", "q"), progress=lambda line: None
    )
    natural = Part(given.values, (np.arange(400) < 400 * share).astype(np.float64))
    moved, shift = centre(fitted, natural)
    before, after = (
        score_matrix(load_booster("xgboost", one.artifact, "m"), given.values) for one in (fitted, moved)
    )
    assert after.mean() == pytest.approx(share, abs=1e-5)
    odds = [np.log(one / (1 - one)) for one in (before, after)]
    assert np.allclose(odds[1] - odds[0], shift, atol=1e-4)
    assert centre(moved, natural)[1] == pytest.approx(0, abs=1e-4)
