"""One call for many requests, in which no request fails another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from airflow_mlops.core.serving.batching import ModelError, answer_each
from airflow_mlops.core.serving.loading import Rows


class Doubling:
    """Doubles ``x``; a call with a row of ``bad`` fails as a whole."""

    def __init__(self, bad: Sequence[int] = ()) -> None:
        self.bad = set(bad)
        self.calls = 0

    def check_rows(self, rows: Rows) -> None:
        pass

    def predict(self, rows: Rows) -> list[float]:
        self.calls += 1
        if any(row["x"] in self.bad for row in rows):
            raise ValueError("poison")
        return [2.0 * row["x"] for row in rows]


def requests(count: int) -> list[list[dict[str, Any]]]:
    """Request n has n % 3 + 1 rows that hold n."""
    return [[{"x": float(number)}] * (number % 3 + 1) for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 64, 1000])
def test_requests_share_one_call(count: int) -> None:
    model = Doubling()
    outcomes = answer_each(model, requests(count))
    assert outcomes == [[2.0 * number] * (number % 3 + 1) for number in range(count)]
    assert model.calls == 1


@pytest.mark.parametrize("bad", [[0], [63], [5, 6, 40], range(64)])
def test_only_the_bad_ones_fail(bad: Sequence[int]) -> None:
    outcomes = answer_each(Doubling(bad), requests(64))
    failed = [number for number, one in enumerate(outcomes) if isinstance(one, ModelError)]
    assert failed == list(bad)
    assert [one for one in outcomes if not isinstance(one, ModelError)] == [
        [2.0 * number] * (number % 3 + 1) for number in range(64) if number not in bad
    ]
    assert str(outcomes[bad[0]]) == "ValueError: poison"


def test_one_bad_request_among_a_thousand_costs_a_few_calls() -> None:
    model = Doubling([777])
    answer_each(model, requests(1000))
    assert model.calls < 30
    dead = Doubling(range(1000))
    answer_each(dead, requests(1000))
    assert dead.calls < 1300


@pytest.mark.parametrize(
    "predictions, says",
    [([1.0], "returned 1 numbers for 2 rows"), ([1.0, float("nan")], "returned a number that is not finite")],
)
def test_a_model_that_breaks_its_word_has_failed(predictions: list[float], says: str) -> None:
    class Broken(Doubling):
        def predict(self, rows: Rows) -> list[float]:
            return predictions

    (outcome,) = answer_each(Broken(), [[{"x": 1.0}, {"x": 2.0}]])
    assert isinstance(outcome, ModelError)
    assert str(outcome) == says
