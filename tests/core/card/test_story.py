"""The story in the order of time, of one version and of a model."""

from __future__ import annotations

import pytest

from airflow_mlops.core.card.story import lines, tell
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.registry.releases import ReleaseEvent, note_release
from airflow_mlops.core.store import Store
from tests.core.card.world import MODEL, after
from tests.core.registry.world import register


def kinds(store: Store, version: int | None = None, until: float | None = None) -> list[str]:
    return [one.kind for one in tell(store, MODEL, version, as_of=after(until) if until else None).events]


def test_of_a_version_from_bytes_to_now(lived: Store) -> None:
    story = tell(lived, MODEL, 2)
    assert [one.kind for one in story.events] == [
        "data", "data", "policy", "release", "tests", "training", "evaluation", "registration", "approval", "traffic",
        "verdict", "traffic", "verdict", "traffic", "release", "look", "alert", "retraining", "rollback",
        "reproduction", "erasure",
    ]  # fmt: skip
    told = list(lines(story))
    assert told[1].strip() == f"orders/1.parquet sha256 {103:064x} 103 rows, 4.0 kB"
    assert any("they saw text" in one for one in told)
    assert any("proved by the endpoint at 2024-03-02 01:00 UTC" in one for one in told)
    assert told[-1] == (
        "now (2024-03-04 00:00 UTC): orders:2 is rolled back to version 1 on 2024-03-03 04:00 UTC by carol: "
        "customers complain"
    )


def test_of_a_model_tells_shared_things_once_and_releases_without_a_version(lived: Store) -> None:
    run = "orders.release/r3"
    note_release(lived, MODEL, ReleaseEvent(run=run, event="began", at=after(80)))
    end = ReleaseEvent(run=run, event="refused", reason="ValidationFailed: nulls", at=after(81))
    note_release(lived, MODEL, end)
    story = tell(lived, MODEL)
    told = [one.kind for one in story.events]
    assert (told.count("data"), told.count("registration"), told.count("erasure")) == (2, 2, 1)
    assert story.events[-1].said == (
        "a release ended before it had registered a version: ValidationFailed: nulls"
    )
    assert story.as_of == after(81)
    assert story.now.startswith("orders:1 is champion since 2024-03-03 04:00 UTC")


def test_as_of(lived: Store) -> None:
    assert kinds(lived, 2, until=10.2)[-1] == "registration"
    assert "registration" in kinds(lived, until=5)
    story = tell(lived, MODEL, as_of=after(5))
    assert {one.said.split()[1] for one in story.events if one.kind == "registration"} == {"1"}
    with pytest.raises(RegistryError, match="orders:1 was not registered yet"):
        tell(lived, MODEL, as_of=after(0.1))


def test_a_model_that_nobody_knows(store: Store) -> None:
    with pytest.raises(RegistryError, match="nothing has no version 1; expected a release first"):
        tell(store, "nothing")


def test_a_bare_version(store: Store) -> None:
    register(store)
    told = list(lines(tell(store, MODEL, 1)))
    assert any("orders@d1: its record is not in the store" in one for one in told)
    assert any("version 1: the data passed no test" in one for one in told)
    assert "it never answered a request" in told[-1]


def test_a_version_whose_record_is_broken_does_not_stop_the_others(lived: Store) -> None:
    lived.create(f"models/{MODEL}/versions/0000000003.json", b"not a record")
    story = tell(lived, MODEL)
    assert [one.said.split()[1] for one in story.events if one.kind == "registration"] == ["1", "2"]
    assert "log of versions" in [one.what for one in story.gaps]
