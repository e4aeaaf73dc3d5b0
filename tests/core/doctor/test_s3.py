from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_mlops.core.doctor import Check, Finding, examine
from airflow_mlops.core.doctor.clock import check_clock
from airflow_mlops.core.doctor.places import check_data, check_store
from airflow_mlops.core.store import open_store
from tests.servers import S3Server, ministack

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with ministack() as running:
        yield running


def look(server: S3Server, uri: str, what: str) -> Finding:
    client = server.client()
    checks = {
        "store": lambda: check_store(uri, lambda: open_store(uri, client)),
        "data": lambda: check_data(uri, lambda: client),
    }
    (found,) = examine([Check(what, checks[what])])
    return found


def test_a_bucket_that_works(server: S3Server) -> None:
    bucket = server.make_bucket()
    found = look(server, f"s3://{bucket}/mlops", "store")
    assert (found.state, "one wins" in found.found) == ("ok", True)
    found = look(server, f"s3://{bucket}/gold", "data")
    assert (found.state, "not versioned" in found.found) == ("ok", True)
    found = look(server, f"s3://{server.make_bucket(versioned=True)}", "data")
    assert (found.state, "a snapshot copies nothing" in found.found) == ("ok", True)
    assert [one.said for one in check_clock({"S3": server.endpoint})] == ["agrees with that of S3"]


@pytest.mark.parametrize("what", ["store", "data"])
def test_a_bucket_that_is_not_there(server: S3Server, what: str) -> None:
    found = look(server, "s3://no-such-bucket-here/mlops", what)
    assert (found.state, "no-such-bucket-here" in found.said) == ("problem", True)
