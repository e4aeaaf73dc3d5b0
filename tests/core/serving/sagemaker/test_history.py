"""Proofs and changes of an endpoint, as they outlive whoever wrote them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_mlops.core.registry.deployments import Desired
from airflow_mlops.core.serving.sagemaker.failures import canaries, closed, failures
from airflow_mlops.core.serving.sagemaker.history import Change, History
from airflow_mlops.core.store.folder import FolderStore

START = datetime(2026, 7, 1, 10, 0, 0, 700_000, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
CHAMPION = Desired(number=4, mode="champion", champion=1)
CANARY = Desired(number=5, mode="canary", champion=1, challenger=2, weight=0.5)
ENDED = Desired(number=6, mode="champion", champion=1)
PROMOTED = Desired(number=7, mode="champion", champion=2)


@pytest.fixture
def history(tmp_path: Path) -> History:
    history = History(FolderStore(tmp_path), "flight")
    for place, desired in enumerate((CHAMPION, CANARY, ENDED)):
        history.prove(desired, START + place * 10 * MINUTE)
    return history


def test_a_proof_is_given_once_and_never_after_a_newer_one(history: History) -> None:
    for again in (ENDED, CANARY, CHAMPION):
        history.prove(again, START + timedelta(hours=1))
    assert history.newest() == (3, ENDED)


def test_two_provers_find_what_the_other_one_wrote(tmp_path: Path) -> None:
    one, other = (History(FolderStore(tmp_path), "flight") for _ in range(2))
    assert other.newest() == (0, None)
    one.prove(CHAMPION, START)
    other.prove(CANARY, START)
    one.prove(CANARY, START)
    assert one.newest() == other.newest() == (2, CANARY)


def test_what_was_served_at_a_moment(history: History) -> None:
    history.proofs()
    assert history.serving(START - timedelta(seconds=1)) is None
    # SageMaker writes 10:00:00 for what was answered at 10:00:00.9.
    assert history.serving(START.replace(microsecond=0)) == CHAMPION
    assert history.serving(START + 12 * MINUTE) == CANARY
    assert history.serving(START + timedelta(days=1)) == ENDED
    assert history.serving(START + timedelta(days=1), "v2") == CANARY
    assert history.serving(START + timedelta(days=1), "v3") is None


def test_the_champion_before(history: History) -> None:
    assert history.previous_champion(1) is None
    history.prove(PROMOTED, START + timedelta(hours=1))
    assert history.previous_champion(2) == 1
    assert history.previous_champion(None) == 2


def change(desired: Desired, served: int, **fields: object) -> Change:
    return Change(number=desired.number, served=served, target="config", at=START, **fields)


def test_a_change_is_open_until_it_is_proved_or_ended(history: History) -> None:
    assert history.open_change(PROMOTED) is None
    history.note(change(PROMOTED, 3))
    opened = history.open_change(PROMOTED)
    assert opened is not None
    assert opened.target == "config"
    assert history.open_change(ENDED) is None
    history.note(change(PROMOTED, 3, ended="no capacity"))
    assert history.open_change(PROMOTED) is None
    history.note(change(PROMOTED, 3))
    history.prove(PROMOTED, START + timedelta(hours=1))
    assert history.open_change(PROMOTED) is None


def test_failed_requests_of_a_canary_become_records_once(history: History) -> None:
    errors = {"v2": ((START.replace(microsecond=0) + 11 * MINUTE, 3.0),)}
    found = list(failures("mlops-flight", errors, {}, history))
    again = list(failures("mlops-flight", errors, {}, history))
    assert [record.event_id for record in found] == [record.event_id for record in again]
    assert len({record.event_id for record in found}) == 3
    assert {(one.variant, one.role, one.status, one.deployment) for one in found} == {
        ("v2", "challenger", 500, 5)
    }
    assert all(int(record.key, 16) >= 0 and record.rows == () for record in found)


def test_failures_that_were_captured_are_not_told_twice(history: History) -> None:
    minute = START.replace(microsecond=0) + 11 * MINUTE
    found = failures("mlops-flight", {"v2": ((minute, 3.0),)}, {("v2", minute): 2}, history)
    assert len(list(found)) == 1


def test_failures_outside_of_a_canary_are_nobodys(history: History) -> None:
    before = START.replace(microsecond=0) + 5 * MINUTE
    assert not list(failures("mlops-flight", {"v1": ((before, 3.0),)}, {}, history))


def test_the_minute_in_which_a_canary_begins_counts(history: History) -> None:
    minute = (START + 10 * MINUTE).replace(second=0, microsecond=0)
    found = list(failures("mlops-flight", {"v2": ((minute, 1.0),)}, {}, history))
    assert [record.deployment for record in found] == [5]


def test_only_canaries_are_asked_about(history: History) -> None:
    history.proofs()
    now = START + timedelta(hours=1)
    assert canaries(history, START, now) == ("v1", "v2")
    assert canaries(history, START + 25 * MINUTE, now) == ()


def test_only_minutes_are_read_that_are_closed() -> None:
    since, until = closed(START, START + timedelta(minutes=10), 3 * MINUTE)
    assert (since.minute, until.minute, until.second) == (0, 7, 0)


def test_failures_are_thinned_like_the_answers_beside_them(history: History) -> None:
    minute = START.replace(second=0, microsecond=0) + 12 * MINUTE
    errors = {"v2": ((minute, 2000.0),)}
    looks = [[one.event_id for one in failures("mlops-flight", errors, {}, history, 0.25)] for _ in range(2)]
    assert 400 < len(looks[0]) < 600
    assert looks[0] == looks[1]
