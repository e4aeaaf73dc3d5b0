"""A quick look at the entry of one record."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_mlops.core.audit.nearby import noted
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store.chain import AUDIT, audited_create, head_of
from tests.core.card.test_dossier import Forgetful

CHAIN = f"{AUDIT}/models/orders"


def key(number: int) -> str:
    return f"models/orders/versions/{number:010d}.json"


@pytest.fixture
def store() -> Forgetful:
    store = Forgetful()
    for number in range(1, 41):
        audited_create(store, key(number), f"version {number}".encode())
    return store


@pytest.mark.parametrize("number", [1, 20, 40])
def test_a_record_as_it_was_written(store: Forgetful, number: int) -> None:
    found = noted(store, key(number), utc_now())
    assert found.state == "as written"
    assert found.number in (2 * number - 1, 2 * number)
    assert found.who


def test_a_record_that_was_edited_or_removed(store: Forgetful) -> None:
    store.spoil(key(3), b"version three")
    assert noted(store, key(3), utc_now()).state == "edited"
    store.forget(key(3))
    assert noted(store, key(3), utc_now()).state == "gone"


def test_a_record_that_nobody_announced(store: Forgetful) -> None:
    store.create(key(41), b"forged")
    assert noted(store, key(41), utc_now()).state == "no entry"
    assert noted(store, "blobs/aa/bb", utc_now()).state == "no entry", "blobs stand in no chain"
    assert noted(store, "models/other/versions/0000000001.json", utc_now()).state == "no entry"


def test_entries_of_another_time_are_not_looked_at(store: Forgetful) -> None:
    hour = timedelta(hours=1)
    assert noted(store, key(1), utc_now() - hour).state == "no entry"
    assert noted(store, key(40), utc_now() + hour).state == "no entry"


def test_a_chain_that_can_not_be_read(store: Forgetful) -> None:
    for number in range(1, head_of(store, CHAIN).number + 1):
        store.spoil(f"{CHAIN}/0000000/{number:010d}.json", b"{")
    assert noted(store, key(3), utc_now()).state == "unreadable"
