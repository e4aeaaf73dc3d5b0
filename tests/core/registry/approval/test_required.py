"""No version meets live requests that people have to approve and have not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import NotApproved
from airflow_mlops.core.registry.approval.required import require_approval
from airflow_mlops.core.registry.approvals import ApprovalRecord, approval_log
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout.conduct import Conductor
from airflow_mlops.core.store import Store, open_store
from tests.core.registry import world
from tests.core.registry.approval.cases import NOON
from tests.core.rollout.fake_endpoint import FakeEndpoint

RUN = "orders.release/r1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Version 1 needs nobody, versions 2 and 3 somebody."""
    store = open_store(str(tmp_path / "store"))
    world.register(store, "model 1", run="r1")
    for number in (2, 3):
        world.register(store, f"model {number}", run=f"r{number}", spec=world.spec(approval="required"))
    return store


def said(store: Store, outcome: Any, run: str = RUN, version: int = 2) -> None:
    entry = ApprovalRecord(run=run, version=version, outcome=outcome, reason=f"it is {outcome}", at=NOON)
    log = approval_log(store, world.MODEL)
    log.append(entry, after=log.last_number())


def allowed(store: Store, version: int = 2, run: str = RUN) -> bool:
    try:
        require_approval(store, world.MODEL, version, run)
    except NotApproved:
        return False
    return True


def conductor(store: Store) -> Conductor:
    return Conductor(store=store, endpoint=FakeEndpoint(), spec=world.spec(), run=RUN, who="ann")


def test_a_version_whose_spec_asks_nobody_needs_nothing(store: Store) -> None:
    assert allowed(store, 1)
    assert not allowed(store, 2)


@pytest.mark.parametrize(
    "outcome, here, elsewhere",
    [
        ("approved", True, True),
        ("not_needed", True, False),
        ("rejected", False, False),
        ("expired", False, False),
    ],
)
def test_what_was_said_in_this_run_and_in_another(
    store: Store, outcome: str, here: bool, elsewhere: bool
) -> None:
    said(store, outcome)
    assert (allowed(store), allowed(store, run="by/hand"), allowed(store, 3)) == (here, elsewhere, False)


def test_this_run_counts_more_than_another_and_the_newest_more_than_an_old_one(store: Store) -> None:
    said(store, "approved", run="by/hand")
    said(store, "rejected")
    assert not allowed(store)
    assert not allowed(store, run="a third")
    assert allowed(store, run="by/hand")


def test_the_reason_is_told(store: Store) -> None:
    said(store, "rejected")
    with pytest.raises(NotApproved, match="version 2 of orders is not approved; given it is rejected"):
        conductor(store).promote(2, [])


def test_nothing_is_promoted_as_the_first_version_either(store: Store) -> None:
    with pytest.raises(NotApproved, match="nobody was asked about version 2"):
        conductor(store).promote(2, [])
    assert DeploymentLog(store, world.MODEL).champion() is None
    said(store, "approved")
    conductor(store).promote(2, [])
    assert DeploymentLog(store, world.MODEL).champion() == 2


def test_a_way_back_needs_nobody_but_a_version_that_never_served_is_none(store: Store) -> None:
    said(store, "approved")
    conductor(store).promote(2, [])
    log = DeploymentLog(store, world.MODEL)
    log.rollback(to=1, who="ann", why="bad", run="back")
    said(
        store, "rejected"
    )  # people have changed their minds since: it has served, so the way back stays open
    other = Conductor(store=store, endpoint=FakeEndpoint(), spec=world.spec(), run="rollback/1", who="ann")
    with pytest.raises(NotApproved, match="nobody was asked about version 3"):
        other.rollback(to=3, fallback=False, why="try it")
    assert other.rollback(to=2, fallback=False, why="better").champion == 2
