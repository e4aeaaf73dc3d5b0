"""New data on S3: entity tags, whole seconds, and what long listings cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_mlops.core.data import arrival_watch
from airflow_mlops.core.data.arrival import Complete, Rule
from airflow_mlops.core.data.arrival_watch import ArrivalWatcher, Watched
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store import Store
from tests.servers import S3Server, ministack, radosgw

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
pytestmark = pytest.mark.s3


@pytest.fixture(scope="module", params=["ministack", "radosgw"])
def server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    with ExitStack() as stack:
        yield stack.enter_context(ministack() if request.param == "ministack" else radosgw())


class Lake:
    def __init__(self, server: S3Server, store: Store, complete: Complete, settle: float = 60.0) -> None:
        self.client = server.client()
        self.bucket = server.make_bucket(self.client)
        self.requests: list[dict[str, Any]] = []
        self.client.meta.events.register(
            "provide-client-params.s3.ListObjectsV2", lambda params, **_: self.requests.append(params)
        )
        root = open_data_root(f"s3://{self.bucket}/raw", self.client)
        self.watcher = ArrivalWatcher(store, root, Watched("trips", "in/**/*.csv", Rule(complete, settle)))

    def put(self, path: str, body: bytes = b"x") -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"raw/{path}", Body=body)

    def announce(self, clock: float, interval: float = 0.0) -> list[list[str]]:
        found = self.watcher.look(clock, NOW, interval).batches
        for batch in found:
            self.watcher.announced(batch, NOW)
        return [[one.path for one in batch.files] for batch in found]


def test_a_batch_with_success_is_announced_once_and_again_when_it_is_rewritten(
    server: S3Server, store: Store
) -> None:
    lake = Lake(server, store, "success")
    assert lake.announce(0) == []
    lake.put("in/day=1/a.csv")
    lake.put("other/b.csv")
    assert lake.announce(1) == []
    lake.put("in/day=1/_SUCCESS", b"")
    # Written within one second or not: the second look knows.
    assert lake.announce(2) + lake.announce(3) == [["in/day=1/a.csv"]]
    lake.put("in/day=1/a.csv")  # the same bytes
    lake.put("in/day=1/_SUCCESS", b"")
    assert lake.announce(4) + lake.announce(5) == []
    lake.put("in/day=1/a.csv", b"new")
    lake.put("in/day=1/_SUCCESS", b"")
    assert lake.announce(6) + lake.announce(7) == [["in/day=1/a.csv"]]


def test_a_manifest_is_read_from_the_bucket(server: S3Server, store: Store) -> None:
    lake = Lake(server, store, "manifest")
    lake.put("in/manifest.json", b'{"files": [{"path": "a.csv", "size": 3}]}')
    assert lake.announce(0) == []
    lake.put("in/a.csv", b"abc")
    assert lake.announce(1) == [["in/a.csv"]]


def test_of_a_long_listing_only_the_end_is_asked_for_each_time(
    server: S3Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival_watch, "_FEW_PAGES", 1)
    lake = Lake(server, store, "settled", settle=1.0)
    lake.put("in/day=1/a.csv")
    lake.put("in/day=2/a.csv")
    lake.announce(0, 10)
    assert len(lake.announce(10, 10)) == 2
    lake.announce(20, 10)  # all of it: now its end is known
    lake.requests.clear()
    lake.put("in/day=1/late.csv")
    lake.put("in/day=3/a.csv")
    assert lake.announce(21, 10) == []
    assert lake.announce(23, 10) == [["in/day=3/a.csv"]]
    assert [one["StartAfter"] for one in lake.requests] == ["raw/in/day=2/a.csv"] * 2
    assert lake.announce(31, 10) == []
    assert lake.announce(42, 10) == [["in/day=1/late.csv"]]


def test_a_bucket_that_is_not_there_is_one_line(server: S3Server, store: Store) -> None:
    root = open_data_root("s3://no-such-bucket-here/raw", server.client())
    watcher = ArrivalWatcher(store, root, Watched("trips", "in/*.csv", Rule("settled", 1.0)))
    with pytest.raises(DataError) as error:
        watcher.look(0, NOW)
    assert "\n" not in str(error.value)
