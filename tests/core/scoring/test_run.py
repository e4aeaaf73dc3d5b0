"""Scoring: right predictions in the right places, the same whenever it is done again, bad rows set aside."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from airflow_mlops.core.errors import DataError, FeatureError, NoRows, RegistryError, SpecError
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.scoring import run as running
from airflow_mlops.core.scoring.predicting import predictor_of
from airflow_mlops.core.scoring.reading import read_predictions
from airflow_mlops.core.scoring.record import predictions_log
from airflow_mlops.core.scoring.run import recorded, score
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.training.predictor import Predictor
from tests.core.scoring.world import World, day, frame_of


def read(world: World, **over: Any) -> pd.DataFrame:
    return read_predictions(world.store, "orders", **over).to_pandas()


def test_every_row_is_predicted_once_as_the_model_says(world: World) -> None:
    frame = frame_of(range(1, 4))
    world.write("a.parquet", frame)
    done = world.score()
    assert (done.number, done.new, done.entry.rows, done.entry.set_aside) == (1, True, 120, 0)
    assert [str(one) for one in done.entry.days] == ["2024-06-01", "2024-06-02", "2024-06-03"]
    assert [one.key.split("/")[:3] for one in done.entry.partitions] == [
        ["predictions", "orders", f"date=2024-06-0{number}"] for number in (1, 2, 3)
    ]
    found = read(world)
    assert list(found.columns) == [
        *("order", "country", "ordered"),
        *("_prediction", "_version", "_variant", "_dataset", "_scored_at", "_file", "_row"),
    ]
    assert list(found["order"]) == list(frame["order"])
    assert list(found["_prediction"]) == world.expected(frame)
    assert list(found["_row"]) == list(range(120))
    assert set(found["_file"]) == {"new/a.parquet"}
    assert set(found["_version"]) == {1}
    assert set(found["_variant"]) == {"v1"}
    assert set(found["_dataset"]) == {f"orders__scoring@{done.entry.dataset.id}"}
    assert set(found["_scored_at"]) == {pd.Timestamp(day(20))}


def test_rows_in_any_order_of_time_lie_in_the_partition_of_their_day(world: World) -> None:
    frame = frame_of(range(1, 6)).sample(frac=1, random_state=3).reset_index(drop=True)
    world.write("a.parquet", frame)
    done = world.score()
    for one in done.entry.partitions:
        part = pq.read_table(io.BytesIO(world.store.read(one.key))).to_pandas()
        assert set(part["ordered"].dt.date) == {one.day}
        assert part["_row"].is_monotonic_increasing
        assert len(part) == one.rows
    found = read(world).sort_values("_row")
    assert list(found["_prediction"]) == world.expected(frame)


def test_what_does_not_fit_into_memory_gives_the_same_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("a.parquet", frame_of(range(1, 8)).sample(frac=1, random_state=3))
    plan = world.plan()
    monkeypatch.setattr(running, "_record", lambda store, plan, entry: entry)
    roomy: Any = score(world.store, plan, by="ann")
    small = running.DaySpool
    monkeypatch.setattr(running, "DaySpool", lambda folder, time: small(folder, time, held=1))
    cramped: Any = score(world.store, plan, by="ann")
    assert cramped == roomy
    assert len(world.files()) == len(roomy.partitions)


def test_a_second_run_adds_nothing(world: World) -> None:
    world.write("a.parquet", frame_of(range(1, 3)))
    first = world.score()
    before = world.files()
    again = world.score(at=day(25))
    assert (again.number, again.entry, again.new) == (first.number, first.entry, False)
    assert world.files() == before


def test_other_files_do_not_make_a_period_another_one(world: World) -> None:
    """On a versioned bucket the id of a dataset version changes with any object; the rows of the period do not."""
    world.write("a.parquet", frame_of(range(1, 3)))
    plan = world.plan(day(1), day(2))
    first = score(world.store, plan, by="ann")
    renamed = replace(plan, dataset=plan.dataset.model_copy(update={"id": "f" * 24}))
    again = score(world.store, renamed, by="ann")
    assert (again.new, again.entry) == (False, first.entry)
    grown = plan.dataset.files[0].model_copy(update={"sha256": "0" * 64})
    other = replace(plan, dataset=plan.dataset.model_copy(update={"files": (grown,)}))
    assert recorded(world.store, other) is None


def test_dead_at_any_write_then_tried_again(world: World) -> None:
    """What survives a ``kill -9`` is what the store holds: die at each write in turn."""
    frame = frame_of(range(1, 4))
    frame["amount"] = frame["amount"].map(lambda value: None if pd.isna(value) else str(value))
    frame.loc[5, "amount"] = "much"
    world.write("a.parquet", frame)
    plan = world.plan()
    for entries in (0, 0, 0, 0, 1):  # three partitions, a quarantine, the entry
        with pytest.raises(Killed):
            score(Dying(world.store), plan, by="ann")  # type: ignore[arg-type]
        assert predictions_log(world.store, "orders").last_number() == entries
        if not entries:
            with pytest.raises(
                RegistryError, match=r"nothing of orders was scored; run the DAG orders\.score"
            ):
                read(world)
    done = score(Dying(world.store), plan, by="ann")  # type: ignore[arg-type]
    assert (done.number, done.new, done.entry.rows) == (1, False, 119)
    assert len(world.files()) == 3
    assert len(read(world)) == 119


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Dying:
    """A store whose process dies right after the first write that stores something new."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create(self, key: str, data: bytes) -> None:
        self._store.create(key, data)
        raise Killed

    def upload(self, path: Any, key: str, sha256: str) -> None:
        self._store.upload(path, key, sha256)
        raise Killed


def test_two_at_once_leave_one_entry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("a.parquet", frame_of(range(1, 3)))
    recording = running._record

    def slower(store: Any, plan: Any, entry: Any) -> Any:
        monkeypatch.undo()
        world.score()
        return recording(store, plan, entry)

    monkeypatch.setattr(running, "_record", slower)
    assert not world.score().new
    assert predictions_log(world.store, "orders").last_number() == 1


def test_a_backfill_gives_what_the_schedule_would_have(world: World) -> None:
    world.write("a.parquet", frame_of(range(1, 4)))
    world.deploy("promote", 2, day(3))
    for until in (4, 2, 3):  # in any order
        world.score(day(until - 1), day(until))
    found = read(world)
    assert list(found.groupby(found["ordered"].dt.day)["_version"].first()) == [1, 1, 2]
    assert list(found.groupby(found["ordered"].dt.day)["_scored_at"].first()) == [
        pd.Timestamp(day(number)) for number in (2, 3, 4)
    ]
    before = world.files()
    assert not world.score(day(1), day(2)).new
    assert world.files() == before


def test_a_new_champion_scores_anew_and_a_version_can_be_asked_for(world: World) -> None:
    frame = frame_of(range(1, 3))
    world.write("a.parquet", frame)
    world.score(at=day(10))
    world.deploy("promote", 2, day(11))
    assert world.score(at=day(12)).entry.version == 2
    found = read(world)
    assert set(found["_version"]) == {2}
    assert list(found["_prediction"]) == world.expected(frame, 2)
    assert list(read(world, version=1)["_prediction"]) == world.expected(frame, 1)
    world.deploy("rollback", 1, day(13))
    back = world.score(at=day(14))
    assert back.new, "what version 1 said before was replaced since"
    assert set(read(world)["_version"]) == {1}
    assert world.score(at=day(14), version=2).entry.version == 2
    with pytest.raises(RegistryError, match="orders has no version 9"):
        world.plan(version=9)
    with pytest.raises(RegistryError, match="nothing of orders was scored by version 9"):
        read(world, version=9)


def test_the_fallback_rule_predicts_while_it_answers(world: World) -> None:
    frame = frame_of(range(1, 2))
    world.write("a.parquet", frame)
    world.deploy("fallback", 1, day(5))
    done = world.score(at=day(6))
    assert (done.entry.version, done.entry.variant, done.entry.rows) == (None, "fallback", 40)
    found = read(world)
    assert found["_version"].isna().all()
    assert set(found["_variant"]) == {"fallback"}
    assert list(found["_prediction"]) == list(np.where(frame["country"] == "DE", 0.75, 0.5))
    assert world.score(at=day(4)).entry.version == 1, "before the switch the champion counts"


def test_without_a_champion_it_says_so(world: World) -> None:
    world.write("a.parquet", frame_of(range(1, 2)))
    from datetime import datetime, timezone

    with pytest.raises(
        RegistryError, match="orders has no champion to predict with; given no promotion before 2023"
    ):
        world.plan(at=datetime(2023, 1, 1, tzinfo=timezone.utc))


def test_columns_are_named_that_are_missing(world: World) -> None:
    world.write("a.parquet", frame_of(range(1, 2)).drop(columns=["amount"]))
    with pytest.raises(
        DataError, match=r"new/a\.parquet, lacks amount \(an input of version 1; close: country\)"
    ):
        world.plan()
    world.write("a.parquet", frame_of(range(1, 2)).drop(columns=["country"]))
    with pytest.raises(DataError, match=r"lacks country \(an input of version 1"):
        world.plan()
    world.write("a.parquet", frame_of(range(1, 2)).drop(columns=["ordered"]))
    with pytest.raises(DataError, match=r"scoring: new/a\.parquet lacks ordered"):
        world.plan()
    odd = world.spec.with_overrides({"scoring": {"carry": ["notes"]}})
    world.write("a.parquet", frame_of(range(1, 2)))
    with pytest.raises(DataError, match=r"lacks notes \(scoring.carry; close: note\)"):
        world.plan(spec=odd)
    ours = world.spec.with_overrides({"scoring": {"carry": ["_row"]}})
    world.write("a.parquet", frame_of(range(1, 2)).assign(_row=1))
    with pytest.raises(SpecError, match="column _row has the name of one of ours"):
        world.plan(spec=ours)


def test_an_empty_period_is_told_apart(world: World) -> None:
    world.write("a.parquet", frame_of(range(1, 2)))
    with pytest.raises(NoRows, match="scoring: no row of"):
        world.plan(day(10), day(11))


def test_rows_that_can_not_be_predicted_are_set_aside_with_reasons(world: World) -> None:
    frame = frame_of(range(1, 3))
    texts = frame["amount"].map(lambda value: None if pd.isna(value) else str(value))
    texts[3], texts[50] = "much", "inf"
    frame = frame.assign(amount=texts, express=frame["express"].astype(str))
    frame.loc[[3, 7], "express"] = "perhaps"
    world.write("a.parquet", frame)
    done = world.score().entry
    assert (done.rows, done.set_aside) == (77, 3)
    assert done.reasons == {"amount: no finite number": 2, "express: neither true nor false": 2}
    assert done.quarantine is not None
    aside = pq.read_table(io.BytesIO(get_bytes(world.store, done.quarantine))).to_pandas()
    assert list(aside["order"]) == ["o1-3", "o1-7", "o1-50"]
    assert list(aside["_reasons"]) == [
        "amount: no finite number; express: neither true nor false",
        "express: neither true nor false",
        "amount: no finite number",
    ]
    assert list(aside["_row"]) == [3, 7, 50]
    good = frame.drop(index=[3, 7, 50])
    plain = good.assign(amount=good["amount"].astype(float), express=good["express"] == "True")
    assert list(read(world)["_prediction"]) == world.expected(plain)


def test_one_bad_cell_of_a_csv_file_costs_one_row(world: World) -> None:
    frame = frame_of(range(1, 3))
    odd = frame.astype({"amount": object})
    odd.loc[9, "amount"] = "much"
    world.write("a.csv", odd)
    spec = world.spec.with_overrides({"scoring": {"source": "new/*.csv"}})
    done = world.score(spec=spec).entry
    assert (done.rows, done.reasons) == (79, {"amount: no finite number": 1})
    assert list(read(world)["_prediction"]) == pytest.approx(world.expected(frame.drop(index=9)))


def test_nothing_is_left_in_the_cache_but_what_a_killed_task_left_today(world: World, tmp_path: Path) -> None:
    world.write("a.parquet", frame_of(range(1, 3)))
    left = [tmp_path / "cache" / "scoring" / "dead" / name for name in ("old", "new")]
    left[0].parent.mkdir(parents=True)
    for path in left:
        path.write_bytes(b"x")
    os.utime(left[0], (0, 0))
    world.score()
    assert [path for path in (tmp_path / "cache" / "scoring").rglob("*") if path.is_file()] == left[1:]


def test_data_of_which_no_row_fits_are_refused(world: World) -> None:
    world.write("a.parquet", frame_of(range(1, 2)).assign(country=1.5))
    with pytest.raises(
        DataError, match=r"no row of orders__scoring@.* given 40 rows; of 40: country: no text"
    ):
        world.score()
    assert world.files() == {}
    assert predictions_log(world.store, "orders").last_number() == 0


class Failing:
    """A model that fails on some rows."""

    def __init__(self, model: Any, fails: Any) -> None:
        self.model, self.fails = model, fails

    def predict_frame(self, frame: pd.DataFrame) -> Any:
        if self.fails(frame).any():
            raise FeatureError("feature function f fails", given="ValueError: no")
        return self.model.predict_frame(frame)


def test_rows_on_which_the_model_fails_are_found_and_set_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = frame_of(range(1, 4))
    world.write("a.parquet", frame)
    load = Predictor.load
    bad = frame["amount"] > 85
    assert 0 < bad.sum() < 20
    monkeypatch.setattr(Predictor, "load", lambda *args: Failing(load(*args), lambda one: one["amount"] > 85))
    done = world.score().entry
    assert (done.rows, done.set_aside) == (120 - bad.sum(), bad.sum())
    assert done.reasons == {"feature function f fails; given ValueError: no": bad.sum()}
    monkeypatch.undo()
    assert list(read(world)["_prediction"]) == world.expected(frame[~bad])


def test_a_model_that_fails_altogether_is_an_error_and_nothing_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("a.parquet", frame_of(range(1, 4), rows=100))
    monkeypatch.setattr(
        Predictor, "load", lambda *args: Failing(None, lambda one: one["amount"].notna() | True)
    )
    with pytest.raises(FeatureError, match="feature function f fails"):
        world.score()
    assert world.files() == {}
    assert predictions_log(world.store, "orders").last_number() == 0


def test_a_model_that_can_not_be_loaded_is_an_error(world: World) -> None:
    world.write("a.parquet", frame_of(range(1, 2)))
    plan = world.plan()
    trained = Registry(world.store, "orders").get(1).trained
    world.store.remove(f"blobs/{trained.artifact[:2]}/{trained.artifact}")  # type: ignore[attr-defined]
    from airflow_mlops.core.errors import KeyMissing

    with pytest.raises(KeyMissing):
        predictor_of(world.store, plan.choice)
