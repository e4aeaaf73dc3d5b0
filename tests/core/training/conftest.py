"""A small labelled data set in a store, as a snapshot of real files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store import Store, open_store
from tests.core.aws.world import simulated
from tests.core.training.sagemaker_world import Jobs, orders
from tests.core.training.world import World, make_version, spec_of
from tests.servers import S3Server, ministack


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def version(store: Store, tmp_path: Path) -> DatasetVersion:
    return make_version(store, tmp_path / "data", World().frame(), spec_of())


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with ministack() as server:
        yield server


@pytest.fixture
def jobs(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Jobs on a simulator of their own."""
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    with simulated(contextlib.nullcontext(s3_server)) as aws:
        yield orders(aws, tmp_path)
