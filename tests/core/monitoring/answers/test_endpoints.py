"""The answers of real endpoints: the local server on a folder and on S3, and SageMaker's simulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.monitoring.answers import AnswersTable, settled_at
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving.capture import GroundTruth
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.ground_truth import append_ground_truth
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.store.s3 import S3Store
from tests.core.serving.fakes import FAILING, MODEL, ROW, SOON, deploy, running
from tests.core.serving.sagemaker.conftest import Place, make_place, place, world  # noqa: F401
from tests.servers import ServerMissingError, ministack
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def s3_store() -> Iterator[S3Store]:
    try:
        with ministack() as server:
            client = server.client()
            yield S3Store(server.make_bucket(client), "some/prefix", client)
    except ServerMissingError as error:
        pytest.skip(str(error))


def test_the_local_server_on_a_folder(tmp_path: Path) -> None:
    a_server_is_taken_in(FolderStore(tmp_path / "store"), tmp_path / "spool")


@pytest.mark.s3
def test_the_local_server_on_s3(s3_store: S3Store, tmp_path: Path) -> None:
    a_server_is_taken_in(s3_store, tmp_path / "spool")


def a_server_is_taken_in(store: Store, spool: Path) -> None:
    since = utc_now()
    deploy(store, "promote", 1)
    table = AnswersTable(store, MODEL)
    with running(store, spool=spool) as url:
        endpoint = LocalEndpoint(url, MODEL, store)
        endpoint.reconcile(deploy(store, "shadow", 1, 2), SOON)
        for number in range(10):
            endpoint.invoke([{**ROW, "x": float(number)}, ROW], inference_id=f"id{number}")
        wait_until(lambda: len(list(read_captures(store, MODEL, since))) == 20)
    until = utc_now()
    append_ground_truth(
        store, MODEL, [GroundTruth(inference_id=f"id{number}", label=1, at=until) for number in range(4)]
    )
    taken = table.take_in(endpoint, until=until)
    assert (taken.answers, taken.rows, taken.labels, taken.unknown) == (20, 40, 4, 0)
    assert table.take_in(endpoint, until=until).answers == 0
    live = table.read(since, utc_now(), variant="v1", role="champion").to_pylist()
    assert [row["x"] for row in live if row["_row"] == 0] == [float(number) for number in range(10)]
    assert [row["_prediction"] for row in live if row["_row"] == 1] == [1.001] * 10
    assert sum(row["_label"] == 1 for row in live) == 4
    shadows = table.read(since, utc_now(), role="shadow", columns=["_variant", "_label"]).to_pylist()
    assert Counter((row["_variant"], row["_label"]) for row in shadows) == {("v2", None): 16, ("v2", 1.0): 4}


def test_sagemaker_and_the_failures_that_it_only_counts(place: Place) -> None:  # noqa: F811
    place.deploy("canary", 1, FAILING, weight=0.5)
    clock = place.world.sagemaker
    since, endpoint, failed = clock.now(), place.endpoint(), 0
    for number in range(20):
        try:
            endpoint.invoke([ROW], inference_id=f"id{number}")
        except EndpointError:
            failed += 1
    clock.advance(timedelta(minutes=10))
    wait_until(lambda: len(list(endpoint.captures(since))) == 20)
    table = AnswersTable(place.store, MODEL)
    until = clock.now()
    taken = [table.take_in(place.endpoint(), until=until, now=until) for _ in range(2)]
    assert [(one.answers, one.duplicates) for one in taken] == [(20, 0), (0, 0)]
    rows = table.read(since.replace(second=0, microsecond=0), until).to_pylist()
    assert Counter(row["_status"] for row in rows) == {200: 20 - failed, 500: failed}
    assert failed > 0
    answered = [row for row in rows if row["_status"] == 200]
    assert {(row["x"], row["carrier"], row["_variant"], row["_role"]) for row in answered} == {
        (1.0, "UA", "v1", "champion")
    }
    assert all(row["_prediction"] is None and row["x"] is None for row in rows if row["_status"] == 500)
    append_ground_truth(
        place.store,
        MODEL,
        [GroundTruth(inference_id=f"id{number}", label=1, at=until) for number in range(20)],
    )
    later = table.take_in(place.endpoint(), until=until, now=until)
    assert (later.labels, later.unknown) == (20, failed)
    assert settled_at(until, endpoint) - until > timedelta(minutes=1)
