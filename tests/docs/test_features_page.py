"""The worked example of the page on features, on real flights of one month."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from airflow_mlops.core.data.join import join
from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.store import open_store
from airflow_mlops.core.training.leakage import check_leakage, explain
from airflow_mlops.core.training.run import train
from airflow_mlops.demo.flights import WEATHER, month_of
from airflow_mlops.spec import ModelSpec

ROOT = Path(__file__).parents[2]


def test_weather_is_joined_and_the_statement_trains_the_model_of_the_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_mlops.demo import flights as demo

    monkeypatch.syspath_prepend(str(ROOT / "dags"))
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    page = (ROOT / "docs/how-to/features.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    spec = ModelSpec(**yaml.safe_load(text)).with_overrides(
        {"split": {"test": "7d"}, "training": {"rounds": 5}}
    )
    for folder in ("flights", "weather"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    merged = month_of(2)
    merged.drop(columns=WEATHER).to_parquet(tmp_path / "data" / "flights" / "2.parquet", index=False)
    weather = pd.read_csv(demo._file("weather.csv"), usecols=["origin", "time_hour", *WEATHER])
    weather.to_csv(tmp_path / "data" / "weather" / "2013.csv", index=False)

    store, root = open_store(str(tmp_path / "store")), open_data_root(str(tmp_path / "data"))
    version = join(store, root, spec, snapshot(store, root, spec), by="ann")
    joined = read_frame(store, version).set_index("flight_id")
    for name in WEATHER:
        expected = merged.set_index("flight_id")[name].dropna()
        pd.testing.assert_series_equal(joined.loc[expected.index, name], expected)
        assert joined[name].notna().sum() >= len(expected), (
            "where that hour has no report, the one before it counts"
        )

    by_function = {"features": {"sql": None, "function": "flight_delay_features:features"}}
    models = [train(store, one, version) for one in (spec, spec.with_overrides(by_function))]
    assert models[0].artifact == models[1].artifact
    found = check_leakage(store, spec, version)
    assert found.passed, explain(found)
    assert found.unproved == ("carrier", "origin", "dest", "distance")
