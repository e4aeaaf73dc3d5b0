"""The server on an S3 store: it follows, answers and captures as on a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving.capture import GroundTruth
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.ground_truth import append_ground_truth, read_ground_truth
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.serving.server import Pace
from airflow_mlops.core.store.s3 import S3Store
from tests.core.serving.fakes import MODEL, ROW, SOON, deploy, running
from tests.servers import ServerMissingError, ministack
from tests.waiting import wait_until

pytestmark = pytest.mark.s3


@pytest.fixture
def store() -> Iterator[S3Store]:
    try:
        with ministack() as server:
            client = server.client()
            yield S3Store(server.make_bucket(client), "some/prefix", client)
    except ServerMissingError as error:
        pytest.skip(str(error))


def test_follow_answer_capture_and_labels(store: S3Store, tmp_path: Path) -> None:
    assert Pace.of(store) == Pace(poll=1.0, ship=5.0)
    since = utc_now()
    deploy(store, "promote", 1)
    with running(store, spool=tmp_path / "spool") as url:
        endpoint = LocalEndpoint(url, MODEL, store)
        endpoint.reconcile(deploy(store, "shadow", 1, 2), SOON)
        assert [endpoint.invoke([ROW], inference_id=f"id{n}").variant for n in range(10)] == ["v1"] * 10
        wait_until(lambda: len(list(read_captures(store, MODEL, since))) == 20)
        found = deploy(store, "promote", 2)
        wait_until(lambda: endpoint.describe() == found)
        endpoint.invoke([ROW])
    records = list(read_captures(store, MODEL, since))
    assert [record.variant for record in records].count("v1") == 10
    assert [(record.variant, record.role) for record in records].count(("v2", "champion")) == 1
    labels = [GroundTruth(inference_id=f"id{n}", label=1, at=since) for n in range(10)]
    append_ground_truth(store, MODEL, labels)
    append_ground_truth(store, MODEL, labels)
    assert list(read_ground_truth(store, MODEL, since)) == labels
