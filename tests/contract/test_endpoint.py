"""What every endpoint promises, whoever runs it. An implementation joins by an entry in ``HARNESSES``."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import DeploymentFailed, EndpointError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import Action, DeploymentLog, Desired
from airflow_mlops.core.serving.base import Endpoint
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.serving.sagemaker.teardown import Cleaner
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.spec import Serving
from tests.core.aws.world import World, simulated
from tests.core.serving import fakes
from tests.core.serving.sagemaker import script_mode
from tests.waiting import PATIENCE, wait_until

HOUR = timedelta(hours=1)


@dataclass
class Harness:
    """An endpoint with versions to deploy: two good ones (``answer`` tells what they say), and bad ones.

    :param failing: loads, but fails on every request.
    :param unloadable: can't be loaded.
    :param captures_after: seconds within which an answer can be read back.
    :param pass_time: makes the endpoint believe that so much time has gone by.
    :param key: request column that assigns a request.
    :param sticky: whether one key stays with one variant; without it each request is assigned anew.
    :param failover: whether the champion answers where the challenger fails.
    :param ends_leases: whether the endpoint ends them by itself; without it the next reconcile does.
    :param resolution: what the time of a capture is rounded down to.
    """

    endpoint: Endpoint
    store: Store
    row: dict[str, Any]
    key: str
    answer: Callable[[int, dict[str, Any]], float]
    captures_after: float
    pass_time: Callable[[timedelta], None]
    good: tuple[int, int] = (1, 2)
    failing: int = fakes.FAILING
    unloadable: int = fakes.UNLOADABLE
    sticky: bool = True
    failover: bool = True
    ends_leases: bool = True
    resolution: timedelta = timedelta(0)

    def deploy(
        self, action: Action, champion: int | None, challenger: int | None = None, **how: Any
    ) -> Desired:
        """Write the decision and make the endpoint serve it."""
        desired = fakes.deploy(self.store, action, champion, challenger, **how)
        self.endpoint.reconcile(desired, fakes.SOON)
        return desired

    def rows(self, key: int) -> list[dict[str, Any]]:
        """A request of one row with this key."""
        return [{**self.row, self.key: key}]

    def captured(self, since: datetime, count: int) -> list[CaptureRecord]:
        """The captures since then, as soon as there are so many."""
        wait_until(lambda: len(list(self.endpoint.captures(since))) >= count, self.captures_after)
        found = list(self.endpoint.captures(since))
        assert len(found) == count
        return found


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One simulator of SageMaker for all tests; each has its own store and endpoint there."""
    with simulated() as world:
        yield world


@contextmanager
def local(folder: Path, request: pytest.FixtureRequest) -> Iterator[Harness]:
    store = FolderStore(folder / "store")
    source = fakes.FakeSource(Serving(key=("id",)))
    with (
        pytest.MonkeyPatch.context() as patch,
        fakes.running(store, source, spool=folder / "spool", pace=fakes.ASKED_ONLY) as url,
    ):
        endpoint = LocalEndpoint(url, fakes.MODEL, store)
        clock = fakes.Clock(patch)
        yield Harness(endpoint, store, fakes.ROW, "id", fakes.answer_of, PATIENCE, clock.move)


@contextmanager
def sagemaker(folder: Path, request: pytest.FixtureRequest) -> Iterator[Harness]:
    """See ``docs/how-to/sagemaker-endpoint.md`` for what is promised less."""
    world: World = request.getfixturevalue("world")
    prefix = f"t{uuid.uuid4().hex[:8]}"
    store = script_mode.store_of(world, prefix)
    settings = script_mode.settings(prefix=prefix)
    yield Harness(
        script_mode.endpoint_of(world, store, settings),
        store,
        fakes.ROW,
        "id",
        fakes.answer_of,
        PATIENCE,
        world.sagemaker.advance,
        sticky=False,
        failover=False,
        ends_leases=False,
        resolution=timedelta(seconds=1),
    )
    Cleaner(world.aws, settings, fakes.MODEL).teardown()


HARNESSES: dict[str, Callable[[Path, pytest.FixtureRequest], AbstractContextManager[Harness]]] = {
    "local": local,
    "sagemaker": sagemaker,
}


@pytest.fixture(params=HARNESSES)
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    with HARNESSES[request.param](tmp_path, request) as harness:
        harness.deploy("promote", harness.good[0])
        yield harness


def test_it_is_an_endpoint(harness: Harness) -> None:
    assert isinstance(harness.endpoint, Endpoint)
    assert harness.endpoint.url


def test_describe_is_what_reconcile_was_asked_for(harness: Harness) -> None:
    one, two = harness.good
    for action, champion, challenger, weight in (
        ("shadow", one, two, 0.0),
        ("canary", one, two, 0.1),
        ("canary", one, two, 0.5),
        ("promote", two, None, 0.0),
        ("rollback", one, None, 0.0),
    ):
        desired = harness.deploy(action, champion, challenger, weight=weight)  # type: ignore[arg-type]
        assert harness.endpoint.describe() == desired


def test_invoke_answers_each_row_and_echoes_the_id(harness: Harness) -> None:
    rows = [{**harness.row, "x": float(x)} for x in range(5)]
    answer = harness.endpoint.invoke(rows, inference_id="mine")
    assert answer.predictions == tuple(harness.answer(harness.good[0], row) for row in rows)
    assert (answer.variant, answer.inference_id) == (f"v{harness.good[0]}", "mine")
    ids = {harness.endpoint.invoke(rows).inference_id for _ in range(3)}
    assert len(ids) == 3


def test_bad_rows_are_refused_with_the_reason(harness: Harness) -> None:
    with pytest.raises(EndpointError, match="dep_delay"):
        harness.endpoint.invoke([{**harness.row, "dep_delay": 3}])
    with pytest.raises(EndpointError, match="v99"):
        harness.endpoint.invoke([harness.row], variant="v99")


def test_answers_are_captured(harness: Harness) -> None:
    since = utc_now()
    for x in range(5):
        harness.endpoint.invoke([{**harness.row, "x": float(x)}], inference_id=f"id{x}")
    found = harness.captured(since, 5)
    assert {record.inference_id for record in found} == {f"id{x}" for x in range(5)}
    assert len({record.event_id for record in found}) == 5
    for record in found:
        assert record.predictions == (harness.answer(harness.good[0], record.rows[0]),)
        assert (record.variant, record.role, record.status) == (f"v{harness.good[0]}", "champion", 200)
        assert record.deployment == harness.endpoint.describe().number
        assert record.latency_ms > 0
        assert since - harness.resolution <= record.at <= utc_now()
    assert list(harness.endpoint.captures(utc_now() + timedelta(seconds=1) + harness.resolution)) == []


def test_split_is_near_its_weight_and_keys_stick(harness: Harness) -> None:
    one, two = harness.good
    took: dict[float, set[int]] = {}
    for weight in (0.2, 0.5):
        harness.deploy("canary", one, two, weight=weight)
        variants = {key: harness.endpoint.invoke(harness.rows(key)).variant for key in range(300)}
        for key in range(0, 300, 10) if harness.sticky else ():
            assert harness.endpoint.invoke(harness.rows(key)).variant == variants[key]
        took[weight] = {key for key, variant in variants.items() if variant == f"v{two}"}
        assert abs(len(took[weight]) / 300 - weight) < 0.12  # four standard deviations
    assert took[0.2] < took[0.5] or not harness.sticky


def test_target_variant_overrides_the_split(harness: Harness) -> None:
    one, two = harness.good
    harness.deploy("canary", one, two, weight=0.01)
    assert harness.endpoint.invoke(harness.rows(1), variant=f"v{two}").variant == f"v{two}"


def test_shadow_is_captured_and_paired(harness: Harness) -> None:
    one, two = harness.good
    harness.deploy("shadow", one, two)
    since = utc_now()
    for key in range(20):
        assert harness.endpoint.invoke(harness.rows(key), inference_id=f"id{key}").variant == f"v{one}"
    roles: dict[str, set[str]] = {}
    for record in harness.captured(since, 40):
        roles.setdefault(record.inference_id, set()).add(f"{record.role} {record.variant}")
    assert roles == {f"id{key}": {f"champion v{one}", f"shadow v{two}"} for key in range(20)}


def test_failing_challenger_costs_no_caller_an_answer(harness: Harness) -> None:
    one = harness.good[0]
    harness.deploy("canary", one, harness.failing, weight=0.99999)
    since = utc_now()
    if harness.failover:
        assert harness.endpoint.invoke(harness.rows(1)).variant == f"v{one}"
        found = {record.variant: record for record in harness.captured(since, 2)}
        assert found[f"v{one}"].status == 200
    else:
        with pytest.raises(EndpointError, match="model is broken"):
            harness.endpoint.invoke(harness.rows(1))
        # It is counted, at least: some minutes later the judge hears of it.
        harness.pass_time(timedelta(minutes=10))
        found = {record.variant: record for record in harness.captured(since, 1)}
    assert found[f"v{harness.failing}"].status == 500
    assert found[f"v{harness.failing}"].role == "challenger"


def test_unloadable_challenger_is_said_and_the_champion_serves(harness: Harness) -> None:
    one = harness.good[0]
    with pytest.raises(DeploymentFailed, match=f"champion {one}"):
        harness.deploy("canary", one, harness.unloadable, weight=0.5)
    served = harness.endpoint.describe()
    assert (served.mode, served.champion, served.challenger) == ("champion", one, None)
    assert harness.endpoint.invoke([harness.row]).variant == f"v{one}"


def test_lease_that_ends_leaves_the_champion_alone(harness: Harness) -> None:
    one, two = harness.good
    harness.deploy("canary", one, two, weight=0.99999, lease=HOUR)
    assert harness.endpoint.invoke(harness.rows(1)).variant == f"v{two}"
    harness.pass_time(HOUR)
    if not harness.ends_leases:
        over = DeploymentLog(harness.store, fakes.MODEL).desired(utc_now() + HOUR)
        harness.endpoint.reconcile(over, fakes.SOON)
    assert harness.endpoint.invoke(harness.rows(1)).variant == f"v{one}"
    assert harness.endpoint.describe().mode == "champion"


def test_rollback_under_load_fails_nobody_and_holds_when_it_returns(harness: Harness) -> None:
    """How long it takes is measured in ``benchmarks/rollback.py``."""
    one, two = harness.good
    harness.deploy("canary", one, two, weight=0.5)
    answers: list[tuple[float, str]] = []
    failures: Counter[str] = Counter()
    stop = threading.Event()

    def call(offset: int) -> None:
        key = offset
        while not stop.is_set():
            key += 3
            sent = time.monotonic()
            try:
                answers.append((sent, harness.endpoint.invoke(harness.rows(key)).variant))
            except EndpointError as error:
                failures[str(error)] += 1

    callers = [threading.Thread(target=call, args=(offset,)) for offset in range(3)]
    for caller in callers:
        caller.start()
    try:
        wait_until(lambda: {variant for _, variant in answers} == {f"v{one}", f"v{two}"})
        harness.deploy("rollback", one)
        over = time.monotonic()
        count = len(answers)
        wait_until(lambda: len(answers) > count + 30)
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert not failures
    # Requests are stamped when they are sent: none that was sent after reconcile met the challenger.
    assert all(variant == f"v{one}" for at, variant in answers if at > over)
