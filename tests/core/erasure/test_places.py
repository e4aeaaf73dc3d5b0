"""Versions that do not hold the id as it is, or not by themselves: hashed, dropped, shared, pinned where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.core.data.delta import snapshot_table
from airflow_mlops.core.data.erasures import Erasure, erasure_log
from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.erasure.finding import find
from airflow_mlops.core.erasure.run import erase
from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.errors import DataErased
from airflow_mlops.core.validation.privacy_finding import Protection
from airflow_mlops.core.validation.privacy_protect import rewrite
from tests.core.erasure.world import AT, COLUMNS, MODEL, PERSON, SECRET, World, orders, person, request, spec


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty store, and a file of orders."""
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    world = World(tmp_path)
    world.write("orders/a.parquet", orders(range(20)))
    return world


def plain_spec(**data: Any) -> Any:
    base = {"source": "orders/*.parquet", "event_time": "ordered", "label": "late", "subject": "customer"}
    return spec(data={**base, **data}, features={"columns": ["amount"]})


def erased(world: World, subject: Subject | None = None) -> Erasure:
    return erase(world.store, MODEL, COLUMNS, subject or person(), request(), root=world.root)


def protected(world: World, version: DatasetVersion, action: Any) -> DatasetVersion:
    done = [Protection.model_construct(column="customer", action=action)]
    return rewrite(world.store, version, done, key=SECRET, by="ann")


@pytest.mark.parametrize("action", ["hash", "drop"])
def test_a_protected_version_loses_the_same_rows(small: World, action: str) -> None:
    taken = snapshot(small.store, small.root, plain_spec())
    safe = protected(small, taken, action)
    whole = read_frame(small.store, taken)
    done = erased(small)
    stones = {stone.dataset.id: stone for stone in done.tombstones}
    assert stones[safe.id].rows == stones[taken.id].rows == 5
    replaced = stones[safe.id].replaced_by
    assert replaced is not None
    left = read_frame(small.store, load_version(small.store, MODEL, replaced.id))
    assert left["amount"].tolist() == whole[whole["customer"] != PERSON]["amount"].tolist()
    assert person().hash not in left.to_csv()
    assert small.holders(PERSON) == []


def test_the_hash_alone_finds_as_much_as_the_id(world: World) -> None:
    known, hashed = person(), Subject.hashed(person().hash, SECRET)
    by_id, by_hash = (
        find(world.store, MODEL, COLUMNS, one, now=AT, root=world.root) for one in (known, hashed)
    )
    assert list(by_hash.lines()) == list(by_id.lines())
    erased(world, hashed)
    assert world.holders(PERSON) == []


def test_a_text_that_names_the_person_goes_and_a_record_is_told(small: World) -> None:
    from airflow_mlops.core.store.results import keep
    from airflow_mlops.core.validation.run import validate

    strict = spec(
        data=plain_spec().data.model_dump(exclude_none=True, exclude_defaults=True),
        features={"columns": ["amount"]},
        validation={
            "expectations": [
                {
                    "type": "expect_column_values_to_not_be_in_set",
                    "column": "customer",
                    "value_set": [PERSON],
                    "severity": "warn",
                }
            ]
        },
    )
    keep(
        small.store,
        validate(small.store, small.root, strict, snapshot(small.store, small.root, strict), now=AT),
    )
    done = erased(small)
    assert (done.elsewhere["details of a validation"], done.elsewhere["page of a validation"]) == (1, 1)
    told = [place for place in done.left if "the record of a validation names the person" in place]
    assert len(told) == 1
    blob = told[0].split()[1].removesuffix(":")
    assert all(f"/{blob}" in path for path in small.holders(PERSON)), "only what is told has the id"


def test_another_model_on_the_same_file_is_told_too(small: World) -> None:
    snapshot(small.store, small.root, plain_spec())
    other = plain_spec().model_copy(update={"name": "returns"})
    theirs = snapshot(small.store, small.root, other)
    erased(small)
    with pytest.raises(DataErased, match="request 1 of returns") as told:
        read_frame(small.store, theirs)
    replacement = str(told.value.replaced_by)
    left = read_frame(small.store, load_version(small.store, *replacement.split("@")))
    assert len(left) == 195
    assert [one.state for _, one in erasure_log(small.store, "returns").entries()] == ["done"]


def test_a_table_is_left_where_it_lies_and_named(small: World) -> None:
    deltalake = pytest.importorskip("deltalake")
    place = small.folder / "data" / "tables" / "orders"
    deltalake.write_deltalake(str(place), pa.Table.from_pandas(orders(range(20)), preserve_index=False))
    delta = plain_spec(source=None, delta="tables/orders")
    taken = snapshot_table(small.store, small.root, delta, Window(None, None))
    done = erased(small)
    (stone,) = done.tombstones
    assert stone.blobs == ()
    assert [uri.startswith(small.root.uri) and uri.endswith(".parquet") for uri in stone.outside] == [True]
    assert len(read_frame(small.store, taken)) == 200, "the table's owner deletes"
    assert len(read_frame(small.store, load_version(small.store, MODEL, stone.replaced_by.id))) == 195  # type: ignore[union-attr]
    deltalake.write_deltalake(
        str(place), pa.Table.from_pandas(orders(range(20, 22)), preserve_index=False), mode="append"
    )
    with pytest.raises(DataErased, match="still holds rows that were erased"):
        snapshot_table(small.store, small.root, delta, Window(None, None))
    for file in place.glob("*.parquet"):
        file.unlink()
    with pytest.raises(DataErased, match="were erased on"):
        read_frame(small.store, taken)


def test_rows_outside_of_a_window_go_with_their_file(small: World) -> None:
    until = pd.Timestamp("2024-01-02", tz="UTC").to_pydatetime()
    early = snapshot(small.store, small.root, plain_spec(), until=until)
    assert PERSON not in set(read_frame(small.store, early)["customer"])
    (stone,) = erased(small).tombstones
    assert (stone.dataset.id, stone.rows) == (early.id, 0)
    assert stone.replaced_by is not None
    assert len(read_frame(small.store, load_version(small.store, MODEL, stone.replaced_by.id))) == 10
    assert small.holders(PERSON) == []


def test_a_version_of_nobody_else_is_not_replaced(small: World) -> None:
    small.write("orders/a.parquet", orders(range(20)).assign(customer=PERSON))
    snapshot(small.store, small.root, plain_spec())
    (stone,) = erased(small).tombstones
    assert (stone.rows, stone.replaced_by) == (200, None)
    assert small.holders(PERSON) == []


def test_captures_of_sagemaker_are_named(small: World) -> None:
    for name in ("mlops-orders", "mlops-reorders", MODEL):
        small.store.create(f"captures/{name}/live/2026/03/03/12/00-00-000-x.jsonl", b"{}\n")
    assert erased(small).left == ("captures/mlops-orders/: captures of SageMaker, which were not searched",)
