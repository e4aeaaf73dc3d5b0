"""A champion that can't answer is replaced: on the real server, with models whose code raises or whose file is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import (
    DeploymentConflict,
    DeploymentFailed,
    EndpointError,
    GateFailed,
)
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout.conduct import Conductor
from airflow_mlops.core.rollout.healing import Healing, heal
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.loading import RegistrySource
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.spec import ModelSpec
from tests.core.serving.fakes import MODEL, running
from tests.core.serving.real_models import CODE, register
from tests.core.training.world import spec_of
from tests.waiting import wait_until

ROW = {"x": 0.5, "carrier": "UA"}
#: Loads and passes the first call of a server, which has no values; fails on every real request.
RAISING = b"""
def features(frame):
    if frame["x"].notna().any():
        raise ValueError("no such airport")
    frame = frame.copy()
    frame["twice"] = frame["x"] * 2
    return frame[["twice", "carrier"]]
"""
RULE = {"default": 0.2}


def spec(fallback: Any = RULE, **health: Any) -> ModelSpec:
    serving = {"fallback": fallback, "health": {"min_requests": 10, "window": "1h", **health}}
    return spec_of(name=MODEL, serving=serving)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def endpoint(store: FolderStore, tmp_path: Path) -> Iterator[LocalEndpoint]:
    with running(store, RegistrySource(store), spool=tmp_path / "spool") as url:
        yield LocalEndpoint(url, MODEL, store)


@pytest.fixture
def conductor(store: FolderStore, endpoint: LocalEndpoint) -> Callable[..., Conductor]:
    def make(run: str = "m1", spec: ModelSpec = spec()) -> Conductor:  # noqa: B008
        return Conductor(store=store, endpoint=endpoint, spec=spec, run=run, who="ann")

    return make


def promote(store: Store, *versions: int) -> None:
    """Each becomes the champion, one after the other, as if it had been a challenger before."""
    log = DeploymentLog(store, MODEL)
    for version in versions:
        if log.champion() is not None:
            log.challenge(version, weight=0.0, lease=timedelta(hours=1), who="t", why="w", run=f"r{version}")
        log.promote(version, who="test", why="test", run=f"r{version}")


def ask(endpoint: LocalEndpoint, store: Store, times: int = 20) -> None:
    """Send requests and wait until they are captured."""
    since, wanted = utc_now(), set()
    for number in range(times):
        wanted.add(f"{since.timestamp()}-{number}")
        with suppress(EndpointError):  # without a rule a failure is an error
            endpoint.invoke([ROW], inference_id=f"{since.timestamp()}-{number}")
    wait_until(lambda: wanted <= {one.inference_id for one in read_captures(store, MODEL, since)})


def lose(store: Store, trained: TrainedModel) -> None:
    """The artifact is gone."""
    assert isinstance(store, FolderStore)
    Path(store.uri.removeprefix("file://"), "blobs", trained.artifact[:2], trained.artifact).unlink()


def actions(store: Store) -> list[tuple[str, int | None, str]]:
    entries = [entry for _, entry in DeploymentLog(store, MODEL).log.entries()]
    return [(one.action, one.champion, one.who) for one in entries if one.challenger is None]


def story(found: Healing) -> tuple[Any, ...]:
    return found.mode, found.champion, found.healthy, found.switched, found.sick


# --- nothing to heal ---


def test_nothing_deployed(conductor: Callable[..., Conductor]) -> None:
    found = heal(conductor())
    assert (found.healthy, found.entry, found.reason) == (None, 0, "nothing is deployed")


def test_a_healthy_champion_stays(
    store: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]
) -> None:
    register(store, 1)
    promote(store, 1)
    conductor().reconcile()
    ask(endpoint, store, 20)
    found = heal(conductor())
    assert story(found) == ("champion", 1, True, False, None)
    assert (found.requests, found.failed) == (20, 0)
    assert actions(store) == [("promote", 1, "test")]


# --- code that raises ---


@pytest.fixture
def raising(store: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]) -> FolderStore:
    """Version 1 answers, version 2 is the champion and raises."""
    register(store, 1, code=CODE)
    register(store, 2, code=RAISING)
    promote(store, 1, 2)
    conductor().reconcile()
    return store


def test_too_few_requests_decide_nothing(
    raising: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]
) -> None:
    ask(endpoint, raising, 9)
    found = heal(conductor())
    assert story(found) == ("champion", 2, None, False, None)
    assert "failed 9 of 9 requests" in found.reason
    assert "fewer than 10 decide nothing" in found.reason


def test_an_older_champion_takes_over_and_no_one_goes_back(
    raising: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]
) -> None:
    ask(endpoint, raising)
    found = heal(conductor())
    assert story(found) == ("champion", 1, True, True, 2)
    assert "version 2 failed 20 of 20 requests" in found.reason
    assert "version 1 answers 20 of 20 captured requests" in found.reason
    assert [(one.version, one.failed, one.asked) for one in found.tried] == [(1, 0, 20)]
    assert actions(raising)[-1] == ("rollback", 1, "health")
    assert endpoint.invoke([ROW]).variant == "v1"

    again = heal(conductor())
    assert story(again) == ("champion", 1, True, True, 2), "a retry tells the same, and decides nothing"
    assert len(actions(raising)) == 3
    ask(endpoint, raising)
    later = heal(conductor("m2"))
    assert story(later) == ("champion", 1, True, False, None)
    assert len(actions(raising)) == 3


def test_a_run_that_died_after_its_entry_is_taken_up(
    raising: FolderStore,
    endpoint: LocalEndpoint,
    conductor: Callable[..., Conductor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask(endpoint, raising)
    replace = DeploymentLog.replace

    def dies(self: DeploymentLog, *args: Any, **kwargs: Any) -> bool:
        replace(self, *args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DeploymentLog, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            heal(conductor())
    assert story(heal(conductor())) == ("champion", 1, True, True, 2)
    assert endpoint.invoke([ROW]).variant == "v1"
    assert len(actions(raising)) == 3


def test_the_rule_at_once(
    raising: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]
) -> None:
    ask(endpoint, raising)
    found = heal(conductor(spec=spec(then="rule")))
    assert story(found) == ("fallback", None, False, True, 2)
    assert found.tried == ()
    assert actions(raising)[-1] == ("fallback", None, "health")
    assert endpoint.invoke([ROW]).variant == "fallback"


def test_without_a_rule_and_without_an_older_version_it_says_so(
    store: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]
) -> None:
    register(store, 1, code=RAISING)
    promote(store, 1)
    bare = conductor(spec=spec(None))
    bare.reconcile()
    ask(endpoint, store)
    found = heal(bare)
    assert story(found) == ("champion", 1, False, False, 1)
    assert found.reason.endswith("no older champion is healthy, and the spec has no serving.fallback")
    assert actions(store) == [("promote", 1, "test")]


def test_a_switch_ends_a_rollout_and_the_challengers_failures_do_not_count(
    raising: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]
) -> None:
    register(raising, 3)
    log = DeploymentLog(raising, MODEL)
    log.challenge(3, weight=0.5, lease=timedelta(hours=1), who="t", why="w", run="release")
    conductor().reconcile()
    ask(endpoint, raising, 60)
    found = heal(conductor())
    assert found.sick == 2
    assert story(found)[:2] == ("champion", 1)
    assert log.desired().challenger is None
    with pytest.raises(DeploymentConflict):
        log.promote(3, who="t", why="w", run="release")

    log.challenge(2, weight=0.9, lease=timedelta(hours=1), who="t", why="w", run="release 2")
    conductor().reconcile()
    ask(endpoint, raising, 40)
    assert heal(conductor("m2")).sick is None, "version 2 fails as challenger: the judge's business"


def test_who_decided_meanwhile_is_right(
    raising: FolderStore,
    endpoint: LocalEndpoint,
    conductor: Callable[..., Conductor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask(endpoint, raising)
    replace = DeploymentLog.replace

    def late(self: DeploymentLog, *args: Any, **kwargs: Any) -> bool:
        self.fallback(who="ann", why="I know better", run="by hand")
        return replace(self, *args, **kwargs)

    monkeypatch.setattr(DeploymentLog, "replace", late)
    found = heal(conductor())
    assert story(found) == ("fallback", None, False, False, None)
    assert "by ann: I know better; a person goes back" in found.reason
    assert actions(raising)[-1] == ("fallback", 2, "ann")


# --- artifacts that are gone ---


def test_a_champion_that_can_not_be_loaded_is_replaced_without_a_request(
    store: FolderStore, conductor: Callable[..., Conductor]
) -> None:
    register(store, 1)
    lose(store, register(store, 2))
    promote(store, 1, 2)
    with pytest.raises(DeploymentFailed) as failed:
        conductor().reconcile()
    assert failed.value.versions == (2,)
    found = heal(conductor())
    assert story(found) == ("champion", 1, True, True, 2)
    assert "version 2 of flight_delay can't be loaded" in found.reason
    assert "version 1 loads; no request to try it on" in found.reason


def test_versions_that_can_not_be_loaded_are_skipped_with_the_reason(
    store: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]
) -> None:
    register(store, 1)
    gone = register(store, 2)
    register(store, 3, code=RAISING)
    promote(store, 1, 2, 3)
    lose(store, gone)
    conductor().reconcile()
    ask(endpoint, store)
    found = heal(conductor())
    assert story(found) == ("champion", 1, True, True, 3)
    assert [(one.version, one.healthy) for one in found.tried] == [(2, False), (1, True)]
    assert "version 2 can't be loaded" in found.tried[0].reason


def test_an_endpoint_that_does_not_follow_for_another_reason_is_no_reason_to_switch(
    store: FolderStore, conductor: Callable[..., Conductor], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(store, 1)
    promote(store, 1)

    def slow(*_: Any) -> None:
        raise DeploymentFailed("not within 120 s")

    monkeypatch.setattr(LocalEndpoint, "reconcile", slow)
    with pytest.raises(DeploymentFailed, match="not within"):
        heal(conductor())
    assert actions(store) == [("promote", 1, "test")]


# --- the rule answers: the way out ---


@pytest.fixture
def on_rule(store: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]) -> FolderStore:
    """The only version raises, so the rule answers."""
    register(store, 1, code=RAISING)
    promote(store, 1)
    conductor().reconcile()
    ask(endpoint, store)
    assert story(heal(conductor())) == ("fallback", None, False, True, 1)
    return store


def test_nothing_goes_back_by_itself(
    on_rule: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]
) -> None:
    ask(endpoint, on_rule)
    found = heal(conductor("m2"))
    assert story(found) == ("fallback", None, False, False, None)
    assert "mend the model and run flight_delay.release" in found.reason
    assert "with to=" not in found.reason, "it still fails"
    assert len(actions(on_rule)) == 2


def test_it_says_when_the_version_answers_again(
    on_rule: FolderStore, conductor: Callable[..., Conductor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example because the service that its code asks is back."""
    from airflow_mlops.core.serving import trial

    monkeypatch.setattr(trial, "_wrong", lambda *_: "")
    found = heal(conductor("m2"))
    assert "go back by flight_delay.rollback with to=1" in found.reason
    assert len(actions(on_rule)) == 2
    assert DeploymentLog(on_rule, MODEL).previous() == 1, "the way back without a version"


def test_a_release_is_a_way_out_if_its_version_answers_captured_requests(
    on_rule: FolderStore, endpoint: LocalEndpoint, conductor: Callable[..., Conductor]
) -> None:
    register(on_rule, 2, code=RAISING)
    register(on_rule, 3, code=CODE)
    bad = conductor("release/2")
    bad.begin()
    assert bad.rival("0" * 64) is None, "a broken champion is no rival"
    assert bad.challenge(2, 0.0) is None
    with pytest.raises(
        GateFailed, match=r"answers 0 of 20 captured requests; it fails with: .*no such airport"
    ):
        bad.promote(2, [])
    assert actions(on_rule)[-1] == ("fallback", None, "health")

    good = conductor("release/3")
    assert good.promote(3, []).champion == 3
    assert good.promote(3, []).champion == 3, "a retry finds it done"
    newest = DeploymentLog(on_rule, MODEL).log.newest()
    assert newest is not None
    assert newest[1].why == "out of the fallback rule: version 3 answers 20 of 20 captured requests"
    assert endpoint.invoke([ROW]).variant == "v3"


def test_a_promotion_that_the_endpoint_does_not_take_leads_back_to_the_rule(on_rule: FolderStore) -> None:
    register(on_rule, 2)
    log = DeploymentLog(on_rule, MODEL)
    log.promote(2, who="t", why="w", run="release/2")
    log.undo_promotion(2, who="endpoint", why="it went back", run="release/2")
    assert actions(on_rule)[-1] == ("fallback", None, "endpoint")


def test_the_rule_that_a_person_chose_stays_until_a_person_ends_it(
    store: FolderStore, conductor: Callable[..., Conductor]
) -> None:
    register(store, 1)
    promote(store, 1)
    conductor().rollback(to=None, fallback=True, why="complaints")
    with pytest.raises(DeploymentConflict, match="is on its fallback rule"):
        conductor("release/2").begin()
    found = heal(conductor("m2"))
    assert story(found) == ("fallback", None, False, False, None)
    assert "by ann: complaints; a person goes back by flight_delay.rollback" in found.reason
