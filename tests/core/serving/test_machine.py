"""The server says what its process takes of the machine, for each variant alike."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving.base import Instruments
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.serving.machine import Meter
from airflow_mlops.core.serving.server import Pace
from airflow_mlops.core.store.folder import FolderStore
from tests.core.serving.fakes import MODEL, SOON, deploy, running
from tests.waiting import wait_until

HOUR = timedelta(hours=1)


def test_memory_and_cpu_are_told_for_each_variant(store: FolderStore, tmp_path: Path) -> None:
    deploy(store, "promote", 1)
    pace = Pace(poll=0.05, ship=0.2, measure=0.02)
    with running(store, spool=tmp_path / "spool", pace=pace) as url:
        endpoint = LocalEndpoint(url, MODEL, store)
        assert isinstance(endpoint, Instruments)
        endpoint.reconcile(deploy(store, "shadow", 1, 2), SOON)
        start = utc_now() - HOUR

        def memory() -> int:
            return len(endpoint.resources(start, utc_now()).get("memory", {}).get("v2", ()))

        wait_until(lambda: memory() >= 5)
        found = endpoint.resources(start, utc_now())
        assert set(found) == {"memory", "cpu"}
        for variants in found.values():
            assert set(variants) == {"v1", "v2"}
            assert variants["v1"] == variants["v2"]
            times = [at for at, _ in variants["v1"]]
            assert times == sorted(times)
            assert all(0 <= value <= 100 for _, value in variants["v1"])
        assert all(value > 0 for _, value in found["memory"]["v1"])
        middle = found["memory"]["v1"][2][0]
        assert [at for at, _ in endpoint.resources(middle, middle)["memory"]["v1"]] == [middle]


def test_a_meter_reads_the_share_of_all_cores() -> None:
    now = [0.0]
    meter = Meter(lambda: now[0])
    for _ in range(2_000_000):
        pass
    now[0] = 1e6
    assert meter.read().cpu == 0.0
    now[0] += 1e-6
    sum(range(3_000_000))
    assert meter.read().cpu in (0.0, 100.0)
