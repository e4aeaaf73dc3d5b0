"""The issue's list of bad input, as far as it is about specs and data: one clear line each, and nothing half-written.

Bad requests to the endpoint (missing or extra features, malformed JSON, a body of 100 MB) are in
``tests/core/serving/test_requests.py``, and with a real model in ``tests/core/serving/test_real_model.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.errors import DataError, MlopsError, SpecError
from airflow_mlops.core.evaluation.run import evaluate
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.training.run import train
from airflow_mlops.core.validation.run import validate
from airflow_mlops.spec import ModelSpec
from tests.core.training.world import World, spec_of

YAML = """
name: orders
data: {source: orders/*.parquet, event_time: ordered, label: late}
features: {columns: [amount, country, express]}
split: {test: 10d}
training: {rounds: 5}
evaluation: {gates: [{metric: auc, min: 0.6}]}
rollout: {shadow: {gates: [{metric: error_rate, margin: 0.01}]}}
"""
FRAME = World(rows=400).frame()


class Ground:
    """A store, a folder of data, and the stages of a release up to the evaluation."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store: Store = open_store(str(home / "store"))
        self.data = home / "data"
        self.write(FRAME)
        self.spec_file("")

    def write(self, frame: pd.DataFrame, name: str = "orders/all.parquet") -> None:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)

    def spec_file(self, *changes: str) -> Path:
        text = YAML
        for change in changes:
            old, _, new = change.partition(" => ")
            text = text.replace(old, new) if new or old else text
        path = self.home / "orders.yaml"
        path.write_text(text)
        return path

    def build(self, spec: ModelSpec) -> None:
        """Everything from data to an evaluated model."""
        root = open_data_root(str(self.data))
        version = snapshot(self.store, root, spec)
        validate(self.store, root, spec, version)
        evaluate(self.store, spec, version, train(self.store, spec, version), champion=None)

    def visible(self) -> list[str]:
        """All that anybody can see. A blob is seen only through the record that names it by its hash: one that
        nothing names is content that the next try finds again, not a half-written anything.
        """
        ours = ("blobs/", "audit/")
        return [item.key for item in self.store.list("") if not item.key.startswith(ours)]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def refused(ground: Ground, act: Callable[[], object], kind: type[MlopsError], *names: str) -> None:
    """``act`` raises one line that holds all ``names``, and leaves the store as it was."""
    before = ground.visible()
    with pytest.raises(kind) as caught:
        act()
    said = str(caught.value)
    assert isinstance(caught.value, MlopsError)
    assert said.splitlines() == [said]
    assert len(said) < 600
    for name in names:
        assert name in said
    assert ground.visible() == before


@pytest.mark.parametrize(
    "change, names",
    [
        ("rounds: 5 => round: 5", ["training.round", "unknown field", "did you mean rounds?"]),
        (
            "features: => feature:",
            ["feature", "unknown field", "did you mean features?", "features: missing"],
        ),
        ("{gates: [{metric: auc, min: 0.6}]} => {}", ["evaluation.gates: missing"]),
        ("{gates: [{metric: auc, min: 0.6}]} => {gates: []}", ["evaluation.gates: given []"]),
        ("[{metric: error_rate, margin: 0.01}] => []", ["rollout.shadow.gates: given []"]),
        (
            "{shadow: {gates: [{metric: error_rate, margin: 0.01}]}} => {}",
            ["a shadow stage, a canary stage or both"],
        ),
        ("evaluation: {gates: [{metric: auc, min: 0.6}]}\n => \n", ["evaluation: missing"]),
    ],
)
def test_a_spec_with_an_unknown_field_or_without_a_gate(
    ground: Ground, change: str, names: list[str]
) -> None:
    path = ground.spec_file(change)
    refused(ground, lambda: ground.build(ModelSpec.from_yaml(path)), SpecError, *names)


def test_a_missing_spec_file(ground: Ground) -> None:
    path = ground.home / "other.yaml"
    refused(ground, lambda: ModelSpec.from_yaml(path), SpecError, "spec file is missing", "other.yaml")


def nothing_there(ground: Ground) -> None:
    shutil.rmtree(ground.data / "orders")


def no_root(ground: Ground) -> None:
    shutil.rmtree(ground.data)


def no_rows(ground: Ground) -> None:
    ground.write(FRAME.head(0))


def no_bytes(ground: Ground) -> None:
    (ground.data / "orders" / "all.parquet").write_bytes(b"")


def torn(ground: Ground) -> None:
    path = ground.data / "orders" / "all.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def without(column: str) -> Callable[[Ground], None]:
    return lambda ground: ground.write(FRAME.drop(columns=column))


def with_column(column: str, values: Any) -> Callable[[Ground], None]:
    return lambda ground: ground.write(FRAME.assign(**{column: values}))


def one_bad_file(ground: Ground) -> None:
    ground.write(FRAME.drop(columns="late"), "orders/more.parquet")


@pytest.mark.parametrize(
    "spoil, names",
    [
        (nothing_there, ["orders/*.parquet"]),
        (no_root, ["data"]),
        (no_rows, ["orders/*.parquet", "no row in"]),
        (no_bytes, ["orders/all.parquet"]),
        (torn, ["orders/all.parquet"]),
        (without("late"), ["data.label", "late"]),
        (without("ordered"), ["data.event_time", "ordered"]),
        (without("amount"), ["features.columns", "amount"]),
        (with_column("ordered", "soon"), ["ordered"]),
        (with_column("ordered", None), ["ordered"]),
        (with_column("ordered", np.arange(len(FRAME)) * 0.5), ["ordered"]),
        (with_column("late", None), ["late"]),
        (one_bad_file, ["late", "orders/more.parquet"]),
    ],
)
def test_data_that_are_not_what_the_spec_says(
    ground: Ground, spoil: Callable[[Ground], None], names: list[str]
) -> None:
    spoil(ground)
    spec = ModelSpec.from_yaml(ground.home / "orders.yaml")
    refused(ground, lambda: ground.build(spec), MlopsError, *names)
    assert ground.visible() == []


@pytest.mark.parametrize("labels, names", [("maybe", ["late", "maybe"]), (1, ["late", "two"])])
def test_labels_that_nothing_can_be_learned_from(ground: Ground, labels: Any, names: list[str]) -> None:
    """The training finds it; the dataset version is whole, and says truly what the data are."""
    with_column("late", labels)(ground)
    spec = ModelSpec.from_yaml(ground.home / "orders.yaml")
    version = snapshot(ground.store, open_data_root(str(ground.data)), spec)
    refused(ground, lambda: train(ground.store, spec, version), MlopsError, *names)
    assert ground.visible() == [f"datasets/orders/{version.id}.json"]


@pytest.mark.parametrize(
    "text, names",
    [
        ("", ["orders/all.csv"]),
        ("ordered,amount,country,express,late\n", ["orders/*.csv", "no row in"]),
        ("ordered,amount,country,express\n2024-01-01,1,AT,true\n", ["data.label", "late"]),
        ("ordered,amount,country,express,late\nsoon,1,AT,true,1\n", ["ordered", "soon"]),
        ("ordered,amount,country,express,late\n2024-01-01,1\n", ["orders/all.csv"]),
    ],
)
def test_csv_that_is_not_what_the_spec_says(ground: Ground, text: str, names: list[str]) -> None:
    (ground.data / "orders" / "all.csv").write_text(text)
    spec = spec_of(data={"source": "orders/*.csv", "event_time": "ordered", "label": "late"})
    refused(ground, lambda: snapshot(ground.store, open_data_root(str(ground.data)), spec), DataError, *names)


def test_a_window_without_rows(ground: Ground) -> None:
    spec = ModelSpec.from_yaml(ground.home / "orders.yaml")
    since = pd.Timestamp("2030-01-01", tz="UTC").to_pydatetime()
    root = open_data_root(str(ground.data))
    refused(ground, lambda: snapshot(ground.store, root, spec, since=since), DataError, "2030-01-01")


def test_good_input_after_bad_input(ground: Ground) -> None:
    """What a refusal left behind stands in nobody's way."""
    spec = ModelSpec.from_yaml(ground.home / "orders.yaml")
    no_bytes(ground)
    with pytest.raises(MlopsError):
        ground.build(spec)
    ground.write(FRAME)
    ground.build(spec)
    assert [key.split("/")[0] for key in ground.visible()] == ["datasets"]
