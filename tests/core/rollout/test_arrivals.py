"""Both sides of a canary count up to the same moment."""

import numpy as np

from airflow_mlops.core.rollout.arrivals import Arrivals
from airflow_mlops.core.rollout.table import Table
from airflow_mlops.core.serving.hours import MAX_SPAN

LATE = MAX_SPAN.total_seconds()


def rows(champion=(), challenger=()):
    return Table(
        at=np.array([*champion, *challenger], dtype=np.float64),
        mine=np.array([False] * len(champion) + [True] * len(challenger), dtype=bool),
    )


class Side:
    def __init__(self):
        self._arrivals = Arrivals()

    def come(self, table, now):
        horizon = self._arrivals.horizon(table, now)
        return self._arrivals.due("request", table, horizon)["at"].tolist()


def test_answers_wait_for_the_other_side():
    side = Side()
    assert side.come(rows(champion=[1, 2, 3]), 5.0) == []
    assert side.come(rows(challenger=[2]), 6.0) == [1, 2, 2]
    assert side.come(rows(challenger=[4]), 7.0) == [3]
    assert side.come(rows(champion=[9]), 10.0) == [4]


def test_but_not_for_longer_than_captures_take():
    side = Side()
    assert side.come(rows(champion=[1, 2, 30]), 30.0) == []
    assert side.come(rows(), 2 + LATE) == [1, 2]
    assert side.come(rows(), 30 + LATE) == [30]
    # later still, what comes counts at once
    assert side.come(rows(challenger=[5]), 100 + LATE) == [5]


def test_what_is_due_is_in_the_order_of_time():
    side = Side()
    side.come(rows(champion=[7, 3, 5]), 8.0)
    assert side.come(rows(challenger=[6, 2, 9], champion=[9]), 10.0) == [2, 3, 5, 6, 7, 9, 9]
