"""Which models saw this file, and what does this bad batch touch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.lineage.graph import Impact, downstream
from airflow_mlops.core.lineage.graph.text import impact_lines
from airflow_mlops.core.store import Store
from tests.core.lineage.graph.world import (
    NOW,
    day,
    deploy,
    file,
    orders,
    put_dataset,
    put_pin,
    put_version,
    score,
    sha,
)


def ask(store: Store, file: str | None = None, dataset: str | None = None) -> Impact:
    return downstream(store, file=file, dataset=dataset, now=NOW)


def versions(impact: Impact) -> dict[str, str]:
    return {f"{one.model}:{one.version}": one.standing for one in impact.versions}


def datasets(impact: Impact) -> dict[str, str]:
    return {one.dataset.id: one.how for one in impact.datasets}


def test_which_models_saw_this_file(store: Store) -> None:
    orders(store)
    found = ask(store, "orders/bad.parquet")
    assert datasets(found) == {"aa11": "holds", "ab22": "holds", "bb33": "derived"}
    assert versions(found) == {"orders:1": "was champion", "orders:2": "champion"}
    (serving,) = found.endpoints
    assert (serving.model, serving.version, serving.role, serving.since) == ("orders", 2, "champion", day(14))
    spans = [(one.role, one.since, one.until) for one in found.versions[1].spans]
    assert spans == [
        ("shadow", day(12), day(13)),
        ("canary", day(13), day(14)),
        ("champion", day(14), None),
    ]
    assert [(one.number, one.because) for one in found.predictions] == [
        (1, ("model",)),
        (2, ("model",)),
        (3, ("rows",)),
    ]
    assert found.predictions[0].partitions[0].key == "predictions/orders/date=1/004"


def test_what_does_this_bad_batch_touch(store: Store) -> None:
    orders(store)
    found = ask(store, dataset="orders@ab22")
    assert datasets(found) == {"aa11": "holds", "ab22": "given", "bb33": "derived"}
    (shared,) = (one for one in found.datasets if one.how == "holds")
    assert (shared.files, shared.of) == (2, 3)
    assert versions(found) == {"orders:1": "was champion", "orders:2": "champion"}
    alone = ask(store, dataset="orders@cc44")
    assert (datasets(alone), versions(alone)) == ({"cc44": "given"}, {"orders:3": "was challenger"})
    assert [one.because for one in alone.predictions] == [("rows",), ("rows",), ("model",)]


def test_a_model_that_never_served_and_a_challenger(store: Store) -> None:
    orders(store)
    assert versions(ask(store, "clicks/1.parquet")) == {"clicks:1": "never served"}
    deploy(store, "orders", "canary", 2, day(40), challenger=3, weight=0.1, lease_until=day(400))
    found = ask(store, "orders/3.parquet")
    assert versions(found) == {"orders:3": "challenger"}
    assert [(one.role, one.weight) for one in found.endpoints] == [("canary", 0.1)]


def test_the_same_bytes_under_another_name(store: Store) -> None:
    put_dataset(store, "orders", "aa11", file("a.parquet", "same"), file("b.parquet"))
    put_dataset(store, "orders", "bb22", file("moved/a.parquet", "same"))
    assert datasets(ask(store, sha("same"))) == {"aa11": "holds", "bb22": "holds"}
    assert datasets(ask(store, dataset="orders@aa11")) == {"aa11": "given", "bb22": "holds"}
    assert datasets(ask(store, "a.parquet")) == {"aa11": "holds", "bb22": "holds"}
    assert datasets(ask(store, "moved/a.parquet")) == {"bb22": "holds"}


def test_a_chain_of_derivations_and_a_join(store: Store) -> None:
    base = put_dataset(store, "orders", "a1", "orders/1.parquet")
    weather = put_dataset(store, "orders__weather", "w1", "weather/1.parquet")
    joined = put_dataset(store, "orders", "b2", "join.parquet", parents=(base, weather), kind="join")
    private = put_dataset(store, "orders", "c3", "privacy.parquet", parents=(joined,), kind="privacy")
    put_version(store, "orders", private)
    found = ask(store, "weather/1.parquet")
    assert datasets(found) == {"w1": "holds", "b2": "derived", "c3": "derived"}
    assert versions(found) == {"orders:1": "never served"}
    assert [one.parents for one in found.datasets if one.dataset.id == "b2"] == [(weather,)]


def test_a_local_file_is_known_by_its_content(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "lake" / "orders" / "bad.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"rows")
    content = hashlib.sha256(b"rows").hexdigest()
    known = file("orders/bad.parquet").model_copy(update={"sha256": content})
    put_dataset(store, "orders", "aa11", known)
    put_dataset(store, "orders", "bb22", file("orders/bad.parquet", "other rows"))
    for given in (str(path), path.as_uri()):
        found = ask(store, given)
        assert (found.how, datasets(found)) == ("content", {"aa11": "holds"})
    path.write_bytes(b"changed")
    changed = ask(store, str(path))
    assert (changed.how, datasets(changed)) == ("name", {"aa11": "holds", "bb22": "holds"})
    assert "nobody has seen its content" in changed.asked
    path.rename(path.with_name("unknown.parquet"))
    assert not ask(store, str(path.with_name("unknown.parquet"))).found


def test_a_uri_is_held_against_the_recorded_place(store: Store) -> None:
    pinned = (file("orders/1.parquet", "1", version_id="v1"), file("orders/2.parquet", "2", version_id="v7"))
    put_dataset(store, "orders", "aa11", *pinned, root="s3://lake/gold")
    put_dataset(
        store, "orders", "bb22", pinned[0].model_copy(update={"version_id": "v2"}), root="s3://lake/gold"
    )
    put_dataset(store, "orders", "cc33", "orders/1.parquet", root="s3://other")
    put_dataset(store, "orders", "dd44", "orders/1.parquet")
    put_dataset(store, "orders", "ee55", file("1.parquet", version_id="v1"), root="s3://lake/gold/orders/")
    found = ask(store, "s3://lake/gold/orders/1.parquet")
    assert (found.how, datasets(found)) == ("place", {"aa11": "holds", "bb22": "holds", "ee55": "holds"})
    one = ask(store, "s3://lake/gold/orders/1.parquet?versionId=v2")
    assert datasets(one) == {"bb22": "holds"}
    assert not ask(store, "s3://lake/gold/orders/1.parquet?versionId=v9").found
    copied = ask(store, "s3://elsewhere/gold/orders/1.parquet")
    assert (copied.how, datasets(copied)) == ("name", {"dd44": "holds"}), "only a copy may come from anywhere"
    assert datasets(ask(store, "orders/1.parquet")).keys() == {"aa11", "bb22", "cc33", "dd44"}


def test_a_uri_with_escapes(store: Store) -> None:
    put_dataset(store, "orders", "aa11", file("orders/é 1.parquet", version_id="v"), root="s3://lake")
    for given in ("s3://lake/orders/é 1.parquet", "s3://lake/orders/%C3%A9%201.parquet"):
        assert ask(store, given).how == "place"


def test_a_hash_may_be_cut_short_if_it_is_one(store: Store) -> None:
    base = file("a.parquet")
    twins = [
        base.model_copy(update={"source": f"{one}.parquet", "sha256": "abcdef12" + one * 56}) for one in "34"
    ]
    put_dataset(store, "orders", "aa11", *twins)
    with pytest.raises(DataError, match="2 contents have a hash that starts so"):
        ask(store, "abcdef12")
    for given in ("abcdef123", "abcdef1233", "ABCDEF1233", "sha256:abcdef12333"):
        assert [one.source for one in ask(store, given).files] == ["3.parquet"]
    assert not ask(store, "0" * 64).found
    assert not ask(store, "abcdef1").found, "seven digits are a name"


def test_a_name_that_looks_like_a_hash(store: Store) -> None:
    put_dataset(store, "orders", "aa11", file("deadbeef"))
    assert ask(store, "deadbeef").how == "name"


def test_the_unread_objects_of_pins_are_not_all_the_same_content(store: Store) -> None:
    put_pin(store, "orders", "aa11", "orders/1.parquet")
    put_pin(store, "orders", "bb22", "orders/2.parquet")
    assert datasets(ask(store, dataset="orders@aa11")) == {"aa11": "given"}
    assert not ask(store, "0" * 64).found


def test_a_dataset_version_whose_manifest_is_gone_is_still_asked_for(store: Store) -> None:
    gone = put_dataset(store, "orders", "aa11", "a").model_copy(update={"id": "gone"})
    put_dataset(store, "orders", "bb22", "b", parents=(gone,))
    lost = gone.model_copy(update={"id": "lost"})
    put_version(store, "orders", lost)
    found = ask(store, dataset="orders@gone")
    assert datasets(found) == {"gone": "given", "bb22": "derived"}
    assert found.datasets[0].made is None
    assert "its manifest is gone" in "\n".join(impact_lines(found))
    assert versions(ask(store, dataset="orders@lost")) == {"orders:1": "never served"}
    assert ask(store, "a").unknown == ("orders:1",)
    assert "1 model version can't be judged" in "\n".join(impact_lines(ask(store, "a")))


def test_nothing_was_touched(store: Store) -> None:
    put_dataset(store, "orders", "aa11", "a")
    alone = ask(store, dataset="orders@aa11")
    assert not alone.found
    assert "nothing was made of it" in "\n".join(impact_lines(alone))
    assert "no dataset version holds it (1 dataset version looked at)" in impact_lines(ask(store, "b"))


@pytest.mark.parametrize(
    "given, said",
    [
        ("orders", "not a dataset version"),
        ("@aa", "not a dataset version"),
        ("orders@", "not a dataset version"),
        ("orders@a", "2 versions of orders have an id that starts so; given a; expected aa11, ab22"),
        ("orders@x", "orders has no such version; given x; expected one of 4 ids"),
        ("ordres@a", "there is no data set ordres in .*; expected clicks, orders"),
        ("../../etc@a", "there is no data set ../../etc"),
        ("a\nb\x1b[2J@x", "there is no data set"),
    ],
)
def test_dataset_versions_that_are_none(store: Store, given: str, said: str) -> None:
    orders(store)
    with pytest.raises(DataError, match=said) as error:
        ask(store, dataset=given)
    assert str(error.value).isprintable()


def test_a_whole_id_that_another_one_begins_with(store: Store) -> None:
    put_dataset(store, "orders", "aa", "a")
    put_dataset(store, "orders", "aabb", "b")
    assert ask(store, dataset="orders@aa").asked == "orders@aa"


def test_questions_that_are_none(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="this is a folder"):
        ask(store, str(tmp_path))
    with pytest.raises(DataError, match="no file was named"):
        ask(store, "  ")
    with pytest.raises(DataError, match="one question at a time"):
        ask(store)
    with pytest.raises(DataError, match="one question at a time"):
        ask(store, "a", "b@c")
    with pytest.raises(DataError, match="a store with data sets"):
        ask(store, dataset="orders@a")


@pytest.mark.parametrize(
    "given",
    ["a\0b", "x" * 5000, "~nobody/x", "/", "://", "\x1b[31m", "%00", "s3://", "s3://[x", "s3://a/b#c?d"],
)
def test_hostile_names_are_just_unknown(store: Store, given: str) -> None:
    orders(store)
    found = ask(store, given) if given != "/" else None
    if found is None:
        with pytest.raises(DataError, match="folder"):
            ask(store, given)
        return
    assert not found.found
    assert all(line.isprintable() for line in impact_lines(found))


def test_long_answers_are_counted_and_shown_in_part(store: Store) -> None:
    for number in range(30):
        ref = put_dataset(
            store, "orders", f"d{number:02d}", "shared", f"own {number}", created_at=day(number)
        )
        put_version(store, "orders", ref, day(number))
        score(store, "orders", number + 1, ref, day(number))
    found = ask(store, "shared")
    assert len(found.versions) == 30
    text = "\n".join(impact_lines(found))
    assert "model versions: 30, the newest 20" in text
    assert "orders:30, never served" in text
    assert "orders:10," not in text
    assert "(a touched version predicted and touched rows were predicted)" in text
    assert json.loads(found.to_bytes())["versions"][0]["standing"] == "never served"
    assert Impact.from_bytes(found.to_bytes()) == found
