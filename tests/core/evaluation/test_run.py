from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.split import split_by_time
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, MlopsError, SpecError
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.evaluation.run import evaluate, explain
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import TrainedModel
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
