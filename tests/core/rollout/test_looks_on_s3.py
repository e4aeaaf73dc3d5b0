"""What a look at a waiting rollout costs on S3: one listing per variant, however much was captured before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout.conduct import Conductor
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.hours import children, file_name, hour_of
from airflow_mlops.core.serving.lines import capture_line
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store.s3 import S3Store
from tests.core.registry import world
from tests.servers import ServerMissingError, ministack

pytestmark = pytest.mark.s3
GATES = [{"metric": "error_rate", "margin": 0.3}]


@pytest.fixture
def store() -> Iterator[S3Store]:
    try:
        with ministack() as server:
            client = server.client()
            yield S3Store(server.make_bucket(client), "some/prefix", client)
    except ServerMissingError as error:
        pytest.skip(str(error))


def counted(store: S3Store) -> Counter[str]:
    calls: Counter[str] = Counter()

    def count(model: object, **given: object) -> None:
        calls[str(getattr(model, "name", model))] += 1

    store._client.meta.events.register("before-call.s3", count)
    return calls


def capture(store: S3Store, number: int) -> None:
    """One answer of each variant, in a file of its own."""
    at = utc_now()
    for variant, role in (("v1", "champion"), ("v2", "shadow")):
        record = CaptureRecord(
            event_id=f"{number}-{variant}",
            inference_id=f"{number}",
            variant=variant,
            role=role,
            at=at,
            latency_ms=1.0,
            status=200,
            key=f"{number:016x}",
            rows=({"amount": 1.0},),
            predictions=(0.5,),
            deployment=2,
        )
        name = f"captures/{world.MODEL}/{variant}/{hour_of(at)}/{file_name(at, f'{number}')}"
        store.create(name, capture_line(world.MODEL, record))


def test_a_look_lists_each_variant_once_and_reads_what_is_new(store: S3Store) -> None:
    world.register_many(store, 2)
    log = DeploymentLog(store, world.MODEL)
    log.promote(1, who="ann", why="first", run="one")
    log.challenge(2, weight=0.0, lease=timedelta(hours=1), who="ann", why="try", run="two")
    for number in range(20):
        capture(store, number)
    spec = world.spec(rollout={"shadow": {"gates": GATES}})
    endpoint = LocalEndpoint("http://127.0.0.1:1", world.MODEL, store)
    conductor = Conductor(store=store, endpoint=endpoint, spec=spec, run="two", who="ann")
    assert conductor.assess("shadow", 2).counts["captures"] == 40
    calls = counted(store)
    assert conductor.assess("shadow", 2).counts["captures"] == 40
    # is there a new deployment, the present one, the variants, and what is new of each
    assert calls == {"HeadObject": 1, "GetObject": 1, "ListObjectsV2": 3}
    calls.clear()
    capture(store, 20)
    calls.clear()
    assert conductor.assess("shadow", 2).counts["captures"] == 42
    # and what it found is written down
    assert calls == {"HeadObject": 2, "GetObject": 3, "ListObjectsV2": 3, "PutObject": 1}


def test_children_are_the_folders_alone(store: S3Store) -> None:
    for key in (
        "captures/orders/v1/a/b",
        "captures/orders/v10/a",
        "captures/orders/v2/a",
        "captures/orders/note",
    ):
        store.create(key, b"x")
    assert list(children(store, "captures/orders/")) == ["v1", "v10", "v2"]
    assert list(children(store, "captures/other/")) == []
