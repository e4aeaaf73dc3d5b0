from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.split import split_by_time
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, MlopsError, PlatformError, SpecError
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.evaluation.run import evaluate, explain
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from tests.core.training.world import World, make_version, spec_of


def gates(*given: dict[str, Any], slices: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"evaluation": {"gates": given, "slices": slices}}


def test_evaluation_of_the_held_out_rows(
    store: Store, version: DatasetVersion, trained: TrainedModel
) -> None:
    lines: list[str] = []
    before = [item.key for item in store.list("")]
    found = evaluate(store, spec_of(), version, trained, champion=None, progress=lines.append)
    test = split_by_time(read_frame(store, version), "ordered", spec_of().split).test
    assert found.rows == len(test) == 750
    assert found.artifact == trained.artifact
    assert 0.7 < found.metrics["auc"] < 0.95
    assert (found.champion, found.champion_version) == (None, None)
    assert found.passed
    assert lines == ["scoring 750 rows of the test part"]
    assert [item.key for item in store.list("")] == before
    assert Evaluation.from_bytes(found.to_bytes()) == found


def test_the_champion_is_measured_on_the_same_rows(
    store: Store, version: DatasetVersion, trained: TrainedModel
) -> None:
    spec = spec_of(
        **gates({"metric": "brier", "margin": 0.0}, {"metric": "auc", "margin": 0.0}, slices=("country",))
    )
    same = evaluate(store, spec, version, trained, champion=(7, trained))
    assert same.champion == same.metrics
    assert same.champion_version == 7
    assert same.passed
    assert [result.bound for result in same.gates] == [0.0, 0.0]
    assert all(part.champion == part.metrics for part in same.slices)

    weak = train(store, spec_of(features={"columns": ["express"]}), version)
    worse = evaluate(store, spec, version, weak, champion=(7, trained))
    assert not worse.passed
    assert worse.champion == same.metrics
    assert worse.metrics["auc"] < same.metrics["auc"] - 0.05
    assert explain(worse).startswith("2 of 2 gates refuse: brier 0.2")
    assert "; auc 0." in explain(worse)
    assert "95 % interval of worse-by: 0." in explain(worse)
    assert evaluate(store, spec, version, trained, champion=(7, weak)).passed


def test_an_evaluation_is_repeatable(store: Store, version: DatasetVersion, trained: TrainedModel) -> None:
    spec = spec_of(**gates({"metric": "log_loss", "margin": 0.1}, slices=("country", "express")))
    weak = train(store, spec_of(features={"columns": ["express"]}), version)
    first, second = (evaluate(store, spec, version, trained, champion=(1, weak)) for _ in range(2))
    assert first.efficiency is not None
    untimed = [one.model_copy(update={"efficiency": None}).to_bytes() for one in (first, second)]
    assert untimed[0] == untimed[1]


def test_slices_are_the_largest_values_with_enough_rows(store: Store, tmp_path: Path) -> None:
    frame = World(rows=3000).frame()
    frame["city"] = np.where(np.arange(len(frame)) % 25 == 0, "small", "big")  # 30 of 750 test rows
    frame["many"] = np.arange(len(frame)) % 10 + 0.5
    version = make_version(store, tmp_path / "sliced", frame, spec_of())
    trained = train(store, spec_of(), version)
    spec = spec_of(**gates({"metric": "auc", "min": 0.5}, slices=("country", "express", "city", "many")))
    found = evaluate(store, spec, version, trained, champion=None)
    names = [part.slice for part in found.slices]
    assert set(names[:4]) == {f"country={name}" for name in ("AT", "DE", "FR", "IT")}
    assert names[4:7] == ["express=false", "express=true", "city=big"]
    assert names[7:] == [f"many={number}.5" for number in range(10)]
    assert "country=(missing)" not in names  # about 37 rows
    by_name = {part.slice: part for part in found.slices}
    test = split_by_time(read_frame(store, version), "ordered", spec.split).test
    assert by_name["express=true"].rows == int(test["express"].sum())
    assert by_name["express=true"].rows + by_name["express=false"].rows == found.rows
    assert [by_name[n].rows for n in names[:4]] == sorted((by_name[n].rows for n in names[:4]), reverse=True)
    for part in (found, *found.slices):
        assert {"auc", "log_loss", "brier"} <= set(part.intervals)
        for name, (low, high) in part.intervals.items():
            assert low <= part.metrics[name] <= high


def test_a_slice_with_one_class_leaves_out_what_is_not_defined(store: Store, tmp_path: Path) -> None:
    frame = World(rows=3000).frame()
    frame["kind"] = np.where((frame["late"] == 0) & (np.arange(len(frame)) % 2 == 0), "never", "mixed")
    version = make_version(store, tmp_path / "sliced", frame, spec_of())
    trained = train(store, spec_of(), version)
    spec = spec_of(
        **gates(
            {"metric": "auc", "min": 0.1, "slice": "kind=never"},
            {"metric": "brier", "max": 1},
            slices=("kind",),
        )
    )
    found = evaluate(store, spec, version, trained, champion=None)
    never = next(part for part in found.slices if part.slice == "kind=never")
    assert "auc" not in never.metrics
    assert 0 < never.metrics["brier"] < 1
    assert [result.outcome for result in found.gates] == ["inconclusive", "pass"]
    assert (
        explain(found) == f"1 of 2 gates refuse: auc[kind=never] could not be measured on {never.rows} rows"
    )


def test_gates_on_slices(store: Store, version: DatasetVersion, trained: TrainedModel) -> None:
    spec = spec_of(
        **gates(
            {"metric": "brier", "max": 0.5, "slice": "express=true"},
            {"metric": "brier", "margin": 0.0, "slice": "country=DE"},
            {"metric": "brier", "max": 0.5, "slice": "country=XX"},
        )
    )
    found = evaluate(store, spec, version, trained, champion=(2, trained))
    assert [result.outcome for result in found.gates] == ["pass", "pass", "inconclusive"]
    assert found.gates[0].samples is not None
    assert 100 < found.gates[0].samples < 400
    assert explain(found) == "1 of 3 gates refuse: brier[country=XX] only 0 rows, fewer than 50"


def test_rows_without_a_label_do_not_count(store: Store, tmp_path: Path) -> None:
    frame = World(rows=3000).frame()
    frame["late"] = frame["late"].astype("float64")
    frame.loc[frame.index >= 2900, "late"] = np.nan
    version = make_version(store, tmp_path / "late", frame, spec_of())
    lines: list[str] = []
    trained = train(store, spec_of(), version)
    assert evaluate(store, spec_of(), version, trained, champion=None, progress=lines.append).rows == 650
    assert lines[0] == "100 of 750 rows of the test part have no label and are left out"


def without(column: str) -> pd.DataFrame:
    return World(rows=3000).frame().drop(columns=column)


def one_outcome() -> pd.DataFrame:
    frame = World(rows=3000).frame()
    frame.loc[frame["ordered"] > pd.Timestamp("2024-01-25", tz="UTC"), "late"] = 0
    return frame


@pytest.mark.parametrize(
    "frame,sections,error,message",
    [
        (
            None,
            gates({"metric": "latency", "threshold": 5, "margin": 0}),
            SpecError,
            "latency can't be measured",
        ),
        (
            None,
            gates({"metric": "auc", "min": 0}, slices=("town",)),
            DataError,
            "evaluation.slices needs column town",
        ),
        (
            None,
            gates({"metric": "auc", "min": 0, "slice": "town=x"}),
            DataError,
            r"gate auc\[town=x\] needs column",
        ),
        (
            None,
            gates({"metric": "auc", "min": 0}, slices=("ordered",)),
            DataError,
            "ordered can't be sliced by",
        ),
        (one_outcome(), {}, DataError, "not two different values in the test part; given only 0 in 750 rows"),
    ],
)
def test_bad_input_is_one_line(
    store: Store,
    version: DatasetVersion,
    trained: TrainedModel,
    tmp_path: Path,
    frame: pd.DataFrame | None,
    sections: dict[str, Any],
    error: type[MlopsError],
    message: str,
) -> None:
    if frame is not None:
        version = make_version(store, tmp_path / "other", frame, spec_of())
    with pytest.raises(error, match=message) as caught:
        evaluate(store, spec_of(**sections), version, trained, champion=None)
    assert "\n" not in str(caught.value)


def test_data_that_lack_a_column_of_the_champion(
    store: Store, version: DatasetVersion, trained: TrainedModel, tmp_path: Path
) -> None:
    spec = spec_of(features={"columns": ["amount", "express"]})
    narrow = make_version(store, tmp_path / "narrow", without("country"), spec)
    with pytest.raises(DataError, match="the champion, version 3 needs column country"):
        evaluate(store, spec, narrow, train(store, spec, narrow), champion=(3, trained))


def test_explain_without_gates() -> None:
    assert explain(Evaluation(rows=5, metrics={})) == "no gate was evaluated: nothing passes unjudged"
    assert not Evaluation(rows=5, metrics={}).passed


def everything(*gates_: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """A spec whose evaluation asks for every analysis."""
    return {
        "evaluation": {
            "gates": [{"metric": "auc", "min": 0.5}, *gates_],
            "search": {"columns": ["amount", "country", "express", "ordered"], "min_rows": 50},
            "groups": ["country"],
            "costs": {"false_positive": 1, "false_negative": 3, "currency": "EUR"},
            **sections,
        }
    }


def test_every_analysis_that_the_spec_asks_for(
    store: Store, version: DatasetVersion, trained: TrainedModel
) -> None:
    spec = spec_of(
        **everything(
            {"metric": "cost", "max": 2.0},
            {"metric": "cost", "margin": 0.0},
            {"metric": "demographic_parity_difference", "group": "country", "max": 0.9},
            {"metric": "equalized_odds_difference", "group": "express", "margin": 0.0},
            {"metric": "brier", "max": 0.5, "slice": "amount=[20,80) & country=DE"},
            {"metric": "brier", "max": 0.5, "slice": "ordered.hour=[,12)"},
            slices=("ordered.weekday",),
        )
    )
    lines: list[str] = []
    found = evaluate(store, spec, version, trained, champion=(4, trained), progress=lines.append)
    assert found.passed, explain(found)
    assert found.costs is not None
    assert found.costs.chosen_on == "training"
    assert found.costs.champion == found.costs.cost < min(found.costs.yes_to_all, found.costs.no_to_all)
    assert [one.column for one in found.fairness] == ["country", "express"]
    assert [one.group for one in found.fairness[1].groups] == ["false", "true"]
    assert "rows are of groups of country that are too small to compare" in " ".join(lines)
    assert {one.slice.split("=")[0] for one in found.slices} == {"ordered.weekday"}
    assert found.search is not None
    assert found.search.looked_at > 50
    assert found.search.reason in lines
    assert found.calibration is not None
    assert found.calibration.champion_error == found.calibration.error
    assert found.importance is not None
    assert found.importance.features[0].feature == "amount"
    assert found.efficiency is not None
    assert found.efficiency.champion_size == trained.size
    assert Evaluation.from_bytes(found.to_bytes()) == found


def test_the_threshold_is_never_chosen_on_the_rows_that_are_judged(store: Store, tmp_path: Path) -> None:
    spec = spec_of(**everything(), split={"test": "10d", "validation": "10d"})
    frame = World(rows=3000).frame()
    turned = frame.assign(late=np.where(np.arange(3000) < 2250, frame["late"], 1 - frame["late"]))
    costs = []
    for name, rows in (("as they are", frame), ("turned", turned)):
        version = make_version(store, tmp_path / name, rows, spec)
        costs.append(evaluate(store, spec, version, train(store, spec, version), champion=None).costs)
    assert costs[0] is not None
    assert costs[1] is not None
    assert costs[0].chosen_on == "validation"
    assert costs[0].threshold == costs[1].threshold
    assert costs[0].cost < costs[1].cost
    fields = {"false_positive": 1, "false_negative": 3, "threshold": 0.4}
    given = evaluate(
        store, spec_of(**everything(costs=fields)), version, train(store, spec, version), champion=None
    ).costs
    assert given is not None
    assert (given.threshold, given.chosen_on) == (0.4, "spec")


def test_a_weak_slice_is_named_in_the_explanation(store: Store, tmp_path: Path) -> None:
    frame = World(rows=6000).frame()
    random = np.random.default_rng(3)
    weak = (frame["city"] == "small").to_numpy() & (np.arange(len(frame)) > 3000)
    frame.loc[weak, "late"] = (random.random(weak.sum()) < 0.5).astype(int)
    version = make_version(store, tmp_path / "weak", frame, spec_of())
    spec = spec_of(**everything(search={"columns": ["city", "country"], "min_rows": 50}))
    trained = train(store, spec, version)
    found = evaluate(store, spec, version, trained, champion=None)
    assert found.search is not None
    worst = found.search.slices[0]
    assert worst.slice == "city=small"
    assert explain(found).endswith(
        f"; worst slice city=small ({worst.rows} rows): loss {worst.loss:.4g}, elsewhere {worst.elsewhere:.4g}"
    )


def test_a_regression_has_importance_and_efficiency_and_a_search(store: Store, tmp_path: Path) -> None:
    frame = World(rows=2000).frame()
    frame["late"] = frame["amount"].fillna(50) / 10
    spec = spec_of(
        training={"objective": "regression", "rounds": 5},
        evaluation={"gates": [{"metric": "rmse", "max": 5}], "search": {}},
    )
    version = make_version(store, tmp_path / "numbers", frame, spec)
    found = evaluate(store, spec, version, train(store, spec, version), champion=None)
    assert (found.calibration, found.costs, found.fairness) == (None, None, ())
    assert found.importance is not None
    assert found.efficiency is not None
    assert found.search is not None
    assert found.search.looked_at > 0


def test_models_that_answer_nothing_usable(
    store: Store, version: DatasetVersion, trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(
        **everything(
            {"metric": "equalized_odds_difference", "group": "country", "max": 1.0},
            {"metric": "cost", "max": 100},
            costs={"false_positive": 1, "threshold": 0.5},
        )
    )
    monkeypatch.setattr(Predictor, "predict_frame", lambda self, frame: np.full(len(frame), np.nan))
    broken = evaluate(store, spec, version, trained, champion=None)
    assert [result.outcome for result in broken.gates] == ["inconclusive"] * 3
    assert (broken.calibration, broken.costs, broken.fairness) == (None, None, ())
    monkeypatch.setattr(Predictor, "predict_frame", lambda self, frame: np.full(len(frame), 0.3))
    constant = evaluate(store, spec, version, trained, champion=None)
    assert constant.fairness[0].equalized_odds_difference == 0.0
    assert constant.calibration is not None
    assert len(constant.calibration.bins) == 1


@pytest.mark.parametrize(
    "sections,error,message",
    [
        (
            everything(groups=["town"]),
            DataError,
            "evaluation.groups needs column town, which the data lack",
        ),
        (
            everything(search={"columns": ["town"]}),
            DataError,
            "evaluation.search needs column town",
        ),
        (
            everything({"metric": "auc", "min": 0, "slice": "country=DE & town.hour=3"}),
            DataError,
            r"gate auc\[country=DE & town.hour=3\] needs column town.hour",
        ),
        (
            everything({"metric": "auc", "min": 0, "slice": "country=[1,2)"}),
            DataError,
            r"slice country=\[1,2\) is a range, and column country holds no numbers",
        ),
        (everything(groups=["ordered"]), DataError, "column ordered can't be sliced by"),
    ],
)
def test_analyses_that_can_not_be_made_are_one_line(
    store: Store,
    version: DatasetVersion,
    trained: TrainedModel,
    sections: dict[str, Any],
    error: type[MlopsError],
    message: str,
) -> None:
    with pytest.raises(error, match=message) as caught:
        evaluate(store, spec_of(**sections), version, trained, champion=None)
    assert "\n" not in str(caught.value)


def test_fairlearn_is_missed_only_where_groups_are_compared(
    store: Store, version: DatasetVersion, trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fairlearn.metrics", None)
    assert evaluate(store, spec_of(), version, trained, champion=None).passed
    with pytest.raises(PlatformError, match="fairlearn is not installed"):
        evaluate(store, spec_of(**everything()), version, trained, champion=None)
