from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from airflow_mlops.core.lineage.naming import (
    DatasetPart,
    ModelPart,
    Name,
    asset_name,
    dataset_name,
    location_name,
    model_name,
)


@pytest.mark.parametrize(
    "uri, path, expected",
    [
        ("/srv/data", "flights/1.parquet", Name("file", "/srv/data/flights/1.parquet")),
        ("file:///srv/my%20data", "1.csv", Name("file", "/srv/my data/1.csv")),
        ("/srv/data/", "", Name("file", "/srv/data")),
        ("s3://bucket", "a/b.csv", Name("s3://bucket", "a/b.csv")),
        ("s3://bucket/pre/fix/", "b.csv", Name("s3://bucket", "pre/fix/b.csv")),
        ("s3://bucket/pre", "", Name("s3://bucket", "pre")),
    ],
)
def test_files_and_objects_are_named_as_openlineage_says(uri, path, expected):
    assert location_name(uri, path) == expected


def test_a_relative_folder_is_named_absolutely(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert location_name("data", "x.csv") == Name("file", (Path(tmp_path) / "data/x.csv").as_posix())


def test_the_client_names_files_and_objects_the_same():
    from openlineage.client.naming.dataset import S3, LocalFileSystem

    there = S3(bucket_name="bucket", object_key="a/b.csv")
    assert location_name("s3://bucket/a", "b.csv") == Name(there.get_namespace(), there.get_name())
    here = LocalFileSystem(path="/srv/x.csv")
    assert location_name("/srv", "x.csv") == Name(here.get_namespace(), here.get_name())


def test_an_asset_and_the_dataset_of_a_stage_have_one_name():
    assert asset_name("mldataset://flight_delay") == dataset_name("flight_delay")
    assert asset_name("mldataset://flight_delay/") == dataset_name("flight_delay")
    assert asset_name("mlmodel://flight_delay") == model_name("flight_delay")
    assert asset_name("mlmodel://flight_delay/retrain") == model_name("flight_delay", "retrain")


@pytest.mark.parametrize("part", get_args(ModelPart))
def test_every_part_of_a_model_is_an_asset(part):
    assert asset_name(f"mlmodel://m/{part}") == model_name("m", part)


@pytest.mark.parametrize("part", get_args(DatasetPart))
def test_every_part_of_a_dataset_is_an_asset(part):
    assert asset_name(f"mldataset://d__joined/{part}") == dataset_name("d__joined", part)


@pytest.mark.parametrize("uri", ["s3://bucket/key", "flight_delay", ""])
def test_what_is_not_ours_has_no_name(uri):
    assert asset_name(uri) is None


@pytest.mark.parametrize(
    "uri",
    [
        "mlmodel://",
        "mlmodel:///m",
        "mlmodel://m/typo",
        "mldataset://d/retrain",
        "mlmodel://m/versions/../retrain",
        "mlmodel://m/%2e%2e",
        "mlmodel://ann:secret@m",
        "mlmodel://m:80",
        "mlmodel://M",
        "mlmodel://m?x=1",
        "mlmodel://m#x",
        "mlmodel://m/" + "x" * 10_000,
    ],
)
def test_what_names_no_model_or_part_is_one_clear_line(uri):
    with pytest.raises(ValueError, match=r"is one of (candidate|quarantine)") as caught:
        asset_name(uri)
    assert len(str(caught.value)) < 400
