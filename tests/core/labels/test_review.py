"""Reviewed files come back: corrections, confirmations, contradictions, other versions, a second time."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.labels.audit import audit
from airflow_mlops.core.labels.record import ReviewLog
from airflow_mlops.core.labels.review import apply_review, decisions_of
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import recall
from airflow_mlops.spec import ModelSpec
from tests.core.labels.world import flipped, hand_in, labels_of, labels_spec, listed, orders, review
from tests.core.training.world import make_version


def keys(store: Store) -> list[str]:
    return [item.key for item in store.list("")]


@pytest.fixture(autouse=True)
def _one_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is listed does not matter here, and three families more take time."""
    monkeypatch.setattr("airflow_mlops.core.labels.audit.families", lambda categorical, seed: ())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def version(store: Store, root: Path) -> DatasetVersion:
    return make_version(store, root, flipped(orders())[0], labels_spec())


def apply(
    store: Store, root: Path, version: DatasetVersion, spec: ModelSpec | None = None, **more
) -> DatasetVersion:
    return apply_review(store, open_data_root(str(root)), spec or labels_spec(), version, by="ann", **more)


@pytest.mark.parametrize("name", ["one.csv", "one.parquet"])
def test_corrections_make_a_version_that_says_who_changed_what(
    store: Store, root: Path, version: DatasetVersion, name: str
) -> None:
    rows = listed(store, audit(store, labels_spec(), version))
    wrong = 1 - int(rows[0]["given_label"])
    hand_in(root, review(rows, [str(wrong), "keep", ""]) + rows[3:], name)
    made = apply(store, root, version)
    before, after = labels_of(store, version), labels_of(store, made)
    first = int(rows[0]["id"])
    assert {number for number in before if before[number] != after[number]} == {first}
    assert after[first] == wrong
    assert made.derivation is not None
    assert (made.derivation.kind, made.derivation.parents) == ("review", (version.ref,))
    assert made.derivation.note == "1 labels corrected, 1 confirmed, by ann"
    log = recall(store, made.derivation.details or "", ReviewLog)
    assert len(log.decisions) == 2
    changed = next(one for one in log.decisions if not one.kept)
    assert (changed.key, changed.old, changed.new) == (f"id {first}", 1 - wrong, wrong)
    assert (changed.by, changed.comment) == ("ann", "seen")
    assert (changed.source, changed.row) == ("orders/all.parquet", int(rows[0]["row"]))
    same = [name for name in read_frame(store, version).columns if name != "late"]
    pd.testing.assert_frame_equal(read_frame(store, version)[same], read_frame(store, made)[same])
    assert read_frame(store, made)["late"].dtype == read_frame(store, version)["late"].dtype


@pytest.mark.parametrize("named", [True, False])
def test_applying_twice_changes_nothing(
    store: Store, root: Path, version: DatasetVersion, named: bool
) -> None:
    spec = labels_spec(named=named)
    rows = listed(store, audit(store, spec, version))
    hand_in(root, review(rows, [str(1 - int(rows[0]["given_label"])), "keep"]))
    made = apply(store, root, version, spec)
    assert made.id != version.id
    before = keys(store)
    assert apply(store, root, version, spec).id == made.id
    assert apply(store, root, made, spec).id == made.id
    assert keys(store) == before


@pytest.mark.parametrize("named", [True, False])
def test_corrections_hold_for_a_later_snapshot_with_the_same_rows(
    store: Store, root: Path, version: DatasetVersion, named: bool
) -> None:
    spec = labels_spec(named=named)
    rows = listed(store, audit(store, spec, version))
    hand_in(root, review(rows, [str(1 - int(rows[0]["given_label"])), "keep"]))
    frame = flipped(orders())[0]
    more = orders(50, seed=9).assign(number=lambda f: f["number"] + 9000)
    more["ordered"] += pd.Timedelta(days=40)
    pd.concat([more, frame]).to_parquet(root / "orders" / "all.parquet", index=False)
    later = snapshot(store, open_data_root(str(root)), spec)
    assert later.files[0].sha256 != version.files[0].sha256
    made = apply(store, root, later, spec)
    changed = int(frame.iloc[int(rows[0]["row"])]["number"])
    before, after = labels_of(store, later), labels_of(store, made)
    assert {number for number in before if before[number] != after[number]} == {changed}

    gone = frame[frame["number"] != changed]
    gone.to_parquet(root / "orders" / "all.parquet", index=False)
    lines: list[str] = []
    without = apply(
        store, root, snapshot(store, open_data_root(str(root)), spec), spec, progress=lines.append
    )
    assert len(decisions_of(store, without)) == 1
    assert lines[0] == "1 reviewed rows are of other dataset versions and not among these rows"


@pytest.mark.parametrize("named", [True, False])
def test_confirmed_rows_are_not_suggested_again(
    store: Store, root: Path, version: DatasetVersion, named: bool
) -> None:
    spec = labels_spec(named=named)
    first = audit(store, spec, version)
    rows = listed(store, first)
    hand_in(root, review(rows, ["keep", rows[1]["given_label"]]))
    made = apply(store, root, version, spec)
    assert labels_of(store, made) == labels_of(store, version)
    second = audit(store, spec, made)
    keep = {(row["event_time"], row["amount"]) for row in rows[:2]}
    assert second.kept == 2
    assert second.suspects == first.suspects - 2
    assert not keep & {(row["event_time"], row["amount"]) for row in listed(store, second)}


def test_without_a_reviewed_row_the_version_stays(store: Store, root: Path, version: DatasetVersion) -> None:
    assert apply(store, root, version) is version
    hand_in(root, listed(store, audit(store, labels_spec(), version)))
    assert apply(store, root, version) is version


def test_a_file_can_be_named(store: Store, root: Path, version: DatasetVersion) -> None:
    rows = listed(store, audit(store, labels_spec(), version))
    hand_in(root, review(rows, ["keep"]))
    hand_in(root, review(rows[1:], ["keep"]), "two.csv")
    made = apply(store, root, version, paths=["reviews/orders/two.csv"])
    assert [one.key for one in decisions_of(store, made)] == [f"id {rows[1]['id']}"]


def test_a_spreadsheet_with_semicolons_and_a_mark(store: Store, root: Path, version: DatasetVersion) -> None:
    rows = review(listed(store, audit(store, labels_spec(), version)), ["keep"])
    path = root / "reviews" / "orders" / "saved.csv"
    path.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(path, index=False, sep=";", encoding="utf-8-sig")
    assert len(decisions_of(store, apply(store, root, version))) == 1


@pytest.mark.parametrize(
    "change, says",
    [
        ({"corrected_label": "2"}, "one.csv line 2: '2' is no label; it is 0 or 1, or keep"),
        ({"corrected_label": "maybe"}, "'maybe' is no label"),
        ({"reviewed_by": " "}, "reviewed_by is empty: a change needs a name"),
        ({"row": "99999"}, "has no row 99999 of orders/all.parquet"),
        ({"row": "x"}, "row is no number: 'x'"),
        ({"dataset": "flights@1"}, "is of the data set flights@1, not of orders"),
        ({"given_label": "other"}, "'other' is no label"),
        ({"content": "0" * 64, "row_key": "id 5"}, "has no row"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_and_nothing_is_applied(
    store: Store, root: Path, version: DatasetVersion, change: dict[str, str], says: str
) -> None:
    rows = review(listed(store, audit(store, labels_spec(), version)), ["keep", "keep"])
    hand_in(root, [{**rows[0], **change}, rows[1]])
    before = keys(store)
    with pytest.raises(DataError, match=says) as caught:
        apply(store, root, version)
    assert len(str(caught.value).splitlines()) == 1
    assert keys(store) == before


def test_contradictions_and_labels_that_have_moved_on(
    store: Store, root: Path, version: DatasetVersion
) -> None:
    rows = listed(store, audit(store, labels_spec(), version))
    hand_in(root, review(rows, ["0"]))
    hand_in(root, review(rows, ["1"], by="bob"), "two.csv")
    with pytest.raises(
        DataError, match=r"two.csv line 2: bob says 1, ann says 0 in reviews/orders/one.csv line 2"
    ):
        apply(store, root, version)
    (root / "reviews" / "orders" / "two.csv").unlink()
    given = int(rows[0]["given_label"])
    hand_in(root, [{**review(rows, ["keep"])[0], "given_label": str(1 - given)}])
    with pytest.raises(DataError, match=f"the label is {given}, not {1 - given} any more"):
        apply(store, root, version)


@pytest.mark.parametrize(
    "text, says", [("a,b\n1,2\n", "without dataset, source"), ("", "without"), ("\x00\xff", "no review file")]
)
def test_what_is_no_review_file_is_told(
    store: Store, root: Path, version: DatasetVersion, text: str, says: str
) -> None:
    path = root / "reviews" / "orders" / "one.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=says):
        apply(store, root, version)
