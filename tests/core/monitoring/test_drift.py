"""One look at a model from end to end: store, snapshot, model, table of answers and logs are real."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.monitoring.deciding import conclude_look
from airflow_mlops.core.monitoring.drift import look_for_drift
from airflow_mlops.core.monitoring.look import monitoring_log
from airflow_mlops.core.monitoring.performance.looking import look_at_performance
from airflow_mlops.core.monitoring.period import Period, period_of
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.monitoring.wording import explain
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.store.results import keep
from airflow_mlops.spec import ModelSpec
from tests.core.monitoring.watched import MODEL, Endpoint, released, taken_in, traffic

HOUR = timedelta(hours=1)
ONE = {"windows": 1, "of": 1}


@pytest.fixture
def spec(make_spec: Callable[..., ModelSpec]) -> ModelSpec:
    base = make_spec(columns=("distance", "carrier", "snow"), window="1h")
    return base.with_overrides(
        {"training": {"rounds": 10}, "split": {"test": "6h"}, "monitoring": {"retrain": ONE}}
    )


@pytest.fixture
def version(store: Store, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetVersion:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    return released(store, spec, tmp_path / "data")


@pytest.fixture
def begin(version: DatasetVersion) -> datetime:
    """When the traffic begins: right after the release."""
    return utc_now()


def look(store: Store, spec: ModelSpec, endpoint: Endpoint, until: datetime) -> DriftReport:
    taken_in(store, endpoint, until)
    period = period_of(store, MODEL, until=until, window=spec.monitoring.window)
    return look_for_drift(store, spec, period)


def test_what_drifted_is_named_by_what_it_matters(
    store: Store, spec: ModelSpec, version: DatasetVersion, begin: datetime
) -> None:
    report = look(store, spec, traffic(store, begin, shift=900), begin + HOUR)
    assert report.outcome == "drift"
    assert report.drifted[0] == "distance"
    assert (report.champion, report.rows, report.reference_rows) == (1, 600, 3000)
    assert report.dataset == version.ref
    assert report.share > 0.5, "the label is made of the distance"
    assert report.report_html is not None
    assert b"<html" in get_bytes(store, report.report_html)[:2000].lower()


def test_the_same_period_gives_the_same_report_whatever_came_after_it(
    store: Store, spec: ModelSpec, begin: datetime
) -> None:
    until = begin + HOUR
    asked = traffic(store, begin).records
    first = look(store, spec, Endpoint(*asked), until)
    assert first.outcome == "stable", explain(first)
    again = look(store, spec, Endpoint(*asked, *traffic(store, until, shift=900).records), until)
    assert again.to_bytes() == first.to_bytes()


def test_no_traffic_and_no_champion_are_inconclusive(store: Store, spec: ModelSpec, begin: datetime) -> None:
    quiet = look(store, spec, Endpoint(), begin + HOUR)
    assert (quiet.outcome, quiet.reason) == ("inconclusive", "0 live rows, monitoring.min_rows is 200")
    before = look(store, spec, traffic(store, begin), begin - HOUR)
    assert (before.outcome, before.champion) == ("inconclusive", None)


def test_the_champion_of_a_period_is_the_one_at_its_end(
    store: Store, spec: ModelSpec, begin: datetime
) -> None:
    DeploymentLog(store, MODEL).fallback(who="test", why="broken", run="f")
    period = period_of(store, MODEL, until=begin, window=HOUR)
    assert period == Period(since=begin - HOUR, until=begin, champion=1)
    naive = begin.replace(tzinfo=None)
    with pytest.raises(SpecError, match="no time zone"):
        period_of(store, MODEL, until=naive, window=HOUR)


def test_a_wrong_column_is_named(store: Store, spec: ModelSpec, begin: datetime) -> None:
    wrong = spec.with_overrides({"monitoring": {"columns": ["wind"]}})
    with pytest.raises(SpecError, match=r"given wind; expected some of features\.columns"):
        look(store, wrong, traffic(store, begin), begin + HOUR)


def test_a_look_is_written_down_once(store: Store, spec: ModelSpec, begin: datetime) -> None:
    until = begin + HOUR
    report = look(store, spec, traffic(store, begin, shift=900), until)
    table = taken_in(store, Endpoint(), until)
    performance = look_at_performance(store, spec, table, champion=1, since=begin, until=until, as_of=until)
    kept = {"drift": keep(store, report), "performance": keep(store, performance)}
    later = until + timedelta(days=2)
    first = conclude_look(store, spec, **kept, run="flight_delay.monitor/1", now=later)
    assert first == conclude_look(store, spec, **kept, run="flight_delay.monitor/1", now=later + HOUR)
    assert [number for number, _ in monitoring_log(store, MODEL).entries()] == [1]
    assert (first.outcome, first.columns, first.decision.retrain) == ("drift", report.drifted, True)
    past = conclude_look(store, spec, **kept, run="flight_delay.monitor/2", now=later, backfill=True)
    assert (past.decision.retrain, past.decision.restraint) == (False, "backfill")
