"""The stores that the contract holds for, each on a real place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.store import Store
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.store.s3 import S3Store
from tests.servers import S3Server, ServerMissingError, ministack, radosgw


@pytest.fixture(scope="session")
def radosgw_server() -> Iterator[S3Server]:
    try:
        with radosgw() as server:
            yield server
    except ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def ministack_server() -> Iterator[S3Server]:
    try:
        with ministack() as server:
            yield server
    except ServerMissingError as error:
        pytest.skip(str(error))


@functools.cache
def _client(server: S3Server) -> Any:
    """One client for all tests: boto3 takes 0.1 s to make one, and it may be shared by threads."""
    return server.client()


STORES = [
    pytest.param("folder", id="folder"),
    pytest.param("radosgw", id="radosgw", marks=pytest.mark.s3),
    pytest.param("ministack", id="ministack", marks=pytest.mark.s3),
]


@pytest.fixture(params=STORES)
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens one and the same fresh, empty store, each time as another process would."""
    if request.param == "folder":
        return lambda: FolderStore(tmp_path / "store")
    server: S3Server = request.getfixturevalue(f"{request.param}_server")
    client = _client(server)
    bucket = server.make_bucket(client)
    return lambda: S3Store(bucket, "some/prefix", client)


@pytest.fixture
def store(open_again: Callable[[], Store]) -> Store:
    return open_again()
