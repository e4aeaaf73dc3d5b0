"""Planted errors: found, ranked, counted; the flawed model beaten by the repaired one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.metrics import roc_auc_score

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.labels.learners import families, out_of_fold
from airflow_mlops.core.labels.noise import MANY_ROWS, estimate_rate, find_suspects


def planted(share: float, seed: int, data=load_digits):
    values, true = data(return_X_y=True)
    random = np.random.default_rng(seed)
    rows = random.choice(len(true), round(share * len(true)), replace=False)
    given = true.astype(np.int64)
    classes = int(true.max()) + 1
    given[rows] = (given[rows] + random.integers(1, classes, len(rows))) % classes
    found = out_of_fold(values, given, families(seed=seed), folds=5, seed=seed)
    return true, given, find_suspects(given, found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_errors_in_digits(seed: int) -> None:
    true, given, found = planted(0.05, seed)
    wrong = true != given
    place = np.empty(len(true))
    place[found.order] = -np.arange(len(true))
    assert roc_auc_score(wrong, place) >= 0.99
    assert found.mask[wrong].mean() >= 0.9
    precision = wrong[found.mask].mean()
    assert precision >= 0.8
    assert found.precision is not None
    assert abs(found.precision[0] - precision) <= 0.05
    assert found.noise.certain
    assert found.noise.low < 0.05 < found.noise.high
    assert (found.suggested[found.mask & wrong] == true[found.mask & wrong]).mean() >= 0.9


def test_right_labels_are_not_suspected() -> None:
    _, _, found = planted(0.0, 0, load_wine)
    assert found.mask.sum() <= 2
    assert found.noise.rate < 0.01


def noisy(rate: float, rows: int = 60_000, seed: int = 0):
    """Two classes: half of the rows are clear, of the others any may be 1, and a good model knows how likely."""
    random = np.random.default_rng(seed)
    clear = np.where(random.random(rows) < 0.5, 0.9999, 0.0001) + random.normal(0, 1e-6, rows)
    true_share = np.where(random.random(rows) < 0.5, clear, random.uniform(0.02, 0.98, rows))
    true = (random.random(rows) < true_share).astype(np.int64)
    wrong = random.random(rows) < rate
    observed = rate + (1 - 2 * rate) * true_share
    return np.where(wrong, 1 - true, true), wrong, np.column_stack([1 - observed, observed])


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.1])
def test_what_is_expected_of_the_suspects_comes_true_where_some_rows_are_clear(rate: float) -> None:
    labels, wrong, probabilities = noisy(rate, seed=3)
    found = find_suspects(labels, probabilities)
    assert found.noise.certain
    assert abs(found.noise.rate - rate) <= 0.1 * rate + 0.0005
    if rate:
        assert found.precision is not None
        share, low, high = found.precision
        real = wrong[found.mask].mean()
        assert abs(share - real) <= 0.05
        assert low <= share <= high
        first = found.order[:1000]
        assert abs(found.score[first].mean() - wrong[first].mean()) <= 0.1
    else:
        assert found.mask.sum() <= 10


def test_noise_by_nature_is_told_as_an_upper_bound() -> None:
    random = np.random.default_rng(0)
    share = 0.08 + 0.6 * random.random(MANY_ROWS * 2)
    labels = (random.random(len(share)) < share).astype(np.int64)
    found = find_suspects(labels, np.column_stack([1 - share, share]))
    assert not found.noise.certain
    assert found.noise.low == 0.0
    assert found.noise.high > 0.05
    if found.precision is not None:
        assert found.precision[1] == 0.0


def test_errors_are_counted_where_the_model_is_sure() -> None:
    labels, _, probabilities = noisy(0.05)
    assert abs(estimate_rate(labels, probabilities).rate - 0.05) < 0.005


@pytest.mark.parametrize(
    "labels, probabilities, says",
    [
        (np.zeros(5, dtype=np.int64), np.full((5, 2), 0.5), "all of one class"),
        (np.array([0, 1]), np.full((3, 2), 0.5), "do not fit the labels"),
        (np.array([0, 2]), np.full((2, 2), 0.5), "out of range"),
        (np.array([0, 1]), np.array([[0.5, np.nan], [0.5, 0.5]]), "out of range"),
    ],
)
def test_what_can_not_be_judged_is_told(labels, probabilities, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        find_suspects(labels, probabilities)
    assert len(str(caught.value).splitlines()) == 1


def test_equal_rows_share_a_fold_and_rare_classes_are_told() -> None:
    values = np.repeat(np.arange(6.0)[:, None], 5, axis=0)
    labels = np.repeat([0, 1, 0, 1, 0, 1], 5)
    seen: list[set[float]] = []

    def learner(train, target, asked):
        seen.append(set(train.ravel()) & set(asked.ravel()))
        return np.full((len(asked), 2), 0.5)

    out_of_fold(values, labels, [learner], folds=3, seed=0)
    assert seen == [set()] * 3
    with pytest.raises(
        DataError, match=r"label 0 has too few rows .* 3 distinct rows; expected at least labels.folds, 4"
    ):
        out_of_fold(values, labels, [learner], folds=4, seed=0)


def test_families_take_missing_values_empty_columns_and_categories() -> None:
    random = np.random.default_rng(0)
    values = np.column_stack([random.normal(size=60), np.full(60, np.nan), random.integers(0, 3, 60)])
    values[::7, 0] = np.nan
    values[::9, 2] = np.nan
    labels = (random.random(60) < 0.5).astype(np.int64)
    found = out_of_fold(values, labels, families([2]), folds=3, seed=0)
    assert np.isfinite(found).all()
    assert np.allclose(found.sum(axis=1), 1)
