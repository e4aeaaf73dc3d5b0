"""Columns, pairs of rows that come in any order, and hashes that came before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_mlops.core.rollout.table import Pairing, Seen, Table, stacked


def rows(*ids, at=None):
    return Table(
        id=np.array(ids, dtype=np.uint64), at=np.array(at if at is not None else ids, dtype=np.float64)
    )


def test_taking_prefixing_and_stacking():
    table = rows(3, 1, 2)
    assert table.rows == 3
    assert table.take(np.array([2, 0]))["id"].tolist() == [2, 3]
    assert list(table.prefixed("a:")) == ["a:id", "a:at"]
    assert stacked([rows(), table, rows(9)])["id"].tolist() == [3, 1, 2, 9]
    assert stacked([rows(), rows()]).rows == Table().rows == 0


@given(
    order=st.permutations([(side, number) for number in range(6) for side in "lr"]),
    cuts=st.sets(st.integers(1, 11)),
)
def test_every_row_meets_its_partner_once_in_any_order(order, cuts):
    pairing, found = Pairing(), []
    for part in np.split(np.arange(12), sorted(cuts)):
        chosen = [order[place] for place in part]
        left, right = pairing.add(
            rows(*[number for side, number in chosen if side == "l"]),
            rows(*[number for side, number in chosen if side == "r"]),
        )
        assert left["id"].tolist() == right["id"].tolist()
        found += left["id"].tolist()
    assert sorted(found) == list(range(6))
    assert pairing.waiting == (0, 0)


def test_pairs_come_in_the_order_in_which_they_were_complete():
    left, right = Pairing().add(rows(1, 2, 3, at=[1, 2, 3]), rows(1, 2, 3, at=[50, 10, 2]))
    assert left["id"].tolist() == right["id"].tolist() == [3, 2, 1]


def test_what_has_no_partner_waits():
    pairing = Pairing()
    pairing.add(rows(1, 2), rows(2, 3, 4))
    assert pairing.waiting == (1, 2)


@pytest.mark.parametrize("portions", [1, 3, 10])
def test_a_hash_is_fresh_once(portions):
    hashes = np.array([5, 5, 0, 2**64 - 1, 7, 0, 9, 7, 9, 1], dtype=np.uint64)
    seen = Seen()
    fresh = np.concatenate([seen.fresh(part) for part in np.array_split(hashes, portions)])
    assert fresh.tolist() == [True, False, True, True, True, False, True, False, False, True]
    assert seen.holds(np.array([5, 6], dtype=np.uint64)).tolist() == [True, False]
    assert Seen().holds(hashes).tolist() == [False] * 10
