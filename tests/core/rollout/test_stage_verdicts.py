"""The judge's last words are kept, each once for a place."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_mlops.core.rollout.stage_verdicts import StageVerdict, keep_verdict, verdict_prefix
from airflow_mlops.core.rollout.verdict import Verdict
from tests.core.registry.world import MemoryStore

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)


def verdict(decision: str = "PROMOTE", **fields: object) -> Verdict:
    base = {"stage": "shadow", "reason": "r", "gates": (), "counts": {}, "alpha": 0.05, "version": 2, "run": "d/r",
            "deployment": 3}  # fmt: skip
    return Verdict(**{**base, "decision": decision, **fields})  # type: ignore[arg-type]


def kept(store: MemoryStore) -> list[StageVerdict]:
    return [StageVerdict.from_bytes(store.read(one.key)) for one in store.list(verdict_prefix("m", 2))]


def test_the_first_time_counts_and_saying_it_again_changes_nothing() -> None:
    store = MemoryStore()
    for hours in (0, 1):
        keep_verdict(store, "m", verdict(), NOW + timedelta(hours=hours))
    assert [(one.verdict, one.at) for one in kept(store)] == [(verdict(), NOW)]


def test_each_place_and_each_decision_has_its_own() -> None:
    store = MemoryStore()
    said = [
        verdict("INCONCLUSIVE"),
        verdict("PROMOTE"),
        verdict("ROLLBACK", stage="canary", deployment=4),
        verdict(stage="replay", deployment=None),
        verdict(stage="replay", deployment=None, run="another"),
    ]
    for one in said:
        keep_verdict(store, "m", one, NOW)
    assert sorted(one.verdict.model_dump_json() for one in kept(store)) == sorted(
        one.model_dump_json() for one in said
    )


@pytest.mark.parametrize("one", [verdict("CONTINUE"), verdict(version=None)])
def test_what_decides_nothing_is_not_kept(one: Verdict) -> None:
    store = MemoryStore()
    keep_verdict(store, "m", one, NOW)
    assert not list(store.list(""))
