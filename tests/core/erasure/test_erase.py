"""A person is taken out of everything that the store holds, and of nobody else anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airflow_mlops.core.data.catalog import list_versions
from airflow_mlops.core.data.erasures import Erasure, erasure_log
from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.erasure.finding import columns_of, find
from airflow_mlops.core.erasure.run import erase
from airflow_mlops.core.errors import DataErased, DataError, PlatformError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.retention.run import prune
from airflow_mlops.core.scoring.reading import read_predictions
from airflow_mlops.core.scoring.record import predictions_log
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.ground_truth import read_ground_truth
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.spec import Retention
from tests.core.erasure.world import (
    AT,
    COLUMNS,
    MODEL,
    OTHER,
    PERSON,
    START,
    World,
    copied,
    orders,
    person,
    register,
    request,
    rows_of,
    spec,
)
from tests.core.monitoring.answers import world as traffic
from tests.core.registry.world import MemoryStore


def erased(world: World, plain: str = PERSON, **fields: Any) -> Erasure:
    return erase(world.store, MODEL, COLUMNS, person(plain), request(**fields), root=world.root)


def found(world: World, plain: str = PERSON) -> Any:
    return find(world.store, MODEL, COLUMNS, person(plain), now=AT, root=world.root)


def test_a_look_tells_every_place_and_changes_nothing(world: World) -> None:
    before = {item.key: item.size for item in world.store.list("")}
    seen = found(world)
    lines = "\n".join(seen.lines())
    assert {item.key: item.size for item in world.store.list("")} == before
    assert sorted(one.rows for one in seen.held) == [1, 7, 9, 9, 12]
    assert seen.elsewhere == {
        "captured requests": 4,
        "labels": 5,
        "answers": 8,
        "predictions": 1,
        "quarantine": 3,
        "review file": 2,
    }
    assert (seen.retrain, seen.champion) == ((1,), 1)
    assert "orders:1 (the champion) learned from these rows" in lines
    assert "stays: orders__prices: has no column customer" in lines
    assert PERSON not in lines
    assert columns_of(world.store, MODEL) == COLUMNS


def test_nothing_of_the_person_is_left_and_all_of_the_others(world: World) -> None:
    held_by_other = len(world.holders(OTHER))
    versions = {one.version.id: read_frame(world.store, one.version) for one in found(world).held}
    assert len(world.holders(PERSON)) == 11
    done = erased(world)
    assert (done.state, done.retrain) == ("done", (1,))
    assert world.holders(PERSON) == []
    assert len(world.holders(OTHER)) >= held_by_other - 2, "the two snapshots share a file"
    for stone in done.tombstones:
        assert stone.replaced_by is not None
        left = read_frame(
            world.store, load_version(world.store, stone.replaced_by.name, stone.replaced_by.id)
        )
        whole = versions[stone.dataset.id]
        expected = whole[whole["customer"] != PERSON].reset_index(drop=True)
        pd.testing.assert_frame_equal(left, expected)
    assert PERSON not in erasure_log(world.store, MODEL).read(2).model_dump_json()


def test_traffic_keeps_what_others_asked(world: World) -> None:
    whole = read_predictions(world.store, MODEL).to_pandas()
    erased(world)
    others = {f"i{number}" for number in (1, 3, 5, 7)}
    assert {one.inference_id for one in read_captures(world.store, MODEL, traffic.DAY)} == others
    assert {one.inference_id for one in read_ground_truth(world.store, MODEL, traffic.DAY)} == others
    rows = traffic.everything(world.store)
    assert [(row["_inference_id"], row["_label"]) for row in rows] == [(f"i{n}", 1.0) for n in (1, 3, 5, 7)]
    again = traffic.take_in(world.store, since=traffic.DAY)
    assert (again.answers, again.labels) == (0, 0), "what was taken in is known"
    left = read_predictions(world.store, MODEL).to_pandas()
    pd.testing.assert_frame_equal(left, whole[whole["customer"] != PERSON].reset_index(drop=True))


def test_the_newest_version_is_the_replacement_and_a_model_learns_from_it(world: World) -> None:
    joined = Registry(world.store, MODEL).get(1).dataset
    erased(world)
    newest = list_versions(world.store, MODEL)[-1]
    assert newest.derivation.kind == "erasure"  # type: ignore[union-attr]
    assert newest.derivation.parents == (joined,)  # type: ignore[union-attr]
    assert register(world, load_version(world.store, MODEL, newest.id), run="r2") == 2
    assert found(world).retrain == ()


def test_reading_what_was_erased_says_so(world: World) -> None:
    done = erased(world)
    for stone in done.tombstones:
        version = load_version(world.store, stone.dataset.name, stone.dataset.id)
        with pytest.raises(DataErased, match="were erased on 2026-04-01 by ann") as told:
            read_frame(world.store, version)
        assert told.value.replaced_by == f"{stone.dataset.name}@{stone.replaced_by.id}"  # type: ignore[union-attr]
        assert f"{told.value.replaced_by} holds the other rows" in str(told.value)


def test_a_snapshot_does_not_bring_the_person_back(world: World) -> None:
    erased(world)
    world.write("orders/c.parquet", orders(range(60, 62)))
    for until in (None, START.to_pydatetime() + pd.Timedelta(days=30)):
        with pytest.raises(DataErased, match=r"orders/a\.parquet still holds rows that were erased"):
            snapshot(world.store, world.root, spec(), until=until)
    assert world.holders(PERSON) == []
    for name in ("a", "b", "c"):
        path = world.folder / "data" / "orders" / f"{name}.parquet"
        frame = pd.read_parquet(path)
        frame[frame["customer"] != PERSON].to_parquet(path, index=False)
    assert snapshot(world.store, world.root, spec()).rows == 520 - 13


def test_a_second_call_finds_what_the_first_did(world: World) -> None:
    first = erased(world)
    before = [item.key for item in world.store.list("")]
    assert erased(world, who="bob") == first
    assert [item.key for item in world.store.list("")] == before


def test_two_people_one_after_the_other(world: World) -> None:
    erased(world)
    done = erased(world, OTHER)
    assert world.holders(PERSON) + world.holders(OTHER) == []
    replaced = {stone.dataset.id: stone.replaced_by for stone in done.tombstones}
    first = {one.dataset: one.replaced_by for one in erasure_log(world.store, MODEL).read(2).tombstones}
    for dataset, replacement in first.items():
        if replacement and replacement.id in replaced and dataset.id in replaced:
            assert replaced[dataset.id] == replaced[replacement.id], "the newest one of the chain"
    assert all(PERSON not in str(frame) for frame in rows_of(world))


def test_a_file_that_an_erasure_left_alone_is_found_by_the_next(world: World) -> None:
    alone = "cust-QX-7777"
    world.write("orders/d.parquet", orders(range(70, 72)).assign(customer=alone))
    taken = snapshot(world.store, world.root, spec())
    erased(world)
    done = erased(world, alone)
    assert world.holders(PERSON) + world.holders(alone) == []
    stones = {stone.dataset.id: stone for stone in done.tombstones}
    first = {one.dataset.id: one for one in erasure_log(world.store, MODEL).read(2).tombstones}
    between = first[taken.id].replaced_by
    assert between is not None
    assert stones[taken.id].replaced_by == stones[between.id].replaced_by
    assert stones[taken.id].blobs


def test_a_person_nobody_knows_is_recorded(world: World) -> None:
    done = erased(world, "cust-QX-9990")
    assert (done.state, done.tombstones, done.elsewhere, done.retrain) == ("done", (), {}, ())
    assert len(world.holders(PERSON)) == 11


class _Killed(BaseException):
    """As kill -9: no handler catches it."""


@contextmanager
def dying(step: int) -> Iterator[list[int]]:
    """Die right before the given change of the store; the number of changes otherwise."""
    count = [0]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("create", "upload", "remove"):
            real = getattr(FolderStore, name)

            def change(self: FolderStore, *args: Any, real: Any = real) -> None:
                count[0] += 1
                if count[0] == step:
                    raise _Killed
                real(self, *args)

            patch.setattr(FolderStore, name, change)
        yield count


def end_state(world: World) -> dict[str, Any]:
    """What counts of a store."""
    log = predictions_log(world.store, MODEL)
    return {
        "keys": [item.key for item in world.store.list("") if not item.key.startswith(("audit/", "models/"))],
        "answers": traffic.everything(world.store),
        "predictions": read_predictions(world.store, MODEL).to_pylist(),
        "scored": len(list(log.entries())),
        "erased": [one.model_dump(exclude={"at"}) for _, one in erasure_log(world.store, MODEL).entries()][
            -1
        ],
    }


@pytest.fixture(scope="module")
def whole(lived: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """The end of an erasure that nothing disturbs, and how many changes it takes."""
    with pytest.MonkeyPatch.context() as patch:
        world = copied(lived, tmp_path_factory.mktemp("whole") / "world", patch)
        with dying(0) as count:
            erased(world)
        return end_state(world), count[0]


@pytest.mark.parametrize("part", [0.5, 0.7, 0.85, 1.0])
def test_a_try_that_dies_is_taken_up(world: World, whole: tuple[dict[str, Any], int], part: float) -> None:
    end, changes = whole
    _die_and_go_on(world, 1 + int(part * (changes - 1)), end)


@pytest.mark.long
def test_a_try_may_die_anywhere(
    lived: Path, whole: tuple[dict[str, Any], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, changes = whole
    for step in range(1, changes + 1):
        _die_and_go_on(copied(lived, tmp_path / str(step), monkeypatch), step, end)


def _die_and_go_on(world: World, step: int, end: dict[str, Any]) -> None:
    with dying(step), pytest.raises(_Killed):
        erased(world)
    erased(world, at=utc_now())
    assert world.holders(PERSON) == []
    assert end_state(world) == end


def test_the_next_erasure_finishes_one_that_died(world: World, whole: tuple[dict[str, Any], int]) -> None:
    with dying(int(whole[1] * 0.7)), pytest.raises(_Killed):
        erased(world)
    erased(world, OTHER, who="bob")
    assert world.holders(PERSON) + world.holders(OTHER) == []
    assert [(one.state, one.who) for _, one in erasure_log(world.store, MODEL).entries()] == [
        ("began", "ann"),
        ("done", "ann"),
        ("began", "bob"),
        ("done", "bob"),
    ]


def test_retention_takes_erased_versions_as_they_are(world: World) -> None:
    done = erased(world)
    policy = Retention(keep="2d", grace="1d")
    for days in (3, 5):
        prune(world.store, MODEL, policy, now=utc_now() + pd.Timedelta(days=days))
    used = Registry(world.store, MODEL).get(1).dataset
    assert world.store.exists(f"datasets/{MODEL}/{used.id}.json"), "a model was trained on it"
    assert world.holders(PERSON) == []
    for sha256 in done.blobs.values():
        assert sha256 is None or world.store.exists(f"blobs/{sha256[:2]}/{sha256}")


def test_a_store_that_cannot_remove_is_told() -> None:
    with pytest.raises(PlatformError, match="can't remove"):
        erase(MemoryStore(), MODEL, COLUMNS, person(), request())


def test_a_number_is_found_in_any_type(world: World) -> None:
    for name in ("orders/a.parquet", "orders/b.parquet"):
        frame = pd.read_parquet(world.folder / "data" / name)
        frame["customer"] = frame["customer"].str[-4:].astype("float64")
        world.write(name, frame)
    taken = snapshot(world.store, world.root, spec())
    rows = {one.version.id: one.rows for one in found(world, "42").held}
    assert rows == {taken.id: 12}
    left = [line for line in found(world, "20").left if "smallest or largest" in line]
    assert left == [
        f"datasets/{MODEL}/{taken.id}.json: the id is the smallest or largest value of customer in the statistics"
    ]


def test_mistakes_do_not_repeat_the_id() -> None:
    from airflow_mlops.core.erasure.subject import Subject

    with pytest.raises(PlatformError, match="needs a key"):
        Subject.of(PERSON, None)
    with pytest.raises(DataError, match="one id, on one line") as told:
        Subject.of(f"{PERSON}\n{OTHER}", "k" * 16)
    assert PERSON not in str(told.value)
    with pytest.raises(DataError, match="not the keyed hash") as told:
        Subject.hashed(PERSON, "k" * 16)
    assert PERSON not in str(told.value)
    assert PERSON not in repr(person())
