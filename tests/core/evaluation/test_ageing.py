"""How a model ages, on orders whose rule changes with time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.evaluation import ageing
from airflow_mlops.core.evaluation.ageing import measure_ageing
from airflow_mlops.core.evaluation.analysis import Ageing
from airflow_mlops.core.evaluation.run import evaluate
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.run import train
from tests.core.training.world import make_version, spec_of

ROWS = 4000


def orders(*, turning: float, seed: int = 0) -> pd.DataFrame:
    """Forty days; ``turning``: how far the rule turns from one column to another until the end, in quarter turns."""
    random = np.random.default_rng(seed)
    days = np.linspace(0, 40, ROWS)
    amount, weight = random.normal(size=(2, ROWS))
    angle = np.pi / 2 * turning * days / 40
    signal = 2.5 * (np.cos(angle) * amount + np.sin(angle) * weight)
    return pd.DataFrame(
        {
            "ordered": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(days, unit="D").round("s"),
            "amount": amount,
            "weight": weight,
            "late": (random.random(ROWS) < 1 / (1 + np.exp(-signal))).astype("int64"),
        }
    )


def spec(
    *, training: dict[str, Any] | None = None, split: dict[str, Any] | None = None, **settings: Any
) -> Any:
    return spec_of(
        features={"columns": ["amount", "weight"]},
        training={"rounds": 15, "params": {"max_depth": 3, "eta": 0.4}, **(training or {})},
        split={"test": "10d", **(split or {})},
        evaluation={"gates": [{"metric": "auc", "min": 0.1}], "ageing": {"period": "5d", **settings}},
    )


def aged(
    store: Store, root: Path, frame: pd.DataFrame, chosen: Any, lines: list[str] | None = None
) -> Ageing:
    version = make_version(store, root, frame, chosen)
    found = measure_ageing(
        store,
        chosen,
        version,
        train(store, chosen, version),
        progress=(lines if lines is not None else []).append,
    )
    assert found is not None
    return found


def test_a_rule_that_turns_asks_for_retraining(store: Store, tmp_path: Path) -> None:
    lines: list[str] = []
    found = aged(store, tmp_path, orders(turning=1.5), spec(tolerance=0.1), lines)
    assert found.metric == "log_loss"
    assert found.trained_until == pd.Timestamp("2024-01-21", tz="UTC")
    assert found.train_rows == 2000
    assert [point.rows for point in found.points] == [500, 500, 500, 500]
    first, *later = found.points
    assert first.fresh == first.value
    assert (first.gap_low, first.gap_high) == (0.0, 0.0)
    assert all(point.low < point.value < point.high for point in found.points)
    gaps = [point.value - (point.fresh or 0.0) for point in later]
    assert gaps == sorted(gaps)
    assert later[-1].gap_low is not None
    assert later[-1].gap_low > 0.05
    assert found.interval_days is not None
    assert 0 < (found.earliest_days or 0) <= found.interval_days <= 15
    assert Ageing.from_bytes(found.to_bytes()) == found
    assert lines[0].startswith("ageing: trained on 2,000 rows until 2024-01-21 in ")
    assert "4 later periods, 3 fresh models to train, about " in lines[0]
    assert lines[1].startswith("ageing: period 1 of 4, 2024-01-21 to 2024-01-26, 500 rows: log_loss 0.")
    assert len(lines) == 5


def test_a_rule_that_stays_does_not_age(store: Store, tmp_path: Path) -> None:
    found = aged(store, tmp_path, orders(turning=0), spec(tolerance=0.1, metric="auc"))
    assert found.metric == "auc"
    assert found.interval_days is None
    assert "auc" in found.reason


def test_a_hard_month_is_no_ageing(store: Store, tmp_path: Path) -> None:
    """In the last ten days half of the labels are chance, for a fresh model as well."""
    frame = orders(turning=0)
    chance = (np.arange(ROWS) >= 3000) & (np.arange(ROWS) % 2 == 0)
    frame.loc[chance, "late"] = np.random.default_rng(5).integers(0, 2, int(chance.sum()))
    found = aged(store, tmp_path, frame, spec(tolerance=0.1))
    assert found.points[-1].low > found.points[0].high
    assert found.interval_days is None


def test_the_fresh_model_is_the_one_that_a_release_would_train(store: Store, tmp_path: Path) -> None:
    """Trained on all rows before the period, with the spec's parameters: the same bytes of a model."""
    frame, chosen = orders(turning=1), spec()
    found = aged(store, tmp_path / "all", frame, chosen)
    until = frame[frame["ordered"] < found.points[2].end]
    shorter = spec_of(**{**chosen.to_dict(), "split": {"test": "5d"}})
    version = make_version(store, tmp_path / "until", until, shorter)
    again = evaluate(store, shorter, version, train(store, shorter, version), champion=None)
    # a split by the newest event cuts a moment earlier than one at the period's start
    assert found.points[2].fresh == pytest.approx(again.metrics["log_loss"], abs=0.02)


def test_early_stopping_has_its_validation_part(store: Store, tmp_path: Path) -> None:
    chosen = spec(training={"rounds": 200, "early_stopping": 3}, split={"validation": "4d"})
    found = aged(store, tmp_path, orders(turning=0), chosen)
    assert found.train_rows == 1600
    assert found.points[0].value < 0.6


def test_a_regression_ages_by_its_error(store: Store, tmp_path: Path) -> None:
    frame = orders(turning=0)
    frame["late"] = frame["amount"] * (1 + np.arange(ROWS) / ROWS)
    found = aged(store, tmp_path, frame, spec(training={"objective": "regression"}, tolerance=0.1))
    assert found.metric == "rmse"
    assert found.interval_days is not None
    assert [point.value for point in found.points] == sorted(point.value for point in found.points)


def test_an_evaluation_has_it_where_the_spec_asks(store: Store, tmp_path: Path) -> None:
    chosen = spec()
    version = make_version(store, tmp_path, orders(turning=0), chosen)
    trained = train(store, chosen, version)
    before = [item.key for item in store.list("")]
    first, second = (evaluate(store, chosen, version, trained, champion=None) for _ in range(2))
    assert first.ageing is not None
    assert first.ageing == second.ageing
    assert [item.key for item in store.list("")] == before
    without = spec_of(**{**chosen.to_dict(), "evaluation": {"gates": [{"metric": "auc", "min": 0.1}]}})
    assert evaluate(store, without, version, trained, champion=None).ageing is None


def test_periods_that_say_nothing_are_left_out_and_named(store: Store, tmp_path: Path) -> None:
    frame = orders(turning=0)
    days = np.linspace(0, 40, ROWS)
    frame.loc[(days > 25) & (days < 30), "late"] = 0
    frame = frame[(days < 30.2) | (days > 34.8)]
    lines: list[str] = []
    found = aged(store, tmp_path, frame, spec(metric="auc"), lines)
    assert [str(point.start.date()) for point in found.points] == ["2024-01-21", "2024-02-05"]
    told = [line for line in lines if line.endswith("left out")]
    assert "2024-01-31 to 2024-02-05: 40 labelled rows, fewer than 50" in told[0]
    assert "2024-01-26 to 2024-01-31: auc is not defined, one outcome only" in told[1]
    for line in told:
        assert line.removeprefix("ageing: ").removesuffix("; left out") in found.reason


@pytest.mark.parametrize(
    "settings,words",
    [
        ({"period": "20d"}, "too few periods to show ageing; given 20.0 days after the training"),
        ({"period": "1h"}, "too many periods to show ageing"),
    ],
)
def test_a_range_that_does_not_fit_is_one_clear_line(
    store: Store, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    lines: list[str] = []
    found = aged(store, tmp_path, orders(turning=0), spec(**settings), lines)
    assert (found.points, found.interval_days, found.train_rows) == ((), None, 0)
    assert words in found.reason
    assert lines == [f"ageing: {found.reason}"]


def test_one_outcome_only_before_the_training_ends(store: Store, tmp_path: Path) -> None:
    frame = orders(turning=0)
    frame.loc[np.linspace(0, 40, ROWS) < 21, "late"] = 1
    found = aged(store, tmp_path, frame, spec())
    assert found.points == ()
    assert (
        "label late has not two different values in the train part; given only 1 in 2000 rows" in found.reason
    )


def test_rows_without_a_label_are_left_out(store: Store, tmp_path: Path) -> None:
    frame = orders(turning=0)
    frame["late"] = frame["late"].astype("float64")
    frame.loc[::4, "late"] = np.nan
    lines: list[str] = []
    found = aged(store, tmp_path, frame, spec(), lines)
    assert lines[0] == "ageing: 1,000 of 4,000 rows have no label and are left out"
    assert [point.rows for point in found.points] == [375] * 4


def test_many_rows_are_sampled_and_many_periods_share_fresh_models(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ageing, "_MOST_ROWS", 60)
    monkeypatch.setattr(ageing, "_MOST_FRESH", 3)
    found = aged(store, tmp_path, orders(turning=0), spec(period="2d"))
    assert [point.rows for point in found.points] == [60] * 10
    assert [point.fresh is not None for point in found.points] == [
        *(True, True, False, False, False, True, False, False, False, True)
    ]


def test_a_metric_of_another_objective_is_refused(store: Store, version: DatasetVersion) -> None:
    chosen = spec(metric="rmse")
    with pytest.raises(
        SpecError, match=r"evaluation\.ageing\.metric: not a metric of a binary model; given rmse"
    ):
        ageing.ageing_metric(chosen)


def test_the_periods_follow_the_training_without_a_gap(store: Store, tmp_path: Path) -> None:
    found = aged(store, tmp_path, orders(turning=0), spec(period="8d", train=0.6))
    assert found.points[0].start == found.trained_until
    assert all(one.end == two.start for one, two in zip(found.points, found.points[1:], strict=False))
    assert found.points[0].end - found.points[0].start == timedelta(days=8)
    assert found.points[-1].end == pd.Timestamp("2024-02-10", tz="UTC")
