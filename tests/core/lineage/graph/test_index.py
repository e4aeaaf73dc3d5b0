"""The index: read once, brought up to date, and never trusted where it is torn, old or of another store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_mlops.core.lineage.graph.impact import Impact, impact_of_file
from airflow_mlops.core.lineage.graph.index import Index
from airflow_mlops.core.store import Item, Store, open_store
from airflow_mlops.core.store.removal import Removal
from tests.core.lineage.graph.world import NOW, day, deploy, orders, put_dataset, put_pin, put_version, sha


class Reading:
    """A store that remembers what was read of it."""

    def __init__(self, store: Store) -> None:
        self.store, self.uri, self.keys = store, store.uri, list[str]()

    def read(self, key: str) -> bytes:
        self.keys.append(key)
        return self.store.read(key)

    def exists(self, key: str) -> bool:
        return self.store.exists(key)

    def list(self, prefix: str, start_after: str = "") -> Iterator[Item]:
        return self.store.list(prefix, start_after)


def ask(store: Store, file: str = "orders/bad.parquet") -> tuple[Impact, list[str]]:
    """An answer, as a new process gives it, and what was read for it."""
    reading = Reading(store)
    return impact_of_file(Index(reading), file, NOW), reading.keys


def models(impact: Impact) -> list[str]:
    return [f"{one.model}:{one.version}" for one in impact.versions]


def cache(tmp_path: Path) -> list[Path]:
    return sorted(one for one in (tmp_path / "cache").rglob("*") if one.is_file())


def test_what_was_read_is_not_read_again(store: Store) -> None:
    orders(store)
    first, read = ask(store)
    assert len([key for key in read if key.startswith("datasets/")]) == 5
    second, again = ask(store)
    assert second == first
    newest = ["models/clicks/versions/0000000001.json", "models/orders/deployments/0000000005.json"]
    newest += ["models/orders/predictions/0000000003.json", "models/orders/versions/0000000003.json"]
    assert sorted(again) == newest, "only the newest entries, to see that the logs are the same"


def test_what_is_new_is_seen(store: Store) -> None:
    orders(store)
    ask(store)
    newer = put_dataset(store, "orders", "ee66", "orders/bad.parquet", created_at=day(30))
    put_version(store, "orders", newer, day(31))
    deploy(store, "orders", "promote", 4, day(32))
    found, read = ask(store)
    assert models(found) == ["orders:1", "orders:2", "orders:4"]
    assert [key for key in read if key.startswith("datasets/")] == ["datasets/orders/ee66.json"]
    assert found.versions[-1].standing == "champion"


@pytest.mark.parametrize("damage", ["torn", "changed", "empty", "other form", "no msgpack", "gone"])
def test_a_damaged_index_is_made_anew(store: Store, tmp_path: Path, damage: str) -> None:
    orders(store)
    before, _ = ask(store)
    for path in cache(tmp_path):
        data = path.read_bytes()
        path.chmod(0o644)
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(
                {
                    "torn": data[: len(data) // 2],
                    "changed": data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
                    "empty": b"",
                    "other form": b"x" + data[1:],
                    "no msgpack": data[:24] + b"\xc1" * 40,
                }[damage]
            )
    after, read = ask(store)
    assert after == before
    assert "datasets/orders/aa11.json" in read
    assert len(ask(store)[1]) == 4, "and used again"


def test_a_store_that_was_made_anew_under_the_same_name_is_another_one(store: Store, tmp_path: Path) -> None:
    orders(store)
    ask(store)
    shutil.rmtree(tmp_path / "store")
    anew = open_store(str(tmp_path / "store"))
    ref = put_dataset(anew, "orders", "aa11", "orders/1.parquet", "orders/bad.parquet")
    other = put_dataset(anew, "orders", "zz99", "orders/9.parquet")
    for dataset in (other, other, ref):
        put_version(anew, "orders", dataset, day(40))
    assert models(ask(anew)[0]) == ["orders:3"]


def test_two_stores_have_an_index_each(store: Store, tmp_path: Path) -> None:
    orders(store)
    other = open_store(str(tmp_path / "other"))
    put_version(other, "orders", put_dataset(other, "orders", "aa11", "orders/x.parquet"))
    assert models(ask(other, "orders/x.parquet")[0]) == ["orders:1"]
    assert models(ask(store)[0]) == ["orders:1", "orders:2"]
    assert not ask(other)[0].found


def test_what_retention_removed_is_forgotten_with_its_files_names(store: Store, tmp_path: Path) -> None:
    orders(store)
    ask(store)
    assert isinstance(store, Removal)
    store.remove("datasets/orders/ab22.json")
    store.remove("datasets/orders/aa11.json")
    found, _ = ask(store)
    assert not found.versions
    assert set(found.unknown) == {"orders:1", "orders:2"}, "the parent of what version 2 learned from is gone"
    assert not any(b"orders/bad.parquet" in path.read_bytes() for path in cache(tmp_path))
    assert models(ask(store, "orders/3.parquet")[0]) == ["orders:3"], "the others keep their files"


def test_a_manifest_of_another_size_is_read_again(store: Store, tmp_path: Path) -> None:
    orders(store)
    ask(store)
    path = tmp_path / "store" / "datasets/orders/cc44.json"
    path.write_bytes(path.read_bytes().replace(b"orders/3.parquet", b"orders/bad.parquet"))
    found, _ = ask(store)
    assert "orders:3" in models(found)


@pytest.mark.parametrize(
    "key",
    [
        "datasets/orders/aa11.json",
        "models/orders/versions/0000000001.json",
        "models/orders/deployments/0000000002.json",
    ],
)
def test_a_damaged_record_is_named_until_it_is_mended(store: Store, tmp_path: Path, key: str) -> None:
    orders(store)
    path = tmp_path / "store" / key
    whole = path.read_bytes()
    path.write_bytes(b'{"name": "orders", "id": ')
    found, _ = ask(store)
    assert found.unread == (key,)
    assert ask(store)[0].unread == (key,), "the index does not hide it"
    path.write_bytes(whole)
    mended, _ = ask(store)
    assert mended.unread == ()
    assert models(mended) == ["orders:1", "orders:2"]


def test_a_lost_entry_is_named(store: Store, tmp_path: Path) -> None:
    orders(store)
    (tmp_path / "store/models/orders/versions/0000000002.json").unlink()
    found, _ = ask(store)
    assert found.unread == ("models/orders/versions/0000000002.json",)
    assert models(found) == ["orders:1"]


@pytest.mark.parametrize("content", [b"[]", b'{"name":"orders","id":"other"}', b"\xff", b"{}"])
def test_a_manifest_that_is_none_is_named(store: Store, content: bytes) -> None:
    orders(store)
    store.create("datasets/orders/ff77.json", content)
    assert ask(store)[0].unread == ("datasets/orders/ff77.json",)


def test_a_manifest_with_a_hash_that_is_none_is_named(store: Store) -> None:
    ref = put_dataset(store, "orders", "aa11", "orders/1.parquet")
    key = f"datasets/orders/{ref.id}x.json"
    data = store.read("datasets/orders/aa11.json").replace(b'"aa11"', b'"aa11x"')
    store.create(key, data.replace(sha("orders/1.parquet").encode(), b"12"))
    assert ask(store)[0].unread == (key,)


def test_a_pin_counts_until_its_version_is_read(store: Store) -> None:
    ref = put_pin(store, "orders", "aa11", "orders/1.parquet")
    put_version(store, "orders", ref)
    found, _ = ask(store, "s3://lake/gold/orders/1.parquet")
    assert models(found) == ["orders:1"]
    assert (found.files[0].sha256, found.files[0].version_id) == (None, "v-orders/1.parquet")
    put_dataset(store, "orders", "aa11", "orders/1.parquet")
    again, read = ask(store, sha("orders/1.parquet"))
    assert models(again) == ["orders:1"]
    assert not [key for key in read if key.startswith("pins/")]


def test_without_a_place_for_a_cache_the_store_is_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders(store)
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "taken"))
    for _ in range(2):
        assert models(ask(store)[0]) == ["orders:1", "orders:2"]


def test_a_cache_that_can_not_be_written_does_no_harm(store: Store, tmp_path: Path) -> None:
    orders(store)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "lineage").write_text("a file where a folder should be")
    for _ in range(2):
        assert models(ask(store)[0]) == ["orders:1", "orders:2"]


def test_fresh_forgets(store: Store) -> None:
    orders(store)
    ask(store)
    reading = Reading(store)
    assert models(impact_of_file(Index(reading, fresh=True), "orders/bad.parquet", NOW)) == [
        "orders:1",
        "orders:2",
    ]
    assert "datasets/orders/aa11.json" in reading.keys


def test_a_slow_store_is_read_side_by_side(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_mlops.core.lineage.graph import logs

    monkeypatch.setattr(logs, "_NEAR", 0.0)
    for number in range(80):
        put_dataset(store, "orders", f"v{number:02d}", f"orders/{number:02d}.parquet", "orders/bad.parquet")
    found, _ = ask(store)
    assert [one.dataset.id for one in found.datasets] == [f"v{number:02d}" for number in range(80)]


def test_an_empty_store(store: Store) -> None:
    found, read = ask(store)
    assert not found.found
    assert (found.looked_at, read) == (0, [])
