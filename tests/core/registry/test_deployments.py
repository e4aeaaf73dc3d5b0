from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from airflow_mlops.core.errors import DeploymentConflict, MlopsError, RegistryError, SpecError
from airflow_mlops.core.registry import deployments
from airflow_mlops.core.registry.deployments import NOTHING, Deployment, DeploymentLog
from airflow_mlops.core.store import Store
from tests.core.registry.conftest import Advance
from tests.core.registry.world import MODEL, MemoryStore, register_many

HOUR = timedelta(hours=1)
WHY = {"who": "ann", "why": "because"}


@pytest.fixture
def log(store: Store, advance: Advance) -> DeploymentLog:
    """Four registered versions, nothing deployed."""
    register_many(store, 4)
    return DeploymentLog(store, MODEL)


def challenge(log: DeploymentLog, version: int, run: str, weight: float = 0.0) -> int:
    return log.challenge(version, weight=weight, lease=HOUR, run=run, **WHY)


def promote(log: DeploymentLog, version: int, run: str | None = None) -> None:
    """The whole way of a release."""
    run = run or f"release {version}"
    if log.champion() is not None:
        challenge(log, version, run)
    log.promote(version, run=run, **WHY)


def actions(log: DeploymentLog) -> list[tuple[str, int | None, int | None]]:
    return [(entry.action, entry.champion, entry.challenger) for _, entry in log.log.entries()]


def test_nothing_is_deployed_at_first(log: DeploymentLog) -> None:
    assert log.desired() == NOTHING
    assert log.champion() is None


def test_what_should_have_served_before_a_moment(log: DeploymentLog, advance: Advance) -> None:
    first = advance(HOUR)
    promote(log, 1)
    second = advance(HOUR)
    challenge(log, 2, "canary", weight=0.5)
    third = advance(2 * HOUR)
    log.fallback(run="f", **WHY)
    after = advance(HOUR)
    assert log.desired_before(first) == NOTHING
    assert (log.desired_before(second).mode, log.desired_before(second).champion) == ("champion", 1)
    assert log.desired_before(second + HOUR / 2).challenger == 2
    assert log.desired_before(third).mode == "champion", "the lease of the canary is over"
    assert (log.desired_before(after).mode, log.desired_before(after).number) == ("fallback", 3)


def test_a_release_from_shadow_to_champion(log: DeploymentLog) -> None:
    promote(log, 1)
    assert log.desired().model_dump() == {
        "number": 1,
        "mode": "champion",
        "champion": 1,
        "challenger": None,
        "weight": 0.0,
    }
    challenge(log, 2, "r")
    assert (log.desired().mode, log.champion(), log.desired().challenger) == ("shadow", 1, 2)
    challenge(log, 2, "r", 0.2)
    assert (log.desired().mode, log.champion(), log.desired().weight) == ("canary", 1, 0.2)
    assert log.promote(2, run="r", **WHY) == 4
    assert (log.desired().mode, log.champion(), log.desired().challenger) == ("champion", 2, None)
    newest = log.log.newest()
    assert newest is not None
    assert (newest[1].who, newest[1].why, newest[1].run) == ("ann", "because", "r")


def test_retries_of_every_step_write_nothing(log: DeploymentLog) -> None:
    promote(log, 1)
    steps: list[Any] = [
        lambda: challenge(log, 2, "r"),
        lambda: challenge(log, 2, "r", 0.2),
        lambda: challenge(log, 2, "r", 0.5),
        lambda: log.promote(2, run="r", **WHY),
        lambda: log.rollback(to=None, run="back", **WHY),
        lambda: log.fallback(run="fall", **WHY),
    ]
    for number, step in enumerate(steps, 2):
        assert [step(), step(), step()] == [number] * 3
    assert log.withdraw(run="r", **WHY) is None


def test_withdrawing_is_idempotent(log: DeploymentLog) -> None:
    promote(log, 1)
    challenge(log, 2, "r", 0.5)
    assert log.withdraw(run="other", **WHY) is None
    assert log.withdraw(run="r", **WHY) == 3
    assert log.withdraw(run="r", **WHY) is None
    assert (log.desired().mode, log.champion()) == ("champion", 1)


def test_a_retry_keeps_the_lease_until_it_is_over(log: DeploymentLog, advance: Advance) -> None:
    promote(log, 1)
    assert challenge(log, 2, "r") == 2
    advance(HOUR * 0.9)
    assert challenge(log, 2, "r") == 2
    advance(HOUR * 0.2)
    assert log.desired().mode == "champion"
    assert challenge(log, 2, "r") == 3
    assert log.desired().mode == "shadow"


def test_only_one_challenger_at_a_time(log: DeploymentLog, advance: Advance) -> None:
    promote(log, 1)
    challenge(log, 2, "r2")
    with pytest.raises(
        DeploymentConflict, match="version 2 of orders is in shadow by r2; given another challenger by r3"
    ):
        challenge(log, 3, "r3")
    advance(HOUR)
    challenge(log, 3, "r3")
    assert log.desired().challenger == 3
    with pytest.raises(DeploymentConflict, match="the challenger of r2 was taken out; given shadow by ann"):
        challenge(log, 2, "r2", 0.5)


def test_a_challenger_that_was_taken_out_stays_out(log: DeploymentLog) -> None:
    promote(log, 1)
    promote(log, 2)
    challenge(log, 3, "r", 0.2)
    log.rollback(to=None, run="back", who="bob", why="complaints")
    assert log.desired().model_dump(exclude={"number"}) == {
        "mode": "champion",
        "champion": 1,
        "challenger": None,
        "weight": 0.0,
    }
    with pytest.raises(
        DeploymentConflict, match="not the challenger of r; given newest entry rollback by bob: complaints"
    ):
        log.promote(3, run="r", **WHY)
    with pytest.raises(
        DeploymentConflict, match="the challenger of r was taken out; given rollback by bob: complaints"
    ):
        challenge(log, 3, "r", 0.5)
    assert log.champion() == 1


def test_a_withdrawn_challenger_is_not_promoted(log: DeploymentLog) -> None:
    promote(log, 1)
    challenge(log, 2, "r", 0.2)
    log.withdraw(run="r", **WHY)
    with pytest.raises(DeploymentConflict, match="version 2 of orders is not the challenger of r"):
        log.promote(2, run="r", **WHY)


def test_an_expired_place_is_not_promoted(log: DeploymentLog, advance: Advance) -> None:
    promote(log, 1)
    challenge(log, 2, "r", 0.2)
    advance(HOUR)
    assert log.desired().mode == "champion"
    with pytest.raises(
        DeploymentConflict, match="the place of version 2 of orders ended at 2024-01-01 01:00:00 UTC"
    ):
        log.promote(2, run="r", **WHY)
    assert log.champion() == 1


def test_promotion_of_another_version_or_by_another_run(log: DeploymentLog) -> None:
    promote(log, 1)
    challenge(log, 2, "r", 0.2)
    for version, run in [(3, "r"), (2, "other")]:
        with pytest.raises(
            DeploymentConflict, match=f"version {version} of orders is not the challenger of {run}"
        ):
            log.promote(version, run=run, **WHY)


def test_a_late_retry_of_a_promotion_is_done_when_it_still_stands(log: DeploymentLog) -> None:
    promote(log, 1, "r1")
    challenge(log, 2, "r2")
    before = actions(log)
    log.promote(1, run="r1", **WHY)
    assert actions(log) == before
    log.promote(2, run="r2", **WHY)
    with pytest.raises(DeploymentConflict, match="version 1 of orders is not the challenger of r1"):
        log.promote(1, run="r1", **WHY)
    assert log.champion() == 2


def test_a_late_retry_of_a_rollback_does_not_go_back_further(log: DeploymentLog) -> None:
    """Killed after its entry, while another release took the challenger's place before the retry."""
    for version in (1, 2, 3):
        promote(log, version)
    log.rollback(to=None, run="back", **WHY)
    assert log.champion() == 2
    challenge(log, 4, "r4")
    before = actions(log)
    log.rollback(to=None, run="back", **WHY)
    assert actions(log) == before
    log.promote(4, run="r4", **WHY)
    log.rollback(to=None, run="back", **WHY)
    assert log.champion() == 4


def test_a_late_retry_of_a_fallback_does_not_come_back(log: DeploymentLog) -> None:
    promote(log, 1)
    log.fallback(run="fall", **WHY)
    log.rollback(to=None, run="back", **WHY)
    log.fallback(run="fall", **WHY)
    assert log.desired().mode == "champion"


def test_rollback_twice_goes_back_twice(log: DeploymentLog) -> None:
    for version in (1, 2, 3):
        promote(log, version)
    champions = []
    for run in ("back 1", "back 2"):
        log.rollback(to=None, run=run, **WHY)
        champions.append(log.champion())
    assert champions == [2, 1]
    with pytest.raises(RegistryError, match="orders has no champion before version 1; name a version"):
        log.rollback(to=None, run="back 3", **WHY)


def test_rollback_skips_what_was_rolled_back_before(log: DeploymentLog) -> None:
    promote(log, 1)
    promote(log, 2)
    log.rollback(to=None, run="back 1", **WHY)
    promote(log, 3)
    log.rollback(to=None, run="back 2", **WHY)
    assert log.champion() == 1


def test_rollback_from_a_version_that_only_a_rollback_named(log: DeploymentLog) -> None:
    promote(log, 1)
    log.rollback(to=3, run="to 3", **WHY)
    assert log.champion() == 3
    log.rollback(to=None, run="back", **WHY)
    assert log.champion() == 1


def test_rollback_forward_and_back(log: DeploymentLog) -> None:
    for version in (1, 2, 3):
        promote(log, version)
    log.rollback(to=1, run="to 1", **WHY)
    log.rollback(to=3, run="to 3", **WHY)
    log.rollback(to=None, run="back", **WHY)
    assert log.champion() == 1  # version 2 was skipped on the way down


def test_an_old_version_as_challenger_and_back(log: DeploymentLog) -> None:
    promote(log, 1)
    promote(log, 2)
    promote(log, 1, "again")
    champions = []
    for run in ("back 1", "back 2"):
        log.rollback(to=None, run=run, **WHY)
        champions.append(log.champion())
    assert champions == [2, 1]


def test_the_fallback_rule_and_the_way_back(log: DeploymentLog) -> None:
    promote(log, 1)
    promote(log, 2)
    challenge(log, 3, "r")
    log.fallback(run="fall", **WHY)
    assert (log.desired().mode, log.champion()) == ("fallback", None)
    assert log.previous() == 2
    log.rollback(to=None, run="back", **WHY)
    assert (log.desired().mode, log.champion()) == ("champion", 2)


def test_no_challenger_ends_the_fallback_rule(log: DeploymentLog) -> None:
    promote(log, 1)
    log.fallback(run="fall", who="bob", why="incident 12")
    with pytest.raises(
        DeploymentConflict,
        match=r"on its fallback rule: .* version 2 with; given fallback by bob: incident 12",
    ):
        challenge(log, 2, "r")
    with pytest.raises(DeploymentConflict, match="on its fallback rule: version 2 was compared with nothing"):
        log.promote(2, run="r", **WHY)
    assert log.desired().mode == "fallback"


def test_versions_have_to_be_registered(log: DeploymentLog) -> None:
    with pytest.raises(RegistryError, match="orders has no version 9; expected 1 to 4"):
        log.promote(9, run="r", **WHY)
    promote(log, 1)
    with pytest.raises(RegistryError, match="no version 9"):
        challenge(log, 9, "r")
    for number in (0, 9):
        with pytest.raises(RegistryError, match=f"no version {number}"):
            log.rollback(to=number, run="back", **WHY)
    assert actions(log) == [("promote", 1, None)]


def test_bad_challenges(log: DeploymentLog) -> None:
    with pytest.raises(RegistryError, match="no champion to compare version 1 with"):
        challenge(log, 1, "r")
    promote(log, 1)
    with pytest.raises(DeploymentConflict, match="version 1 of orders is the champion already"):
        challenge(log, 1, "r")
    for weight in (1.0, -0.1, float("nan")):
        with pytest.raises(SpecError, match="weight of a challenger"):
            challenge(log, 2, "r", weight)


def test_two_first_releases_at_once(log: DeploymentLog) -> None:
    log.promote(1, run="r1", **WHY)
    with pytest.raises(DeploymentConflict, match="version 2 of orders is not the challenger of r2"):
        log.promote(2, run="r2", **WHY)
    assert log.champion() == 1


def test_rollback_without_anything_deployed(log: DeploymentLog) -> None:
    with pytest.raises(RegistryError, match="orders has no champion; name a version"):
        log.rollback(to=None, run="back", **WHY)
    log.rollback(to=2, run="to 2", **WHY)
    assert log.champion() == 2


def test_sixteen_releases_race_for_the_place(store: Store) -> None:
    register_many(store, 17)
    DeploymentLog(store, MODEL).promote(1, run="first", **WHY)

    def race(version: int) -> str:
        try:
            challenge(DeploymentLog(store, MODEL), version, f"r{version}", 0.1)
        except DeploymentConflict:
            return "conflict"
        return "won"

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(race, range(2, 18)))
    assert sorted(found) == ["conflict"] * 15 + ["won"]
    assert len(actions(DeploymentLog(store, MODEL))) == 2


def test_sixteen_first_releases_race(store: Store) -> None:
    register_many(store, 16)

    def race(version: int) -> int | None:
        try:
            DeploymentLog(store, MODEL).promote(version, run=f"r{version}", **WHY)
        except DeploymentConflict:
            return None
        return version

    with ThreadPoolExecutor(16) as pool:
        won = [version for version in pool.map(race, range(1, 17)) if version]
    assert won == [DeploymentLog(store, MODEL).champion()]


def test_sixteen_retries_of_one_rollback_go_back_once(store: Store) -> None:
    register_many(store, 3)
    log = DeploymentLog(store, MODEL)
    for version in (1, 2, 3):
        promote(log, version)
    with ThreadPoolExecutor(16) as pool:
        numbers = list(
            pool.map(lambda _: DeploymentLog(store, MODEL).rollback(to=None, run="b", **WHY), range(16))
        )
    assert len(set(numbers)) == 1
    assert log.champion() == 2


def test_a_retry_names_the_entry_of_another_try_that_came_while_it_looked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_many(store, 2)
    log = DeploymentLog(store, MODEL)
    for version in (1, 2):
        promote(log, version)
    newest = log.log.newest
    seen = [newest()]
    number = DeploymentLog(store, MODEL).rollback(to=None, run="b", **WHY)
    monkeypatch.setattr(log.log, "newest", lambda: seen.pop() if seen else newest())
    assert log.rollback(to=None, run="b", **WHY) == number


def test_sixteen_rollbacks_and_promotions_keep_one_line_of_history(store: Store) -> None:
    register_many(store, 2)
    log = DeploymentLog(store, MODEL)
    promote(log, 1)
    challenge(log, 2, "r", 0.5)

    def one(number: int) -> str:
        try:
            if number % 2:
                DeploymentLog(store, MODEL).rollback(to=1, run=f"back {number}", **WHY)
            else:
                DeploymentLog(store, MODEL).promote(2, run="r", **WHY)
        except DeploymentConflict:
            return "conflict"
        return "done"

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(one, range(16)))
    history = actions(log)
    assert [number for number, _ in log.log.entries()] == list(range(1, len(history) + 1))
    assert sum(action == "rollback" for action, _, _ in history) == 8
    assert sum(entry == ("promote", 2, None) for entry in history) <= 1
    assert log.champion() == 1 or history[-1] == ("promote", 2, None)
    assert set(found) <= {"done", "conflict"}


RUNS = st.sampled_from([f"run {number}" for number in range(5)])
VERSIONS = st.integers(0, 5)


class History(RuleBasedStateMachine):
    """Any order of decisions by any runs, with time passing: what must hold whatever happens."""

    @initialize()
    def start(self) -> None:
        self.now = datetime(2024, 1, 1, tzinfo=timezone.utc)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(deployments, "utc_now", lambda: self.now)
        store = MemoryStore()
        register_many(store, 4)
        self.log = DeploymentLog(store, MODEL)
        self.seen: list[Deployment] = []

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()

    def decide(self, call: Any) -> None:
        """Make a decision, and make it again as a retry would: the second time writes nothing."""
        before = self.entries()
        try:
            number = call()
        except MlopsError:
            assert self.entries() == before
            return
        after = self.entries()
        assert after[: len(before)] == before
        assert len(after) - len(before) in (0, 1)
        again = call()
        assert self.entries() == after
        assert again is None or again == number

    def entries(self) -> list[Deployment]:
        return [entry for _, entry in self.log.log.entries()]

    @rule(version=VERSIONS, run=RUNS, weight=st.sampled_from([0.0, 0.1, 0.5]))
    def challenge(self, version: int, run: str, weight: float) -> None:
        self.decide(lambda: challenge(self.log, version, run, weight))

    @rule(version=VERSIONS, run=RUNS)
    def promote(self, version: int, run: str) -> None:
        before = self.entries()
        desired = self.log.desired()
        self.decide(lambda: self.log.promote(version, run=run, **WHY))
        if len(self.entries()) > len(before) and before and before[-1].champion is not None:
            # Only who holds the place, alive, is promoted: not withdrawn, not expired, not taken out.
            assert (before[-1].run, desired.challenger) == (run, version)
            assert not before[-1].held

    @rule(run=RUNS)
    def withdraw(self, run: str) -> None:
        champion = self.entries()[-1].champion if self.entries() else None
        self.decide(lambda: self.log.withdraw(run=run, **WHY))
        assert (self.entries()[-1].champion if self.entries() else None) == champion

    @rule(run=RUNS, to=st.none() | VERSIONS)
    def rollback(self, run: str, to: int | None) -> None:
        before = self.entries()
        self.decide(lambda: self.log.rollback(to=to, run=f"back {run}", **WHY))
        if to is None and len(self.entries()) > len(before):
            earlier = [entry.champion for entry in before]
            assert self.entries()[-1].champion in earlier
            assert before[-1].action == "fallback" or self.entries()[-1].champion != before[-1].champion

    @rule(run=RUNS, held=st.booleans())
    def hold_or_resume(self, run: str, held: bool) -> None:
        before = self.log.desired()
        mark = self.log.hold if held else self.log.resume
        self.decide(lambda: mark(lease=HOUR, run=f"{run} {held}", **WHY))
        assert self.log.desired().model_dump(exclude={"number"}) == before.model_dump(exclude={"number"})

    @rule(run=RUNS)
    def abort(self, run: str) -> None:
        before = self.log.desired()
        self.decide(lambda: self.log.abort(run=f"abort {run}", **WHY))
        assert self.log.champion() == before.champion
        if self.log.desired().number > before.number:
            assert self.log.desired().challenger is None

    @rule(run=RUNS)
    def fallback(self, run: str) -> None:
        self.decide(lambda: self.log.fallback(run=f"fall {run}", **WHY))

    @rule(minutes=st.sampled_from([1, 30, 61]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def only_registered_versions_serve(self) -> None:
        if not hasattr(self, "log"):
            return
        desired = self.log.desired()
        assert desired.champion in (None, 1, 2, 3, 4)
        assert desired.challenger in (None, 1, 2, 3, 4)
        if desired.challenger is not None:
            assert desired.champion is not None
            assert desired.champion != desired.challenger
        assert (desired.mode == "fallback") == (desired.champion is None)
        assert 0 <= desired.weight < 1

    @invariant()
    def the_past_is_never_changed(self) -> None:
        if not hasattr(self, "log"):
            return
        entries = self.entries()
        assert entries[: len(self.seen)] == self.seen
        self.seen = entries


def test_invariants_hold_in_any_history() -> None:
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
