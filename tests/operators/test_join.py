"""Joined columns come into a dataset version of their own, which the later tasks take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.store import Store
from airflow_mlops.operators.data import SnapshotOperator
from airflow_mlops.operators.join import JoinOperator
from airflow_mlops.operators.model import TrainOperator
from airflow_mlops.spec import ModelSpec
from tests.core.training.world import World, spec_of
from tests.operators.world import Run

RATES = {
    "name": "rates",
    "source": "rates/*.csv",
    "event_time": "known",
    "by": ["country"],
    "columns": ["rate"],
}


def spec(*joins: dict[str, Any]) -> ModelSpec:
    return spec_of(
        data={"source": "orders/*.parquet", "event_time": "ordered", "label": "late", "joins": joins},
        features={"columns": ["amount", *(name for one in joins for name in one["columns"])]},
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    frame = World().frame()
    for folder in ("orders", "rates"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    frame.to_parquet(tmp_path / "data" / "orders" / "all.parquet", index=False)
    some = frame.iloc[::5]
    rates = pd.DataFrame({"known": some["ordered"], "country": some["country"], "rate": np.arange(len(some))})
    rates.to_csv(tmp_path / "data" / "rates" / "all.csv", index=False)
    return tmp_path / "data"


def snapshot(run: Run, spec: ModelSpec) -> Any:
    return run.execute(SnapshotOperator(task_id="snapshot", spec=spec))


def test_a_joined_version_is_trained_on_and_is_made_once(store: Store, data: Path, run: Run) -> None:
    one = spec(RATES)
    taken = snapshot(run, one)
    joined = run.execute(JoinOperator(task_id="join", spec=one, dataset=taken))
    assert joined.keys() == taken.keys()
    assert (joined["rows"], joined["id"] != taken["id"]) == (1200, True)
    before = {item.key for item in store.list("")}
    assert run.execute(JoinOperator(task_id="join", spec=one, dataset=taken)) == joined
    assert {item.key for item in store.list("")} == before
    trained = run.execute(TrainOperator(task_id="train", spec=one, dataset=joined))
    assert 850 < trained["rows"] < 950


def test_without_joins_the_version_goes_through(store: Store, data: Path, run: Run) -> None:
    taken = snapshot(run, spec())
    assert run.execute(JoinOperator(task_id="join", spec=spec(), dataset=taken))["id"] == taken["id"]


@pytest.mark.parametrize(
    "change,says",
    [
        ({"columns": ["city"]}, "adds columns that the data have already; given city"),
        ({"by": ["city"]}, "join rates: .*rates.* lacks city"),
        ({"source": "nothing/*.csv"}, "join rates: "),
    ],
)
def test_a_wrong_join_is_told_in_one_line(
    store: Store, data: Path, run: Run, change: dict[str, Any], says: str
) -> None:
    one = spec({**RATES, **change})
    taken = snapshot(run, one)
    with pytest.raises(AirflowFailException, match=says):
        run.execute(JoinOperator(task_id="join", spec=one, dataset=taken))
    assert len(run.refusal("join")["reason"].splitlines()) == 1
