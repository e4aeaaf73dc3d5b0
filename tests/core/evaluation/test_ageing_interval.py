"""The suggested interval, on curves whose truth is known."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from airflow_mlops.core.evaluation.ageing_interval import (
    Drawn,
    Scored,
    _draws,
    bounds,
    draw,
    retraining_interval,
    worse_by,
)
from airflow_mlops.core.evaluation.metrics import measure_one

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


def curve(*shares: float, noise: float = 0.0, seed: int = 0, months: float = 30.0) -> list[Drawn]:
    """Periods in which the aged model's loss is worse than the fresh one's 0.5 by ``shares`` of it."""
    random = np.random.default_rng(seed)
    found = []
    for number, share in enumerate(shares):
        seen = share + noise * random.normal() * (number > 0)
        draws = 0.5 * (1 + seen + noise * random.normal(size=200) * (number > 0))
        fresh = np.full(200, 0.5)
        found.append(Drawn(number * months, 1000, 0.5 * (1 + seen), draws, 0.5, fresh))
    return found


def test_the_interval_is_where_the_curve_crosses_the_tolerance() -> None:
    found = retraining_interval("log_loss", curve(0.0, 0.01, 0.03, 0.05), 0.02)
    assert found.days == pytest.approx(45.0)
    assert (found.earliest, found.latest) == (pytest.approx(45.0), pytest.approx(45.0))
    assert found.reason.startswith(
        "log_loss is 0.02 worse (relative) than that of a fresh model after 45 days"
    )


def test_of_a_metric_of_which_more_is_better_less_is_worse() -> None:
    falling = [
        Drawn(30.0 * n, 1000, 0.8 - 0.01 * n, np.full(200, 0.8 - 0.01 * n), 0.8, np.full(200, 0.8))
        for n in range(5)
    ]
    assert retraining_interval("auc", falling, 0.02).days == pytest.approx(48.0)
    assert retraining_interval("log_loss", falling, 0.02).days is None
    assert worse_by("auc", falling[1]) == pytest.approx(0.01)


def test_one_bad_month_that_goes_away_is_no_ageing() -> None:
    found = retraining_interval("log_loss", curve(0.0, 0.04, -0.04, -0.01, 0.0, 0.01), 0.02)
    assert found.days is None
    assert "at most 4.00% worse than a fresh model, at 30 days" in found.reason


def test_periods_that_contradict_one_another_are_named() -> None:
    found = retraining_interval("log_loss", curve(0.0, 0.06, -0.05, 0.0, 0.04), 0.02)
    assert found.reason.endswith(
        "; periods taken alone: 2 of 4 surely worse by more than that, the first at 30 days; "
        "1 surely better than fresh, the first at 60 days"
    )


def test_a_curve_below_the_tolerance_suggests_nothing() -> None:
    found = retraining_interval("log_loss", curve(0.0, 0.001, 0.002, 0.004, noise=0.001), 0.02)
    assert (found.days, found.earliest, found.latest) == (None, None, None)
    assert "did not get worse than a fresh model's by 0.02 (relative) until 90 days" in found.reason


def test_a_crossing_that_may_be_chance_is_said_to_be_unsure() -> None:
    unsure = Drawn(60.0, 1000, 0.512, 0.5 * (1.024 + 0.02 * np.linspace(-2, 2, 200)), 0.5, np.full(200, 0.5))
    found = retraining_interval("log_loss", [*curve(0.0, 0.0), unsure], 0.02)
    assert found.days is None
    assert found.reason.startswith("not sure that log_loss got worse")
    assert "55% of the drawn curves" in found.reason


def test_noise_alone_hardly_ever_suggests_an_interval() -> None:
    suggested = [
        retraining_interval("log_loss", curve(*[0.0] * 7, noise=0.01, seed=seed), 0.02).days is not None
        for seed in range(25)
    ]
    assert sum(suggested) <= 1


def test_real_ageing_is_found_in_noise() -> None:
    """The loss grows by 1 % in 30 days: it is 2 % worse after 60."""
    truth = [0.01 * number for number in range(7)]
    found = [
        retraining_interval("log_loss", curve(*truth, noise=0.003, seed=seed), 0.02) for seed in range(15)
    ]
    days = [one.days for one in found if one.days is not None]
    assert len(days) == 15
    assert np.median(days) == pytest.approx(60.0, abs=6)
    held = [one.earliest <= 60 <= one.latest for one in found if one.earliest and one.latest]
    assert sum(held) >= 12


def test_without_fresh_models_there_is_nothing_to_compare_with() -> None:
    (first, *_) = curve(0.0)
    alone = Drawn(30.0, 1000, 0.6, np.full(200, 0.6), None, None)
    assert retraining_interval("log_loss", [first, alone], 0.02).days is None
    assert worse_by("log_loss", alone) is None


def scored(blocks: np.ndarray, *, spread: float = 0.0) -> Scored:
    """Rows whose error depends on their block alone."""
    random = np.random.default_rng(1)
    labels = (np.arange(len(blocks)) % 2).astype(float)
    error = 0.3 + spread * random.normal(size=int(blocks.max()) + 1)[blocks]
    aged = np.clip(np.where(labels == 1, 1 - error, error), 0.01, 0.99)
    return Scored(START, START + timedelta(days=30), 0.0, labels, aged, aged, blocks)


def test_days_that_differ_make_the_interval_as_wide_as_they_differ() -> None:
    days = np.repeat(np.arange(30), 100)
    wide = draw("brier", scored(days, spread=0.1), 0)
    rows = draw("brier", scored(np.zeros(3000, dtype=int) + np.arange(3000), spread=0.1), 0)
    assert wide is not None
    assert rows is not None
    low, high = bounds(wide.draws) or (0.0, 0.0)
    few, most = bounds(rows.draws) or (0.0, 0.0)
    assert low < wide.value < high
    assert high - low > 3 * (most - few)
    # both models are the same, and so they are in each draw
    assert wide.fresh == wide.value
    assert (wide.fresh_draws == wide.draws).all()


def test_rows_of_very_few_moments_are_drawn_one_by_one() -> None:
    once = draw("brier", scored(np.repeat([0, 1], 200), spread=0.05), 0)
    assert once is not None
    low, high = bounds(once.draws) or (0.0, 0.0)
    assert 0 < high - low < 0.05
    assert len(np.unique(once.draws)) > 30  # of whole blocks there would be three


def test_the_same_seed_draws_the_same() -> None:
    period = scored(np.repeat(np.arange(30), 20), spread=0.1)
    first, second, other = (draw("log_loss", period, seed) for seed in (3, 3, 4))
    assert first is not None
    assert second is not None
    assert other is not None
    assert (first.draws == second.draws).all()
    assert (first.draws != other.draws).any()


def test_one_outcome_only_has_no_ranking() -> None:
    period = Scored(START, START, 0.0, np.zeros(60), np.linspace(0, 1, 60), None, np.arange(60))
    assert draw("auc", period, 0) is None
    assert bounds(np.full(200, np.nan)) is None


@pytest.mark.parametrize("metric", ["log_loss", "brier", "rmse", "mae", "auc"])
def test_each_draw_is_the_metric_of_its_rows(metric: str) -> None:
    random = np.random.default_rng(2)
    labels, scores = random.integers(0, 2, 60).astype(float), random.random(60)
    scores[:2] = (0.0, 1.0)
    blocks = np.split(np.arange(60), range(2, 60, 2))
    chosen = [random.integers(0, 30, 30) for _ in range(20)]
    drawn = _draws(metric, labels, scores, blocks, chosen)
    for each, value in zip(chosen, drawn, strict=True):
        rows = np.concatenate([blocks[block] for block in each])
        assert value == pytest.approx(measure_one(metric, labels[rows], scores[rows]), rel=1e-12)
