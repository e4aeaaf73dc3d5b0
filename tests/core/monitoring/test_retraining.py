"""Requests for retraining, and the facts that are collected for a decision."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.monitoring.look import RetrainDecision, monitoring_log
from airflow_mlops.core.monitoring.retraining.facts import Facts, facts_of
from airflow_mlops.core.monitoring.retraining.policy import decide
from airflow_mlops.core.monitoring.retraining.requests import request_log, request_retraining
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.releases import ReleaseEvent, note_release, release_log
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.results import recall
from tests.core.monitoring import evidence
from tests.core.monitoring.evidence import DAY, NOW, asking, look
from tests.core.registry import world

MODEL = world.MODEL


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(str(tmp_path / "store"))
    world.register_many(store, 4)
    return store


# --- requests ---


def test_a_run_asks_once_however_often_it_is_tried(store: Store) -> None:
    for _ in range(3):
        assert request_retraining(store, MODEL, asking(), at=NOW)
    [(_, request)] = request_log(store, MODEL).entries()
    assert (request.run, request.champion, request.at) == ("orders.monitor/0", 3, NOW)
    assert recall(store, request.decision, RetrainDecision).said == "retrain: much"


def test_of_two_runs_that_decided_at_the_same_time_one_asks(store: Store) -> None:
    assert request_retraining(store, MODEL, asking("a", at=NOW), at=NOW + timedelta(seconds=2))
    assert not request_retraining(store, MODEL, asking("b", at=NOW), at=NOW + timedelta(seconds=3))
    assert request_retraining(store, MODEL, asking("a", at=NOW), at=NOW + timedelta(seconds=4))
    later = asking("c", at=NOW + DAY)
    assert request_retraining(store, MODEL, later, at=NOW + DAY), "it decided with the first one known"


def test_a_look_without_a_reason_asks_for_nothing(store: Store) -> None:
    assert not request_retraining(store, MODEL, look(), at=NOW)
    assert not request_retraining(store, MODEL, asking(champion=None), at=NOW)
    assert request_log(store, MODEL).newest() is None


def test_of_writers_at_the_same_moment_one_wins(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one reads the log again before it decides."""
    log = type(request_log(store, MODEL))
    append = log.append
    rivals = [asking("rival", at=NOW)]

    def slow(self: Any, entry: Any, *, after: int) -> int:
        if rivals:
            assert request_retraining(store, MODEL, rivals.pop(), at=NOW)
        return append(self, entry, after=after)

    monkeypatch.setattr(log, "append", slow)
    assert not request_retraining(store, MODEL, asking("mine", at=NOW), at=NOW)
    assert [entry.run for _, entry in request_log(store, MODEL).entries()] == ["rival"]


# --- releases ---


def test_a_release_begins_once_and_ends_once(store: Store) -> None:
    for event in ("began", "began", "refused", "promoted"):
        note_release(store, MODEL, ReleaseEvent(run="r", event=event, at=NOW))
    assert [one.event for _, one in release_log(store, MODEL).entries()] == ["began", "refused"]


# --- facts ---


def facts(store: Store, **fields: Any) -> Facts:
    given: dict[str, Any] = {"run": "orders.monitor/now", "now": utc_now(), **fields}
    return facts_of(store, world.spec(), given.pop("drift", evidence.drift()), None, **given)


def append_looks(store: Store, *looks: Any) -> None:
    log = monitoring_log(store, MODEL)
    for number, one in enumerate(looks):
        log.append(one, after=number)


def test_looks_that_overlap_count_once_and_other_champions_not_at_all(store: Store) -> None:
    half = timedelta(hours=12)
    first, again = look(0.1, ago=1), look(0.4, ago=1, run="again", at=NOW)
    overlapping = look(0.9, ago=1, since=NOW - 2 * DAY - half, until=NOW - DAY - half)
    of_now = look(0.9, ago=0, run="earlier today")
    own = look(0.9, ago=3, run="orders.monitor/now")
    append_looks(
        store, first, look(0.2, ago=2), overlapping, look(0.9, ago=4, champion=2), again, of_now, own
    )
    assert [one.share for one in facts(store).looks] == [0.4, 0.2]


def test_what_is_known_of_deployments_and_releases(store: Store) -> None:
    log = DeploymentLog(store, MODEL)
    log.promote(1, who="ann", why="first", run="r1")
    found = facts(store, drift=evidence.drift(champion=1))
    assert found.replaced == ""
    assert facts(store).replaced == "version 1 is champion"
    assert found.promoted is not None
    assert found.trained is not None
    assert found.rollout == ""
    note_release(store, MODEL, ReleaseEvent(run="orders.release/2", event="began", at=utc_now()))
    assert facts(store).rollout.startswith("orders.release/2 is running since ")
    log.challenge(2, weight=0.1, lease=timedelta(hours=1), who="ann", why="w", run="orders.release/2")
    assert facts(store).rollout.startswith("version 2 is in canary since ")
    log.withdraw(who="ann", why="bad", run="orders.release/2")
    note_release(store, MODEL, ReleaseEvent(run="orders.release/2", event="refused", at=utc_now()))
    assert facts(store).rollout == ""
    log.fallback(who="ann", why="w", run="by hand")
    assert facts(store, drift=evidence.drift(champion=1)).replaced == "the fallback rule answers"


def test_own_requests_do_not_count(store: Store) -> None:
    request_retraining(store, MODEL, asking("orders.monitor/now"), at=NOW)
    request_retraining(store, MODEL, asking("other", at=NOW + DAY), at=NOW + DAY)
    assert [one.run for one in facts(store).requests] == ["other"]


def test_a_second_look_after_the_request_does_not_ask_again(store: Store) -> None:
    """The whole way: look, request, look again, release refused, look again."""
    spec = world.spec(monitoring={"retrain": {"windows": 1, "of": 1, "cooldown": "1s"}})

    def decision(run: str, at: Any) -> RetrainDecision:
        return decide(spec, facts_of(store, spec, evidence.drift(0.9), None, run=run, now=at))

    first = decision("m1", NOW)
    assert first.retrain
    assert request_retraining(store, MODEL, asking("m1", at=NOW), at=NOW)
    assert decision("m1", NOW).retrain, "its own request does not hold a retry back"
    later = NOW + timedelta(hours=1)
    assert decision("m2", later).restraint == "asked"
    note_release(store, MODEL, ReleaseEvent(run="r", event="began", at=later))
    assert decision("m3", later + timedelta(hours=1)).restraint == "asked"
    note_release(store, MODEL, ReleaseEvent(run="r", event="refused", at=later + timedelta(hours=2)))
    assert decision("m4", later + timedelta(hours=3)).retrain
