"""What is done about sensitive data: warn, block, drop, hash; and what is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import PlatformError, SensitiveDataFound, SpecError, ValidationFailed
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.validation import privacy as room
from airflow_mlops.core.validation.privacy import Protected, protect, sensitive_columns
from airflow_mlops.core.validation.privacy_protect import hash_values
from tests.core.validation import sensitive
from tests.core.validation.versions import people, version_of

KEY = "0123456789abcdef-a-secret"
ROWS = 40


def given(store: Store, data: Path, **more: Any) -> DatasetVersion:
    columns = {
        "mail": sensitive.column(sensitive.mail, "mail", ROWS),
        "pay": sensitive.column(sensitive.card, "pay", ROWS),
        "carrier": ["UA", "AA"] * (ROWS // 2),
    }
    return version_of(store, data, **{**columns, **more})


def run(store: Store, version: DatasetVersion, key: str | None = KEY, **sections: Any) -> Protected:
    return protect(store, people(**sections), version, key=key, by="ann")


def test_without_privacy_nothing_is_looked_for(store: Store, data: Path) -> None:
    version = given(store, data)
    done = run(store, version)
    assert (done.version, done.findings.findings, done.done) == (version, (), ())
    assert sensitive_columns(store, people(), version) == frozenset()


def test_a_blocked_column_stops_with_its_kind_and_masked_examples(store: Store, data: Path) -> None:
    version = given(store, data)
    with pytest.raises(SensitiveDataFound) as caught:
        run(store, version, privacy={})
    line = str(caught.value)
    assert isinstance(caught.value, ValidationFailed)
    for part in (
        f"people@{version.id}",
        "mail holds email in 100.0% of its values, e.g. x***x",
        "pay holds payment_card",
        "say drop, hash, warn or allow",
    ):
        assert part in line
    assert "example" not in line.replace("examples", "")
    assert len(line.splitlines()) == 1


def test_warn_and_allow_go_on_with_the_same_version(store: Store, data: Path) -> None:
    version = given(store, data)
    done = run(store, version, privacy={"action": "allow", "kinds": {"email": "warn"}})
    assert done.version == version
    assert [(one.column, one.action, one.kinds) for one in done.done] == [("mail", "warn", ("email",))]
    assert done.findings.columns == {"mail", "pay"}


def test_clean_data_stay_as_they_are(store: Store, data: Path) -> None:
    version = version_of(store, data, carrier=["UA", "AA"] * 20)
    assert run(store, version, key=None, privacy={"action": "hash"}).version == version


def test_drop_and_hash_make_a_version_that_says_so(store: Store, data: Path) -> None:
    version = given(store, data)
    done = run(store, version, privacy={"kinds": {"payment_card": "drop", "email": "hash"}})
    made = done.version
    assert made.id != version.id
    assert made.rows == version.rows
    assert "pay" not in {column.name for column in made.columns}
    assert made.derivation is not None
    assert (made.derivation.kind, made.derivation.parents, made.derivation.by) == (
        "privacy",
        (version.ref,),
        "ann",
    )
    assert made.derivation.note == "dropped: pay; hashed: mail"
    before, after = read_frame(store, version), read_frame(store, made)
    expected = [hmac.new(KEY.encode(), one.encode(), hashlib.sha256).hexdigest() for one in before["mail"]]
    assert after["mail"].tolist() == expected
    assert after["carrier"].tolist() == before["carrier"].tolist()
    details = json.loads(get_bytes(store, made.derivation.details or ""))
    assert [(one["column"], one["action"], one["kinds"]) for one in details["protected"]] == [
        ("mail", "hash", ["email"]),
        ("pay", "drop", ["payment_card"]),
    ]
    assert details["hash"]["algorithm"] == "HMAC-SHA-256"


def test_again_is_the_same_version_and_nothing_is_looked_for_twice(
    store: Store, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = given(store, data)
    first = run(store, version, privacy={"action": "hash"})
    monkeypatch.setattr("airflow_mlops.core.validation.privacy_scan.scan", None)
    assert run(store, version, privacy={"action": "hash"}).version == first.version
    again = run(store, first.version, privacy={"action": "hash"})
    assert again.version == first.version, "what was protected has nothing more to protect"
    other = run(store, version, key=KEY + "x", privacy={"action": "hash"}).version
    assert other.id != first.version.id, "another key gives other hashes"


def test_the_same_value_has_the_same_hash_in_every_version(store: Store, data: Path) -> None:
    numbers = np.arange(100_000_000, 100_000_000 + ROWS)
    holed = numbers.astype(float)
    holed[3] = np.nan
    hashed = {"privacy": {"action": "allow", "columns": {"who": "hash"}}}
    whole, floats, texts = (
        read_frame(store, run(store, version_of(store, data, who=values), **hashed).version)["who"]
        for values in (numbers, holed, numbers.astype(str))
    )
    assert whole.tolist() == texts.tolist()
    assert floats.isna().tolist() == [row == 3 for row in range(ROWS)]
    assert floats.drop(3).tolist() == whole.drop(3).tolist()


def test_hashes_of_all_types() -> None:
    secret = KEY.encode()
    assert hash_values(pa.array(["a", None, "a", "b"]), secret).null_count == 1
    one, nothing, same, other = hash_values(pa.array(["a", None, "a", "b"]), secret).to_pylist()
    assert (one, nothing) == (same, None)
    assert one != other
    for values in (
        pa.array([True, False]),
        pa.array([b"x", b"\xff"]),
        pa.array([1.5, float("inf")]),
        pa.array([[1, 2], [3]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array(["x", "y"]).dictionary_encode(),
    ):
        first, second = hash_values(values, secret).to_pylist()
        assert first != second
        assert len(first) == 64
    assert hash_values(pa.nulls(2), secret).to_pylist() == [None, None]


@pytest.mark.parametrize(
    "key, says", [(None, "needs a key"), ("", "needs a key"), ("short", "is too short; expected at least 16")]
)
def test_hashing_needs_a_key_that_can_not_be_guessed(
    store: Store, data: Path, key: str | None, says: str
) -> None:
    version = given(store, data)
    for privacy in ({"action": "hash"}, {"action": "allow", "columns": {"carrier": "hash"}}):
        with pytest.raises(PlatformError, match=says) as caught:
            run(store, version, key=key, privacy=privacy)
        assert "privacy_secret" in str(caught.value)
        assert "short;" not in str(caught.value).replace("too short;", "")


@pytest.mark.parametrize(
    "column, action, use",
    [
        ("x", "drop", "in features.columns"),
        ("x", "hash", "in features.columns: requests carry values, not hashes"),
        ("y", "drop", "data.label"),
        ("at", "hash", "data.event_time"),
        ("carrier", "drop", "in evaluation.slices or evaluation.groups"),
        ("mail", "drop", "data.id"),
        ("pay", "drop", "in data.joins.by"),
    ],
)
def test_what_the_model_needs_can_not_be_taken_away(
    store: Store, data: Path, column: str, action: str, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "find_sensitive", None)  # refused before anything is looked at
    join = {"name": "w", "source": "w/*.csv", "event_time": "t", "by": ["pay"], "columns": ["c"]}
    source = {
        "source": "people/*.parquet",
        "event_time": "at",
        "label": "y",
        "id": "mail",
        "joins": [join],
    }
    evaluation = {"gates": [{"metric": "auc", "min": 0.6}], "slices": ["carrier"]}
    version = given(store, data)
    with pytest.raises(SpecError) as caught:
        run(store, version, data=source, evaluation=evaluation, privacy={"columns": {column: action}})
    assert f"privacy.columns.{column}: can't {action} {column}, which is {use}" in str(caught.value)


def test_a_needed_column_is_not_dropped_for_what_was_found_in_it(store: Store, data: Path) -> None:
    version = given(store, data)
    with pytest.raises(SpecError, match=r"because mail holds email: can't drop mail, which is in features"):
        run(store, version, features={"columns": ["x", "mail"]}, privacy={"action": "drop"})
    assert not [item.key for item in store.list("datasets/people/") if version.id not in item.key]


def test_the_column_outranks_the_kind_and_the_strictest_kind_wins(store: Store, data: Path) -> None:
    both = [f"jane{number}@example.org 536-90-4399" for number in range(ROWS)]
    version = given(store, data, note=both)
    kinds = {"email": "hash", "national_id": "drop", "payment_card": "warn"}
    done = run(store, version, privacy={"kinds": kinds, "columns": {"mail": "allow", "carrier": "drop"}})
    assert {one.column: one.action for one in done.done} == {"pay": "warn", "note": "drop", "carrier": "drop"}
    blocked = {"action": "allow", "columns": {"carrier": "block"}}
    assert run(store, version, privacy=blocked).version == version, "nothing was found in it"


def test_an_unknown_column_is_named(store: Store, data: Path) -> None:
    with pytest.raises(
        SpecError, match=r"privacy.columns names a column .* given mial; expected close: mail"
    ):
        run(store, given(store, data), privacy={"columns": {"mial": "drop"}})


def test_not_every_column_can_go(store: Store, data: Path) -> None:
    version = version_of(store, data, mail=["jane@example.org"] * 4, x=[1] * 4, y=[1] * 4)
    spec = people(
        data={"source": "people/*.parquet", "event_time": "at", "label": "label"},
        features={"columns": ["other"]},
        privacy={"action": "drop", "columns": {"x": "drop", "y": "drop"}},
    )
    with pytest.raises(SpecError, match="privacy would drop every column"):
        protect(store, spec, version, key=None, by="ann")


def test_columns_whose_values_must_not_be_shown(store: Store, data: Path) -> None:
    version = given(store, data)
    spec = people(privacy={"action": "allow", "columns": {"carrier": "hash"}})
    assert sensitive_columns(store, spec, version) == {"mail", "pay", "carrier"}
    made = protect(store, spec, version, key=KEY, by="ann").version
    assert sensitive_columns(store, spec, made) == {"mail", "pay", "carrier"}
