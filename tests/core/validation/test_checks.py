"""Freshness, volume, contract and unique keys of a version as a whole."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.version import Column, DatasetVersion
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.store import Store
from airflow_mlops.core.validation.checks import run_checks
from airflow_mlops.core.validation.result import ExpectationResult
from tests.core.validation.versions import people, version_of

UTC = timezone.utc
NOW = datetime(2024, 1, 11, tzinfo=UTC)


def check(
    store: Store,
    version: DatasetVersion,
    previous: DatasetVersion | None = None,
    now: datetime = NOW,
    **asked: Any,
) -> ExpectationResult:
    (found,) = run_checks(store, people(validation=asked), version, previous, now)
    return found


def ten_days(store: Store, data: Path, **more: Any) -> DatasetVersion:
    return version_of(store, data, **{"x": np.arange(240.0), **more})


def test_nothing_asked_is_nothing_checked(store: Store, data: Path) -> None:
    assert run_checks(store, people(), ten_days(store, data), None, NOW) == ()


def test_all_checks_pass_on_a_first_version_in_the_order_of_the_spec(store: Store, data: Path) -> None:
    asked = {
        "freshness": {"max_age": "2h"},
        "volume": {"max_change": 0.5},
        "contract": {},
        "drift": {},
        "unique": ["at"],
    }
    found = run_checks(store, people(validation=asked), ten_days(store, data), None, NOW)
    assert [one.type for one in found] == [
        "check_freshness",
        "check_volume",
        "check_contract",
        "check_drift",
        "check_unique",
    ]
    assert all(one.success for one in found)
    for one in found[1:4]:
        assert "no version before" in one.reason


@pytest.mark.parametrize(
    "now, fresh, says",
    [
        (NOW, True, "1 h old now; at most 2 h"),
        (NOW + timedelta(hours=2), False, "3 h old now"),
        (NOW - timedelta(hours=1, minutes=3), True, "0 s old"),
        (NOW - timedelta(hours=3), False, "2 h in the future: times without a zone are taken as UTC"),
        (NOW.replace(tzinfo=None), True, "1 h old"),
        (NOW.astimezone(timezone(timedelta(hours=-8))), True, "1 h old"),
    ],
)
def test_freshness(store: Store, data: Path, now: datetime, fresh: bool, says: str) -> None:
    found = check(store, ten_days(store, data), now=now, freshness={"max_age": "2h"})
    assert found.success is fresh
    assert says in found.reason


def test_a_window_in_the_past_is_fresh_at_its_end(store: Store, data: Path) -> None:
    version = ten_days(store, data, until=datetime(2024, 1, 5, tzinfo=UTC))
    later = NOW + timedelta(days=400)
    assert check(store, version, now=later, freshness={"max_age": "2h"}).success
    assert not check(store, version, now=later, freshness={"max_age": "59m"}).success
    open_end = ten_days(store, data, until=NOW + timedelta(days=30))
    assert not check(store, open_end, now=NOW + timedelta(days=3), freshness={"max_age": "2d"}).success


def test_local_times_read_as_utc_are_found_out(store: Store, data: Path) -> None:
    """A feed of Tokyo that writes 09:00 for 00:00 UTC."""
    local = pd.date_range("2024-01-01 09:00", periods=240, freq="1h")
    version = version_of(store, data, x=np.zeros(240), at=local)
    assert "8 h in the future" in check(store, version, freshness={"max_age": "1d"}).reason


def test_volume_has_a_least_and_a_most(store: Store, data: Path) -> None:
    version = ten_days(store, data)
    assert check(store, version, volume={"min_rows": 240, "max_rows": 240}).success
    few = check(store, version, volume={"min_rows": 241, "severity": "warn"})
    assert (few.success, few.severity) == (False, "warn")
    assert few.reason == "240 rows, at least 241 expected"
    assert "at most 239" in check(store, version, volume={"max_rows": 239}).reason


def test_volume_is_compared_by_day_so_a_longer_window_is_no_change(store: Store, data: Path) -> None:
    before = ten_days(store, data)
    longer = version_of(store, data, start="2024-02-01", x=np.zeros(2400))
    assert check(store, longer, before, volume={"max_change": 0.05}).success
    sparse = version_of(store, data, start="2024-02-01", step="3h", x=np.zeros(240))
    found = check(store, sparse, before, volume={"max_change": 0.5})
    assert not found.success
    assert "8.0 rows a day against 24.1" in found.reason
    assert "(-67%)" in found.reason
    assert not check(store, before, sparse, volume={"max_change": 0.5}).success, "twice as many is odd, too"


def test_what_is_new_in_a_growing_version_is_compared_alone(store: Store, data: Path) -> None:
    """A tenth of the usual rows in the last two of a hundred days is 2 % less of all rows."""
    at = pd.date_range("2024-01-01", periods=2400, freq="1h", tz="UTC")
    before = version_of(store, data, at=at, x=np.zeros(2400))
    more = at.append(pd.date_range(at[-1], periods=6, freq="10h", tz="UTC")[1:])
    grown = version_of(store, data, at=more, x=np.zeros(2405))
    found = check(store, grown, before, volume={"max_change": 0.5})
    assert not found.success
    assert "2.4 rows a day against 24.0" in found.reason


def test_a_feed_that_died_within_the_window_is_fewer_rows(store: Store, data: Path) -> None:
    until = datetime(2024, 1, 21, tzinfo=UTC)
    before = ten_days(store, data)
    died = version_of(store, data, start="2024-01-11", x=np.zeros(48), until=until)
    now = until + timedelta(days=1)
    assert not check(store, died, before, now=now, volume={"max_change": 0.5}).success
    assert check(
        store, died, before, now=datetime(2024, 1, 13, tzinfo=UTC), volume={"max_change": 0.5}
    ).success


def of_types(**types: str) -> DatasetVersion:
    columns = tuple(Column(name=name, type=kind, nulls=0) for name, kind in types.items())
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    return DatasetVersion(
        name="people",
        id="".join(sorted(types))[:24],
        format="parquet",
        files=(),
        rows=1,
        columns=columns,
        event_time="at",
        first_event=moment,
        last_event=moment,
        created_at=moment,
    )


def test_contract_names_each_kind_of_change_with_its_severity(store: Store) -> None:
    before, after = of_types(a="int64", b="string", c="double"), of_types(a="string", c="double", d="bool")
    found = run_checks(store, people(validation={"contract": {}}), after, before, NOW)
    assert [(one.column, one.severity, one.success) for one in found] == [
        ("b", "fail", False),
        ("d", "warn", False),
        ("a", "fail", False),
    ]
    assert "a int64 -> string" in found[2].reason
    mild = {"removed": "allow", "added": "allow", "types": "allow"}
    (one,) = run_checks(store, people(validation={"contract": mild}), after, before, NOW)
    assert one.success
    assert one.reason.count("(allowed)") == 3
    (same,) = run_checks(store, people(validation={"contract": {}}), after, after, NOW)
    assert same.success


@pytest.mark.parametrize(
    "before, after, changed",
    [
        ("int64", "int32", False),
        ("string", "large_string", False),
        ("string", "dictionary<values=string, indices=int32, ordered=0>", False),
        ("timestamp[us]", "timestamp[ns]", False),
        ("timestamp[us, tz=UTC]", "timestamp[ns, tz=Europe/Berlin]", False),
        ("timestamp[us, tz=UTC]", "timestamp[us]", True),
        ("float", "double", False),
        ("int64", "double", True),
        ("null", "string", False),
        ("string", "bool", True),
        ("list<item: int32>", "list<item: int64>", False),
        ("list<item: int32>", "list<item: string>", True),
    ],
)
def test_types_differ_as_people_see_them(store: Store, before: str, after: str, changed: bool) -> None:
    found = check(store, of_types(a=after), of_types(a=before), contract={})
    assert found.success is not changed, found.reason


def test_a_contract_of_ten_thousand_columns_is_one_short_line(store: Store) -> None:
    before = of_types(**{f"c{number}": "int64" for number in range(10_000)})
    found = check(store, of_types(a="int64"), before, contract={"added": "allow"})
    assert not found.success
    assert "and 9,980 more" in found.reason
    assert len(found.reason) < 300


def test_unique_counts_rows_that_share_a_key_and_masks_them(store: Store, data: Path) -> None:
    keys = [f"jane.doe{number}@example.org" for number in range(240)]
    keys[5] = keys[7] = keys[9]
    version = ten_days(store, data, key=keys)
    found = check(store, version, unique=["key"])
    assert not found.success
    assert (found.unexpected_count, found.element_count) == (3, 240)
    assert found.unexpected_share == 3 / 240
    assert found.examples == ("x***x (3 rows, 2024-01-01 05:00 to 2024-01-01 09:00)",)
    assert "3 rows share 1 keys" in found.reason
    assert "jane" not in found.to_bytes().decode()
    assert check(store, version, unique=["key", "at"]).success


def test_unique_knows_rows_of_the_window_only(store: Store, data: Path) -> None:
    keys = list(range(240))
    keys[239] = 0
    until = datetime(2024, 1, 10, tzinfo=UTC)
    assert not check(store, ten_days(store, data, key=keys), unique=["key"]).success
    assert check(store, ten_days(store, data, key=keys, until=until), unique=["key"]).success


def test_missing_keys_are_alike(store: Store, data: Path) -> None:
    keys: list[str | None] = [str(number) for number in range(240)]
    keys[3] = keys[4] = None
    found = check(store, ten_days(store, data, key=keys), unique=["key"])
    assert found.unexpected_count == 2
    assert found.examples[0].startswith("null (2 rows")


def test_odd_names_and_types_can_be_keys(store: Store, data: Path) -> None:
    odd = 'a "b"; DROP TABLE rows --'
    version = ten_days(store, data, **{odd: [[number // 2] for number in range(240)]})
    assert check(store, version, unique=[odd]).unexpected_count == 240
    assert check(store, version, unique=[odd, odd, "at"]).success


def test_an_unknown_key_is_named_with_what_is_close(store: Store, data: Path) -> None:
    with pytest.raises(
        SpecError, match=r"validation.unique names a column .* given key_; expected close: key"
    ):
        check(store, ten_days(store, data, key=np.arange(240)), unique=["key_"])
