"""The audit of a dataset version: suspects, review file, duplicates, shift, evidence, bad input."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.errors import DataError, MlopsError, SpecError
from airflow_mlops.core.labels.audit import audit, exceeds, explain
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from tests.core.labels.world import flipped, labels_spec, listed, orders
from tests.core.training.world import make_version


def test_planted_errors_stand_first_in_the_review_file(store: Store, tmp_path: Path) -> None:
    spec = labels_spec()
    frame, wrong = flipped(orders())
    version = make_version(store, tmp_path / "data", frame, spec)
    result = audit(store, spec, version)
    rows = listed(store, result)
    suspected = {int(row["id"]) for row in rows[: result.suspects]}
    assert len(suspected & wrong) >= 0.8 * len(wrong)
    assert len(suspected & wrong) >= 0.8 * len(suspected)
    assert result.certain
    assert result.expected_precision is not None
    assert abs(result.expected_precision - len(suspected & wrong) / len(suspected)) <= 0.1
    assert result.error_rate_low <= len(wrong) / result.rows <= result.error_rate_high
    assert result.evidence == ("refund",)
    first = rows[0]
    assert first["dataset"] == f"orders@{version.id}"
    assert (first["source"], first["content"]) == ("orders/all.parquet", version.files[0].sha256)
    place = frame.iloc[int(first["row"])]
    assert (place["number"], place["late"]) == (int(first["id"]), int(first["given_label"]))
    assert first["suggested_label"] == str(1 - int(first["given_label"]))
    assert first["corrected_label"] == first["reviewed_by"] == first["comment"] == ""
    assert "is wrong with probability" in first["reason"]
    assert {"amount", "country", "express"} <= set(first)
    assert "refund" not in first, "only the model's own columns leave the store"
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    parquet = pd.read_parquet(io.BytesIO(get_bytes(store, result.parquet)))
    assert parquet["id"].tolist() == [row["id"] for row in rows]
    assert audit(store, spec, version) == result, "the same version, spec and seed give the same file"


def test_only_the_training_part_is_looked_at_and_the_file_has_a_limit(store: Store, tmp_path: Path) -> None:
    spec = labels_spec(max_suspects=20)
    result = audit(store, spec, make_version(store, tmp_path / "data", flipped(orders())[0], spec))
    rows = listed(store, result)
    assert len(rows) == result.file_rows == 20
    assert max(row["event_time"] for row in rows) < "2024-01-31"
    assert 600 < result.rows < 700


def test_the_error_rate_stops_only_what_is_certain(store: Store, tmp_path: Path) -> None:
    spec = labels_spec()
    result = audit(store, spec, make_version(store, tmp_path / "data", flipped(orders())[0], spec))
    assert exceeds(result, 0.01)
    assert not exceeds(result, 0.2)
    assert not exceeds(result, None)
    vague = result.model_copy(update={"certain": False, "expected_precision": None})
    assert not exceeds(vague, 0.01)
    assert "at most" in explain(vague)
    assert "labels.evidence" in explain(vague)
    assert "are expected to be wrong" in explain(result)
    assert len(explain(result).splitlines()) == 1


def test_equal_rows_that_disagree_are_counted(store: Store, tmp_path: Path) -> None:
    frame = orders()
    frame.loc[10:14, ["amount", "country", "express"]] = [20.0, "DE", True]
    frame.loc[10:14, "late"] = [0, 0, 0, 1, 0]
    spec = labels_spec(evidence=[])
    result = audit(store, spec, make_version(store, tmp_path / "data", frame, spec))
    assert (result.duplicates.groups, result.duplicates.rows) == (1, 5)
    found = result.duplicates.largest[0]
    assert (found.rows, found.positives, found.row) == (5, 1, 10)
    assert result.evidence == ()
    told = [row for row in listed(store, result) if "equal rows have another label" in row["reason"]]
    assert {int(row["id"]) for row in told} == set(range(1010, 1015))


def test_label_shift_over_periods_and_parts(store: Store, tmp_path: Path) -> None:
    frame = orders()
    steady = audit(store, labels_spec(), make_version(store, tmp_path / "a", frame, labels_spec()))
    by = {one.by: one for one in steady.shifts}
    assert sum(one.rows for one in by["period"].groups) == steady.rows
    assert [one.name for one in by["part"].groups] == ["train", "test"]
    assert by["period"].p_value is not None
    assert by["period"].p_value > 0.001
    late = frame["ordered"] > pd.Timestamp("2024-01-20", tz="UTC")
    moved = frame[~(late & (frame["late"] == 1) & (frame["number"] % 8 > 0))]
    shifted = audit(store, labels_spec(), make_version(store, tmp_path / "b", moved, labels_spec()))
    by = {one.by: one for one in shifted.shifts}
    assert by["period"].p_value is not None
    assert by["period"].p_value < 1e-6, by["period"]
    assert by["period"].effect is not None
    assert by["period"].effect > 0.15


def test_a_column_that_repeats_the_label_is_no_evidence(store: Store, tmp_path: Path) -> None:
    frame, wrong = flipped(orders())
    frame["outcome"] = frame["late"].astype(float)
    spec = labels_spec()
    result = audit(store, spec, make_version(store, tmp_path / "data", frame, spec))
    assert result.evidence == ("refund",)
    assert result.suspects >= 0.8 * len(wrong)


def test_columns_of_all_kinds(store: Store, tmp_path: Path) -> None:
    frame = flipped(orders())[0]
    frame["late"] = frame["late"].astype(bool)
    frame["empty"] = np.nan
    frame["text"] = [f"note {number}" for number in frame["number"]]
    frame["paid"] = frame["ordered"]
    frame.loc[::11, "amount"] = np.nan
    spec = labels_spec(evidence=["empty", "paid", "refund"])
    result = audit(store, spec, make_version(store, tmp_path / "data", frame, spec))
    assert result.evidence == ("empty", "paid", "refund")
    assert {row["given_label"] for row in listed(store, result)} == {"0", "1"}


def regression() -> object:
    return labels_spec().with_overrides({"training": {"objective": "regression"}})


@pytest.mark.parametrize(
    "change, spec, error, says",
    [
        ({}, regression(), SpecError, "binary objective only"),
        ({"late": 1}, labels_spec(), DataError, "not two different values"),
        ({}, labels_spec(evidence=["refnd"]), DataError, r"lacks refnd \(labels.evidence; close: refund"),
        ({}, labels_spec(evidence=["late"]), DataError, "names the label itself"),
        ({"late": "yes"}, labels_spec(), DataError, "not binary"),
    ],
)
def test_bad_input_is_one_line(store: Store, tmp_path: Path, change, spec, error, says: str) -> None:
    version = make_version(store, tmp_path / "data", orders().assign(**change), spec)
    with pytest.raises(error, match=says) as caught:
        audit(store, spec, version)
    assert isinstance(caught.value, MlopsError)
    assert len(str(caught.value).splitlines()) == 1
