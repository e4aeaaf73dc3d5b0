"""A feature that knows the outcome or looks ahead is named, and an honest one is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.core.data.derive import derive
from airflow_mlops.core.data.join import join
from airflow_mlops.core.data.reading import read_batches
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.data.version import DatasetVersion, Derivation
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.leakage import LeakageReport, check_leakage, explain
from airflow_mlops.core.training.strength import strength
from airflow_mlops.spec import ModelSpec
from tests.core.training.world import COLUMNS, World, make_version, spec_of

PLAIN = {"columns": ["amount", "country", "express"]}


def leaky(frame: pd.DataFrame) -> pd.DataFrame:
    """What was written down after the outcome: the delay itself, and a code of it."""
    draw = np.random.default_rng(1)
    late = frame["late"].to_numpy()
    return frame.assign(
        delay=np.where(late == 1, 30, 0) + draw.normal(0, 3, len(frame)),
        code=np.where(
            late == 1, draw.choice(["L1", "L2"], len(frame)), draw.choice(["T1", "T2"], len(frame))
        ),
        far=(late + 0.5 + draw.normal(0, 0.1, len(frame))) * draw.choice([-1, 1], len(frame)),
    )


def report(store: Store, root: Path, frame: pd.DataFrame, **features: Any) -> LeakageReport:
    spec = spec_of(features={**PLAIN, **features})
    return check_leakage(store, spec, make_version(store, root, frame, spec))


def test_honest_features_pass_and_what_can_not_be_proved_is_said(store: Store, tmp_path: Path) -> None:
    found = report(
        store,
        tmp_path,
        World().frame(),
        columns=[*PLAIN["columns"], "ordered"],
        sql="SELECT amount FROM rows",
    )
    assert found.passed
    assert found.severity == "fail"
    assert 0.6 < found.strengths[0].auc < 0.85
    assert len(found.cuts) == 3
    assert found.unproved == ("amount", "country", "express"), "the event's own time is known"
    assert "no leakage found: the strongest feature is amount" in explain(found)
    assert LeakageReport.from_bytes(found.to_bytes()) == found


def test_features_that_know_the_outcome_are_named(store: Store, tmp_path: Path) -> None:
    columns = ["amount", "delay", "code"]
    found = report(store, tmp_path, leaky(World().frame()), columns=columns, leakage={"severity": "warn"})
    assert found.leaks == ("code", "delay")
    assert found.severity == "warn"
    assert not found.passed
    assert "2 signs of leakage: code alone ranks the labels with AUC 1.000 (limit 0.85); delay" in explain(
        found
    )


def test_the_function_is_looked_at_and_not_only_the_columns(store: Store, tmp_path: Path) -> None:
    sql = "SELECT amount, CASE WHEN delay > 15 THEN 1 ELSE 0 END AS long FROM rows"
    found = report(store, tmp_path, leaky(World().frame()), columns=["amount", "delay"], sql=sql)
    assert found.leaks == ("long",)


def test_a_function_that_looks_at_other_rows_changes_when_the_future_is_cut_off(
    store: Store, version: DatasetVersion
) -> None:
    spec = spec_of(features={"columns": COLUMNS, "function": "tests.core.training.order_features:batch_mean"})
    found = check_leakage(store, spec, version)
    assert not found.leaks
    assert {change.feature for change in found.changes} == {"relative"}
    assert {change.at for change in found.changes} == set(found.cuts)
    assert "relative differs in " in explain(found)
    assert "when the future is cut off at 2024-01-" in explain(found)


def test_a_column_that_a_batch_lacks_is_a_change(store: Store, tmp_path: Path) -> None:
    frame = World().frame()
    frame.loc[frame.index < 1000, "country"] = "AT"
    spec = spec_of(features={"columns": COLUMNS, "function": "tests.core.training.order_features:dummies"})
    found = check_leakage(store, spec, make_version(store, tmp_path, frame, spec))
    assert {change.feature for change in found.changes} >= {"country_DE", "country_FR"}


@pytest.fixture
def joined(store: Store, tmp_path: Path) -> tuple[ModelSpec, DatasetVersion]:
    """Orders with the newest rate of their country."""
    frame = World().frame()
    rates = pd.DataFrame({"known": frame["ordered"].iloc[::7], "country": frame["country"].iloc[::7]})
    rates = rates.assign(rate=np.arange(len(rates), dtype="float64"), word="w" + rates["country"].astype(str))
    path = tmp_path / "data" / "rates" / "all.parquet"
    path.parent.mkdir(parents=True)
    rates.to_parquet(path, index=False)
    one = {
        "name": "rates",
        "source": "rates/*.parquet",
        "event_time": "known",
        "by": ["country"],
        "columns": ["rate", "word"],
    }
    data = {"source": "orders/*.parquet", "event_time": "ordered", "label": "late", "joins": [one]}
    spec = spec_of(data=data, features={"columns": ["amount", "country", "rate"]})
    version = make_version(store, tmp_path / "data", frame, spec)
    return spec, join(store, open_data_root(str(tmp_path / "data")), spec, version, by="ann")


def test_our_join_does_not_change_when_the_future_is_cut_off(
    store: Store, joined: tuple[ModelSpec, DatasetVersion]
) -> None:
    spec, version = joined
    found = check_leakage(store, spec, version)
    assert found.passed
    assert found.unproved == ("amount", "country"), "a joined column was known by its own time"


def test_a_join_that_looked_ahead_is_named_also_below_other_changes(
    store: Store, joined: tuple[ModelSpec, DatasetVersion]
) -> None:
    """As a join by load time makes it: rows of the last ten days got what was known only later."""
    spec, version = joined
    assert version.derivation is not None

    def ahead(batch: pa.RecordBatch) -> pa.RecordBatch:
        frame = batch.to_pandas()
        frame["rate"] = frame.groupby("country", dropna=False)["rate"].shift(-1)
        return pa.RecordBatch.from_pandas(frame, schema=batch.schema, preserve_index=False)

    wrong = derive(store, version, map(ahead, read_batches(store, version)), version.derivation)
    review = Derivation(kind="review", parents=(wrong.ref,), by="ann", note="labels")
    reviewed = derive(store, wrong, read_batches(store, wrong), review)
    for one in (wrong, reviewed):
        found = check_leakage(store, spec, one)
        assert {change.feature for change in found.changes} == {"rate"}
        assert all(change.rows > 0.05 * change.of for change in found.changes)


def test_an_aggregate_over_the_whole_table_differs_from_the_older_version(
    store: Store, tmp_path: Path
) -> None:
    """As a query computes it: the mean of all days, also of those that come after the row."""
    frame = World().frame().assign(order_id=np.arange(1200))
    data = {"source": "orders/*.parquet", "event_time": "ordered", "label": "late", "id": "order_id"}
    spec = spec_of(data=data, features={"columns": ["amount", "usual"]}, split={"test": "5d"})

    def version(rows: int) -> DatasetVersion:
        part = frame.iloc[:rows]
        usual = part.groupby("country", dropna=False)["amount"].transform("mean")
        return make_version(store, tmp_path / str(rows), part.assign(usual=usual), spec)

    old, new = version(800), version(1200)
    assert check_leakage(store, spec, new).passed, "one version alone can't show it"
    found = check_leakage(store, spec, new, earlier=old)
    assert [(one.feature, one.how) for one in found.changes] == [("usual", "snapshot")]
    assert found.compared_with == old.ref
    assert "usual differs in 800 of 800 rows from the version that ended at 2024-01-27" in explain(found)


def test_an_older_version_that_can_not_be_compared_is_told(store: Store, version: DatasetVersion) -> None:
    found = check_leakage(store, spec_of(), version, earlier=version)
    assert found.passed
    assert "names no data.id" in found.notes[0]


@pytest.mark.parametrize("feature", ["delay", "code", "far"])
def test_strength_finds_an_order_a_category_and_a_distance_from_the_middle(feature: str) -> None:
    frame = leaky(World().frame())
    labels = frame["late"].to_numpy(dtype=float)
    assert strength(frame[feature], labels, "binary") > 0.95
    values = frame[feature].copy()
    values[labels == 1] = None
    assert strength(values, labels, "binary") == pytest.approx(1), "missing for one class only"


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(np.random.default_rng(0).normal(size=2000)),
        pd.Series([f"id{number}" for number in range(2000)]),
        pd.Series([None] * 2000, dtype=object),
        pd.Series([np.nan] * 2000),
        pd.Series([1.0] * 2000),
        pd.Series(pd.array([True, False, None, True] * 500, dtype="boolean")),
    ],
    ids=["noise", "ids", "nothing", "nan", "constant", "flags"],
)
@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_strength_of_what_says_nothing_is_chance(values: pd.Series, objective: str) -> None:
    draw = np.random.default_rng(3)
    labels = (draw.random(2000) < 0.3).astype(float) if objective == "binary" else draw.normal(size=2000)
    assert 0.5 <= strength(values, labels, objective) < 0.55


def test_strength_agrees_with_the_area_under_the_curve() -> None:
    from sklearn.metrics import roc_auc_score

    draw = np.random.default_rng(5)
    labels = (draw.random(3000) < 0.2).astype(float)
    values = pd.Series((labels + draw.normal(0, 1, 3000)).round(1))
    expected = roc_auc_score(labels, values)
    assert strength(values, labels, "binary") == pytest.approx(expected, abs=0.01)
    assert strength(-values, labels, "binary") == pytest.approx(expected, abs=0.01)


def test_strength_of_a_regression_is_of_ranks() -> None:
    draw = np.random.default_rng(5)
    labels = draw.normal(size=2000)
    assert strength(pd.Series(np.exp(labels)), labels, "regression") == pytest.approx(1)
    assert strength(pd.Series(labels**2), labels, "regression") < 0.6
    noisy = pd.Series(labels + draw.normal(size=2000))
    rho = noisy.corr(pd.Series(labels), method="spearman")
    assert strength(noisy, labels, "regression") == pytest.approx((1 + rho) / 2, abs=0.02)


def test_one_class_only_is_one_line(store: Store, tmp_path: Path) -> None:
    frame = World().frame()
    frame.loc[frame["ordered"] < "2024-02-01", "late"] = 0
    with pytest.raises(DataError, match="late has not two different values in the train part; given only 0"):
        report(store, tmp_path, frame)


def test_a_wide_table(store: Store, tmp_path: Path) -> None:
    rows = 400
    wide = pd.DataFrame(
        np.random.default_rng(0).normal(size=(rows, 2000)), columns=[f"c{i}" for i in range(2000)]
    )
    frame = pd.concat([World(rows).frame(), wide], axis=1)
    frame["c1999"] = frame["late"] + 0.0
    found = report(store, tmp_path, frame, columns=list(wide.columns))
    assert found.strengths[0].feature == "c1999"
    assert "c1999" in found.leaks


def test_real_flights_name_the_departure_delay_and_no_other(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_mlops.demo.flights import write_month

    dags = Path(__file__).parents[3] / "dags"
    monkeypatch.syspath_prepend(str(dags))
    spec = ModelSpec.from_yaml(dags / "flight_delay.yaml").with_overrides(
        {
            "features": {
                "function": "flight_delay_features:features_with_departure_delay",
                "columns": [*ModelSpec.from_yaml(dags / "flight_delay.yaml").features.columns, "dep_delay"],
            },
            "split": {"test": "7d"},
        }
    )
    write_month(1, tmp_path / "data")
    version = snapshot(store, open_data_root(str(tmp_path / "data")), spec)
    found = check_leakage(store, spec, version)
    assert found.leaks == ("dep_delay",)
    assert found.strengths[1].auc < 0.7
    assert found.changes == ()
