"""The log of specs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.registry.policies import note_policy, policy_at, policy_log
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.spec import ModelSpec

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
PLAIN: dict[str, Any] = {
    "name": "churn",
    "data": {"source": "churn/*.parquet", "event_time": "at", "label": "left"},
    "features": {"columns": ["age"]},
    "evaluation": {"gates": [{"metric": "auc", "min": 0.6}]},
    "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def spec(rounds: int) -> ModelSpec:
    return ModelSpec(**PLAIN, training={"rounds": rounds})


def note(store: Store, rounds: int, run: str, at: datetime = NOON) -> bool:
    return note_policy(store, spec(rounds), run=run, who="ann", at=at)


def test_a_spec_is_noted_when_it_is_another_one(store: Store) -> None:
    assert note(store, 10, "r1")
    assert not note(store, 10, "r2")
    assert note(store, 20, "r3")
    assert [change.run for _, change in policy_log(store, "churn").entries()] == ["r1", "r3"]


def test_going_back_to_an_old_spec_is_a_change(store: Store) -> None:
    for rounds, run in ((10, "r1"), (20, "r2"), (10, "r3")):
        assert note(store, rounds, run)
    assert policy_log(store, "churn").last_number() == 3


def test_a_retry_notes_nothing_twice_also_after_another_run(store: Store) -> None:
    note(store, 10, "r1")
    note(store, 20, "r2")
    assert not note(store, 10, "r1", NOON + HOUR)
    assert policy_log(store, "churn").last_number() == 2


def test_the_spec_that_held_at_a_moment(store: Store) -> None:
    note(store, 10, "r1", NOON)
    note(store, 20, "r2", NOON + 2 * HOUR)
    assert policy_at(store, "churn", NOON - HOUR) is None
    held = [policy_at(store, "churn", moment) for moment in (NOON, NOON + HOUR, NOON + 2 * HOUR)]
    assert [one and ModelSpec(**one).training.rounds for one in held] == [10, 10, 20]
