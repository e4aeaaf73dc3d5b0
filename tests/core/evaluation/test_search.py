from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from airflow_mlops.core.errors import DataError, SpecError
from airflow_mlops.core.evaluation.analysis import SliceSearchResult
from airflow_mlops.core.evaluation.bins import bins_of
from airflow_mlops.core.evaluation.candidates import families
from airflow_mlops.core.evaluation.conditions import slice_text
from airflow_mlops.core.evaluation.max_t import compare
from airflow_mlops.core.evaluation.metrics import measure_one, row_losses
from airflow_mlops.core.evaluation.search import search_slices, searched_columns
from airflow_mlops.core.evaluation.slices import rows_of
from airflow_mlops.core.gates import Gate
from airflow_mlops.spec import Evaluation, SliceSearch

ROWS = 8000


def columns(random: np.random.Generator, rows: int = ROWS) -> pd.DataFrame:
    """Columns that have nothing to do with the scores."""
    frame = pd.DataFrame(
        {
            "carrier": random.choice(["UA", "AA", "DL", "B6"], rows, p=[0.4, 0.3, 0.2, 0.1]),
            "origin": random.choice(["EWR", "JFK", "LGA"], rows),
            "distance": random.normal(1000, 300, rows),
            "stops": random.integers(0, 4, rows),
            "departure": pd.Timestamp("2024-01-01", tz="UTC")
            + pd.to_timedelta(random.integers(0, 30 * 86400, rows), unit="s"),
        }
    )
    frame.loc[random.random(rows) < 0.05, "distance"] = np.nan
    frame.loc[random.random(rows) < 0.05, "origin"] = None
    return frame


def calibrated(random: np.random.Generator, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    scores = 1 / (1 + np.exp(-random.normal(-1, 1, rows)))
    return (random.random(rows) < scores).astype(float), scores


def spoiled(random: np.random.Generator, labels: np.ndarray, mask: np.ndarray, rate: float) -> np.ndarray:
    return np.where(mask, (random.random(len(labels)) < rate).astype(float), labels)


def search(
    frame: pd.DataFrame, labels: np.ndarray, scores: np.ndarray, objective: str = "binary", **fields: Any
) -> SliceSearchResult:
    return search_slices(SliceSearch(**fields), list(frame), frame, objective, labels, scores, seed=0)


def loss_shapes(shape: str, random: np.random.Generator, frame: pd.DataFrame) -> np.ndarray:
    """Losses of which no slice has more than another."""
    rows = len(frame)
    if shape == "calibrated":
        return row_losses("binary", *calibrated(random, rows))
    if shape == "long tail":
        return random.standard_t(4, rows) ** 2
    if shape == "sure and mostly wrong":
        return row_losses("binary", (random.random(rows) < 0.05).astype(float), np.full(rows, 0.9))
    # Equal means, and a spread that depends on the slice.
    return np.where(frame["carrier"] == "UA", random.exponential(1, rows), 1 + random.normal(0, 0.2, rows))


@pytest.mark.parametrize("shape", ["calibrated", "long tail", "sure and mostly wrong", "unequal spread"])
def test_without_a_weak_slice_hardly_any_search_reports_one(shape: str) -> None:
    random = np.random.default_rng(5)
    false, trials, alpha = 0, 40, 0.1
    for trial in range(trials):
        frame = columns(random, 1000)[["carrier", "origin", "distance"]]
        losses = loss_shapes(shape, random, frame)
        bins = [one for name in frame for one in bins_of(frame, name, 50)]
        found = compare(families(bins, 2, 50), losses, trial)
        false += bool(found.lower(alpha).max() > 0)
    # Of 40 searches at 0.1, more than 9 would come up once in 200 times.
    assert false <= 9


def test_the_sums_and_errors_are_those_of_the_slices() -> None:
    random = np.random.default_rng(0)
    frame = columns(random, 2000)
    losses = random.exponential(1, 2000)
    bins = [one for name in frame for one in bins_of(frame, name, 50)]
    found = compare(families(bins, 2, 50), losses, 0)
    assert len(found.parts) > 300
    for place in range(0, len(found.parts), 23):
        mask = rows_of(frame, slice_text(tuple(part.condition for part in found.parts[place])))
        assert 50 <= mask.sum() <= 1000
        inside, outside = losses[mask], losses[~mask]
        assert found.difference[place] == pytest.approx(inside.mean() - outside.mean())
        error = math.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside))
        assert found.error[0, place] == pytest.approx(error, rel=1e-3)
    texts = [slice_text(tuple(part.condition for part in parts)) for parts in found.parts]
    assert len(set(texts)) == len(texts)


def test_a_planted_slice_of_one_column_is_found() -> None:
    random = np.random.default_rng(1)
    frame, (labels, scores) = columns(random), calibrated(random)
    labels = spoiled(random, labels, (frame["carrier"] == "DL").to_numpy(), 0.6)
    found = search(frame, labels, scores)
    worst = found.slices[0]
    assert worst.slice == "carrier=DL"
    assert worst.rows == int((frame["carrier"] == "DL").sum())
    assert 0 < worst.low < worst.loss - worst.elsewhere
    assert worst.p_value == 1 / 200
    assert worst.expected == pytest.approx(0.53, abs=0.03)
    assert worst.expected < worst.loss - 0.2
    # What the other slices share with it does not make them slices of their own.
    assert len(found.slices) == 1
    assert f"{found.looked_at:,} slices of 5 columns were compared on 8,000 rows; 1 is worse" in found.reason


def test_a_planted_slice_of_two_columns_is_found_and_its_parents_are_not_reported() -> None:
    random = np.random.default_rng(2)
    frame, (labels, scores) = columns(random), calibrated(random)
    planted = ((frame["carrier"] == "AA") & (frame["origin"] == "EWR")).to_numpy()
    found = search(frame, spoiled(random, labels, planted, 0.65), scores)
    assert [one.slice for one in found.slices] == ["carrier=AA & origin=EWR"]
    alone = search(frame, spoiled(random, labels, planted, 0.65), scores, max_features=1)
    assert [one.slice for one in alone.slices] == ["carrier=AA"]


@pytest.mark.parametrize(
    "column,mask,found_as",
    [
        ("distance", lambda frame: frame["distance"] >= 1200, "distance=["),
        ("distance", lambda frame: frame["distance"].isna(), "distance=(missing)"),
        ("stops", lambda frame: frame["stops"] == 2, "stops=2"),
        ("departure", lambda frame: frame["departure"].dt.hour >= 20, "departure.hour=[20,)"),
        ("departure", lambda frame: frame["departure"].dt.weekday == 6, "departure.weekday=Sun"),
    ],
)
def test_ranges_missing_values_counts_and_times(column: str, mask: Any, found_as: str) -> None:
    random = np.random.default_rng(3)
    frame, (labels, scores) = columns(random), calibrated(random)
    found = search(frame, spoiled(random, labels, mask(frame).to_numpy(), 0.65), scores)
    assert found.slices[0].slice.startswith(found_as)
    inside = rows_of(frame, found.slices[0].slice)
    assert np.mean(mask(frame)[inside]) > 0.7


def test_the_worst_comes_first() -> None:
    random = np.random.default_rng(4)
    frame, (labels, scores) = columns(random), calibrated(random)
    labels = spoiled(random, labels, (frame["carrier"] == "DL").to_numpy(), 0.75)
    labels = spoiled(random, labels, (frame["stops"] == 1).to_numpy(), 0.55)
    found = search(frame, labels, scores)
    singles = [one.slice for one in found.slices if "&" not in one.slice]
    assert singles[:2] == ["carrier=DL", "stops=1"]
    assert [one.low for one in found.slices] == sorted((one.low for one in found.slices), reverse=True)
    assert len(search(frame, labels, scores, top=1).slices) == 1


def test_a_regression_is_searched_by_squared_error() -> None:
    random = np.random.default_rng(5)
    frame = columns(random)
    weak = (frame["origin"] == "JFK").to_numpy()
    labels = random.normal(0, np.where(weak, 3, 1))
    found = search(frame, labels, np.zeros(ROWS), objective="regression")
    worst = found.slices[0]
    assert (worst.slice, worst.expected) == ("origin=JFK", None)
    assert worst.loss == pytest.approx(9, rel=0.1)
    assert "metric: rmse" in worst.gate


def test_one_bad_day_is_no_weak_slice_where_times_are_known() -> None:
    random = np.random.default_rng(6)
    frame, (labels, scores) = columns(random), calibrated(random)
    wet = frame["departure"].dt.day == 12
    frame["rain"] = np.where(wet, "heavy", "none")
    frame.loc[random.random(ROWS) < 0.02, "rain"] = "heavy"
    labels = spoiled(random, labels, wet.to_numpy(), 0.9)
    asked = (SliceSearch(), ["carrier", "rain"], frame, "binary", labels, scores)
    assert "rain=heavy" in search_slices(*asked, seed=0).slices[0].slice
    assert search_slices(*asked, seed=0, times=frame["departure"]).slices == ()

    lasting = spoiled(random, labels, (frame["carrier"] == "DL").to_numpy(), 0.65)
    asked = (SliceSearch(), ["carrier", "rain"], frame, "binary", lasting, scores)
    found = search_slices(*asked, seed=0, times=frame["departure"])
    assert found.slices[0].slice == "carrier=DL"


def test_a_gate_of_a_slice_is_pasted_and_measures_exactly_those_rows() -> None:
    random = np.random.default_rng(7)
    frame, (labels, scores) = columns(random), calibrated(random)
    frame["carrier"] = frame["carrier"].replace({"AA": "A & 'A': \u2028 \U0001f6eb"})
    planted = (frame["carrier"].str.startswith("A &") & (frame["distance"] < 800)).to_numpy()
    labels = spoiled(random, labels, planted, 0.75)
    found = search(frame, labels, scores)
    assert "&" in found.slices[0].slice
    for one in found.slices:
        assert "\n" not in one.gate
        text = f"gates:\n  - {{metric: auc, min: 0.6}}\n  {one.gate}\nslices: []\n"
        gate = Evaluation(**yaml.safe_load(text)).gates[1]
        mask = rows_of(frame, gate.slice or "")
        value = measure_one("log_loss", labels[mask], scores[mask])
        assert int(mask.sum()) == one.rows
        assert value == pytest.approx(one.loss)
        # It passes now, and hardly anything worse does.
        assert gate.max is not None
        assert value <= gate.max <= value * 1.02


def test_the_search_is_repeatable() -> None:
    random = np.random.default_rng(8)
    frame, (labels, scores) = columns(random, 2000), calibrated(random, 2000)
    assert search(frame, labels, scores) == search(frame, labels, scores)


def test_bad_input() -> None:
    random = np.random.default_rng(9)
    frame, (labels, scores) = columns(random, 500), calibrated(random, 500)
    broken = np.where(np.arange(500) == 3, math.nan, scores)
    assert "no finite numbers" in search(frame, labels, broken).reason
    assert "the same in all rows" in search(frame, np.zeros(500), np.full(500, 0.2)).reason
    empty = frame[["carrier"]].assign(carrier=None, gone=np.nan, one="x", day=pd.NaT)
    found = search(empty, labels, scores)
    assert (found.looked_at, found.slices) == (0, ())
    assert "no slice of carrier, gone, one, day has 100 of the 500 rows" in found.reason
    assert search(frame, labels, scores, min_rows=400).looked_at == 0
    with pytest.raises(DataError, match="column tags can't be sliced by"):
        search(pd.DataFrame({"tags": [["a"]] * 500}), labels, scores)
    infinite = pd.DataFrame({"x": np.where(np.arange(500) < 100, np.inf, random.normal(size=500)), "y": 1.0})
    assert search(infinite, labels, scores).looked_at > 0


def test_too_many_columns_are_named() -> None:
    gates = (Gate(metric="auc", min=0.5),)
    features = [f"c{number}" for number in range(10_000)]
    assert searched_columns(Evaluation(gates=gates), features) == ()
    wide = Evaluation(gates=gates, search=SliceSearch())
    with pytest.raises(
        SpecError, match=r"too many columns to combine; given 10000 in features.columns; .* most 40"
    ):
        searched_columns(wide, features)
    chosen = Evaluation(gates=gates, search=SliceSearch(columns=("c1", "c2", "c1")))
    assert searched_columns(chosen, features) == ("c1", "c2")
