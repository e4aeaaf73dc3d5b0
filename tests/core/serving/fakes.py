"""Models without training: what a version does follows from its number, and its answers tell which one it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import Action, Deployment, DeploymentLog, Desired, effective
from airflow_mlops.core.serving import applied
from airflow_mlops.core.serving.loading import Contract, LoadedVersion, Source
from airflow_mlops.core.serving.server import Address, Pace, Server, listen, make_app
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import InputColumn, Signature
from airflow_mlops.core.training.inputs import RowChecker
from airflow_mlops.spec import Fallback, Serving
from tests.waiting import PATIENCE, wait_until

MODEL = "flight_delay"
FAILING, UNLOADABLE, DEMANDING, NAN, SLOW_TO_LOAD, POISONED, HANGING = 13, 14, 15, 16, 17, 18, 19
PACE = Pace(poll=0.05, ship=0.2)
#: Never looks at the store by itself while a test runs: it follows only when it is told to.
ASKED_ONLY = Pace(poll=3600.0, ship=0.2)
SOON = timedelta(seconds=PATIENCE)

INPUTS = (InputColumn(name="x", type="number"), InputColumn(name="carrier", type="string"))
ROW: dict[str, Any] = {"x": 1.0, "carrier": "UA"}
RULE = Fallback(default=-1.0, by="carrier", values={"UA": -2.0})


def answer_of(number: int, row: Mapping[str, Any]) -> float:
    """What version ``number`` answers for a row."""
    return number + (row["x"] or 0) / 1000


@dataclass
class FakeModel:
    number: int
    check: RowChecker
    source: FakeSource

    def check_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.check(rows)

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        self.source.calls.append(self.number)
        if self.number == FAILING or (self.number == POISONED and any(row["x"] == 666 for row in rows)):
            raise ArithmeticError("model is broken")
        if self.number == HANGING:
            self.source.released.wait()
        if self.number == NAN:
            return [float("nan")] * len(rows)
        return [answer_of(self.number, row) for row in rows]


@dataclass
class FakeSource:
    """Every version exists. ``inline`` False sends predictions to threads, as for models with a feature function.

    :ivar loads: versions in the order in which they began to load.
    :ivar calls: versions in the order in which they were asked to predict.
    :ivar released: until it is set, ``HANGING`` (which is never inline) does not answer and ``SLOW_TO_LOAD`` does not
        end to load.
    """

    serving: Serving = field(default_factory=Serving)
    inline: bool = True
    loads: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    mended: bool = False

    def contract(self, number: int = 1) -> Contract:
        extra = (InputColumn(name="dep_delay", type="number"),) if number == DEMANDING else ()
        return Contract(INPUTS + extra, self.serving)

    def load(self, model: str, number: int) -> LoadedVersion:
        self.loads.append(number)
        if number == UNLOADABLE and not self.mended:
            raise StoreError("artifact is gone", remedy="bring it back")
        if number == SLOW_TO_LOAD:
            self.released.wait()
        contract = self.contract(number)
        names = tuple(column.name for column in contract.inputs)
        check = RowChecker(Signature(inputs=contract.inputs, allowed=("id",), features=names))
        inline = self.inline and number != HANGING
        return LoadedVersion(number, FakeModel(number, check, self), contract, inline)

    def newest(self, model: str) -> Contract | None:
        return self.contract()


def deploy(
    store: Store,
    action: Action,
    champion: int | None,
    challenger: int | None = None,
    *,
    weight: float = 0.0,
    lease: timedelta | None = timedelta(hours=1),
    model: str = MODEL,
) -> Desired:
    """Append to the deployment log and return what the endpoint should serve then."""
    log = DeploymentLog(store, model).log
    now = utc_now()
    entry = Deployment(
        action=action,
        champion=champion,
        challenger=challenger,
        weight=weight,
        lease_until=now + lease if challenger is not None and lease is not None else None,
        who="test",
        why="test",
        at=now,
    )
    return effective(log.append(entry, after=log.last_number()), entry, now)


@contextmanager
def running(
    store: Store,
    source: Source | None = None,
    *,
    spool: Path,
    token: str | None = None,
    pace: Pace = PACE,
) -> Iterator[str]:
    """A real server in a thread; its base URL."""
    source = source or FakeSource()
    app = make_app(store, source, token=token, spool=spool, pace=pace)
    server = Server(app, listen(Address(port=0, token=token)))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        yield server.url
    finally:
        if isinstance(source, FakeSource):
            source.released.set()
        server.should_exit = True
        thread.join(PATIENCE)
    assert not thread.is_alive()


def client(url: str) -> httpx.Client:
    """A client that waits for an answer; httpx gives up after 5 s."""
    return httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)


def described(url: str, model: str = MODEL) -> dict[str, Any]:
    """What a server says of a model."""
    with client(url) as http:
        answer: dict[str, Any] = http.get(f"/endpoints/{model}").json()
        return answer


class Clock:
    """The clock by which an endpoint of this process ends leases. It can be moved on, so that no test waits for a
    lease, or has to be done before its end.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = timedelta(0)
        monkeypatch.setattr(applied, "utc_now", lambda: utc_now() + self._ahead)
        monkeypatch.setattr(applied, "time", self)

    def move(self, by: timedelta) -> None:
        """Let so much time go by."""
        self._ahead += by

    def time(self) -> float:
        """In the place of ``time.time``."""
        return time.time() + self._ahead.total_seconds()

    @staticmethod
    def monotonic() -> float:
        """In the place of ``time.monotonic``."""
        return time.monotonic()
