"""A look at performance from end to end, on flights: a model of January to June, and the months after it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.evaluation.metrics import known_metrics, measure
from airflow_mlops.core.evaluation.run import evaluate
from airflow_mlops.core.monitoring.performance.looking import explain, look_at_performance
from airflow_mlops.core.monitoring.performance.report import PerformanceReport
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import open_store
from airflow_mlops.core.store.blobs import blob_key, get_bytes
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from tests.core import flights
from tests.core.monitoring.live import Batches, Table, answers

MONTH = timedelta(days=30)
END = datetime(2013, 12, 31, tzinfo=timezone.utc)
AFTER = END + MONTH
GATES = ({"metric": "auc", "min": 0.65}, {"metric": "log_loss", "margin": 0.3})


def spec_of(objective="binary", **performance: Any):
    performance = {"periods": 4, "gates": GATES, "slices": ("origin",), **performance}
    regression = objective == "regression"
    return flights.spec(
        data={
            "source": "flights/*.parquet",
            "event_time": "time_hour",
            "label": "distance" if regression else "late",
        },
        features={"columns": ("carrier", "origin", "hour") if regression else flights.COLUMNS},
        training={"objective": objective, "rounds": 40},
        evaluation={
            "gates": [{"metric": "r2", "min": -9} if regression else {"metric": "auc", "min": 0.5}],
            "slices": ["origin"],
        },
        monitoring={"window": "30d", "min_rows": 200, "freshness": "1d", "performance": performance},
    )


class World:
    """A released model, and answers to the flights of July to December."""

    def __init__(self, folder: Any, objective: str = "binary") -> None:
        self.store = open_store(str(folder / "store"))
        self.root = open_data_root(str(folder / "data"))
        self.spec = spec_of(objective)
        sample = flights.sample(400)
        (folder / "data" / "flights").mkdir(parents=True)
        known = sample[sample["month"] <= 6].drop(columns="month")
        known.to_parquet(folder / "data" / "flights" / "1.parquet", index=False)
        version = snapshot(self.store, self.root, self.spec)
        trained = train(self.store, self.spec, version)
        evaluation = evaluate(self.store, self.spec, version, trained, champion=None)
        Registry(self.store, "flight_delay").register(
            trained=trained, evaluation=evaluation, dataset=version.ref, spec=self.spec,
            validation=None, run=None, by="ann",
        )  # fmt: skip
        self.evaluation = evaluation
        live = sample[sample["month"] > 6].reset_index(drop=True)
        scores = Predictor.load(self.store, trained).predict_frame(live)
        raw = live[list(self.spec.features.columns)]
        self.answers = answers(raw, scores, live[self.spec.data.label], live["time_hour"])

    def look(self, table: Any = None, *, until=END, as_of=AFTER, champion=1, taken=None, **performance: Any):
        table = Table(self.answers) if table is None else table
        spec = spec_of(self.spec.training.objective, **performance) if performance else self.spec
        return look_at_performance(
            self.store, spec, table, champion=champion, since=until - MONTH, until=until, as_of=as_of,
            root=self.root, taken=taken,
        )  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="module")
def report(world):
    return world.look()


def whole(report: PerformanceReport):
    return [one for one in report.periods if one.slice is None]


def test_each_period_is_measured_as_the_evaluation_measures(world, report):
    assert [one.until for one in whole(report)] == [END - back * MONTH for back in (3, 2, 1, 0)]
    for period in whole(report):
        rows = world.answers[(world.answers["_at"] >= period.since) & (world.answers["_at"] < period.until)]
        expected = measure("binary", rows["_label"].to_numpy(), rows["_prediction"].to_numpy())
        assert period.rows == period.labelled == len(rows)
        assert {name: one.value for name, one in period.measured.items()} == pytest.approx(
            expected, rel=1e-12
        )
        assert all(one.low <= one.value <= one.high for one in period.measured.values())
    assert report.baseline == world.evaluation.metrics
    assert report.objective == "binary"


def test_slices_follow_all_rows_of_their_period(report):
    newest = [one for one in report.periods if one.until == END]
    assert newest[0].slice is None
    assert {one.slice for one in newest[1:]} == {"origin=EWR", "origin=JFK", "origin=LGA"}
    assert sum(one.rows for one in newest[1:]) == newest[0].rows
    assert newest[1].measured["auc"].low < newest[0].measured["auc"].low


def test_estimates_know_nothing_of_labels(world, report):
    told = world.answers.assign(_label=1 - world.answers["_label"])
    for table, as_of in ((Table(told), AFTER), (Table(world.answers), END - 10 * MONTH)):
        found = world.look(table, as_of=as_of)
        assert [one.estimated for one in found.periods] == [one.estimated for one in report.periods]
    assert set(whole(report)[0].estimated) == set(known_metrics("binary"))


def test_before_labels_come_the_estimate_is_judged(world):
    found = world.look(as_of=END - 10 * MONTH)
    assert (found.judged_on, found.errors) == ("estimated", ())
    assert all(one.labelled == 0 and not one.measured for one in found.periods)
    assert "0 of 4 periods measured, 4 estimated" in found.reason
    assert "estimated" in found.gates[0].reason


def test_on_flights_estimates_are_off_because_the_season_changes(report):
    """Summer storms are gone in autumn: the same scores come true less often, which no score shows."""
    off = {one.since: one for one in report.errors if one.metric == "log_loss"}
    assert len(off) == 4
    assert np.mean([abs(one.estimated - one.measured) for one in off.values()]) > 0.03
    for one in off.values():
        period = next(period for period in whole(report) if period.since == one.since)
        estimate = period.estimated["log_loss"]
        assert one.estimated == estimate.value
        assert one.within == (estimate.low <= period.measured["log_loss"].value <= estimate.high)


def test_where_labels_mean_what_they_did_estimates_hold(world):
    """The held-out calibration is made true: labels are drawn by it."""
    from airflow_mlops.core.monitoring.estimation.champion import estimator_of

    estimator = estimator_of(
        world.store, "flight_delay", 1, objective="binary", columns=(), event_time="time_hour", period=MONTH
    )
    p = estimator.calibration.probabilities(world.answers["_prediction"].to_numpy())
    drawn = (np.random.default_rng(0).random(len(p)) < p).astype(float)
    found = world.look(Table(world.answers.assign(_label=drawn)), periods=6)
    assert len(found.errors) == 6 * len(known_metrics("binary"))
    assert np.mean([one.within for one in found.errors]) > 0.85
    assert "outside of their interval" not in found.reason


def test_estimates_that_were_wrong_are_no_longer_trusted(world):
    """Everything comes true three times as often as ever; the newest period has no labels yet."""
    random = np.random.default_rng(1)
    labels = (random.random(len(world.answers)) < 0.75).astype(float)
    late = np.where(world.answers["_at"] >= END - MONTH, END + MONTH, world.answers["_at"])
    wrong = world.answers.assign(
        _label=labels, _label_at=pd.to_datetime(late, utc=True).astype("datetime64[us, UTC]")
    )
    found = world.look(Table(wrong), as_of=END, gates=({"metric": "log_loss", "max": 0.1},))
    assert "3 of 3 estimates of log_loss were outside of their interval" in found.reason
    assert found.judged_on == "estimated"
    assert (found.gates[0].outcome, found.gates[0].reason[:8]) == ("fail", "measured")
    alone = world.look(Table(wrong), as_of=END, gates=({"metric": "log_loss", "max": 0.1},), min_labelled=1.0)
    assert alone.gates[0].outcome == "fail"


def test_the_same_look_later_gives_the_same_bytes(world, report):
    late = answers(
        world.answers[list(flights.COLUMNS)],
        world.answers["_prediction"],
        world.answers["_label"],
        END + 9 * MONTH,
    )
    again = world.look(Batches(world.answers, late))
    assert again.to_bytes() == report.to_bytes()
    assert PerformanceReport.from_bytes(report.to_bytes()) == report


def test_the_page_holds_all_and_runs_nothing(world, report):
    page = get_bytes(world.store, report.page).decode()
    for heading in ("Gates", "Metrics", "Slices", "Earlier estimates", "Traffic", "Inputs", "Labels"):
        assert f">{heading}</h2>" in page
    assert "<script" not in page
    assert page.count("<svg") == len(known_metrics("binary"))
    assert "origin=EWR" in page
    assert world.store.exists(blob_key(report.page))


def test_what_requests_carry_is_escaped(world):
    odd = world.answers.copy()
    odd["origin"] = "<b>&"
    found = world.look(Table(odd))
    page = get_bytes(world.store, found.page).decode()
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;amp;" not in page
    assert "origin=&lt;b&gt;&amp;" in page


def test_one_line_says_it_all(report):
    line = explain(report)
    assert line.startswith("flight_delay v1: 4 of 4 periods measured")
    assert "measured log_loss" in line
    assert "stale" not in line
    assert "\n" not in line


def test_gates_on_slices_are_reported_and_judged(world):
    gate = {"metric": "auc", "min": 0.99, "slice": "carrier=UA"}
    found = world.look(gates=(gate,), slices=())
    assert {one.slice for one in found.periods} == {None, "carrier=UA"}
    assert found.gates[0].outcome == "fail"
    assert found.failed == found.gates
    unmeasured = world.look(gates=({**gate, "slice": "carrier=ZZ"},))
    assert unmeasured.gates[0].outcome == "inconclusive"


def test_a_slice_that_requests_do_not_carry_is_a_mistake_of_the_spec(world):
    with pytest.raises(SpecError, match="no column weather"):
        world.look(slices=("weather",))


def test_labels_that_do_not_come_are_counted(world):
    silent = world.answers.assign(_label=np.nan)
    found = world.look(
        Table(silent), label_delay="10d", as_of=END, taken=SimpleNamespace(unknown=3, skewed=2), periods=1
    )
    assert [one.until for one in whole(found)] == [END - MONTH, END], "those that wait for labels come on top"
    old = (silent["_at"] >= END - 2 * MONTH) & (silent["_at"] < END - timedelta(days=10))
    assert (found.overdue, found.unknown, found.skewed) == (old.sum(), 3, 2)
    assert "labels are overdue" in found.reason


def test_each_period_has_the_champion_of_its_time(world, monkeypatch):
    """Version 2 followed in October: its gates look at its own periods, and the old one's rows stay the old one's."""
    log = DeploymentLog(world.store, "flight_delay").log
    changed = END - 2 * MONTH
    entries = [
        (number, Deployment(action="promote", champion=champion, who="a", why="b", at=at))
        for number, champion, at in ((1, 1, END - 9 * MONTH), (2, 2, changed - timedelta(hours=1)))
    ]
    monkeypatch.setattr(type(log), "entries", lambda self, after=0: iter(entries))
    read = Registry.get
    monkeypatch.setattr(Registry, "get", lambda self, number: read(self, 1))
    new = world.answers["_at"] >= changed - timedelta(hours=1)
    found = world.look(Table(world.answers.assign(_variant=np.where(new, "v2", "v1"))), champion=2)
    assert [(one.champion, one.until) for one in whole(found)] == [
        (1, END - 3 * MONTH),
        (2, END - MONTH),
        (2, END),
    ]


def test_without_a_champion_or_traffic_nothing_is_measured(world):
    nobody = world.look(champion=None, periods=1)
    assert (nobody.periods, nobody.gates, nobody.judged_on, nobody.reason) == (
        (),
        (),
        None,
        "no champion serves",
    )
    assert nobody.traffic
    silent = world.look(until=END + 12 * MONTH, as_of=END + 12 * MONTH)
    assert (silent.periods, silent.traffic, silent.judged_on) == ((), (), None)
    assert [one.outcome for one in silent.gates] == ["inconclusive", "inconclusive"]
    assert "no answered request" in explain(silent)


def test_one_class_only_is_measured_as_far_as_it_can_be(world):
    found = world.look(Table(world.answers.assign(_label=0.0)), periods=1)
    assert set(found.newest.measured) == {
        "log_loss",
        "brier",
        "accuracy",
        "calibration_error",
        "precision",
        "f1",
    }
    assert found.newest.measured["precision"].value == 0.0


def test_too_few_held_out_rows_estimate_nothing(world, monkeypatch):
    monkeypatch.setattr("airflow_mlops.core.monitoring.estimation.champion.LEAST_OF_A_CLASS", 10_000)
    found = world.look(as_of=END - 10 * MONTH)
    assert all(not one.estimated for one in found.periods)
    assert "nothing is estimated: " in found.reason
    assert found.judged_on is None


def test_a_regression_is_measured_and_its_errors_are_estimated(tmp_path):
    world = World(tmp_path, "regression")
    found = world.look(gates=({"metric": "rmse", "max": 1.0}, {"metric": "r2", "min": -100.0}), periods=2)
    assert found.objective == "regression"
    assert set(found.newest.measured) == {"rmse", "mae", "r2"}
    assert set(found.newest.estimated) == {"rmse", "mae"}
    assert [one.outcome for one in found.gates] == ["fail", "pass"]
    for one in found.errors:
        assert one.estimated == pytest.approx(one.measured, rel=0.25)
