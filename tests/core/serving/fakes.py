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

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import Action, Deployment, DeploymentLog, Desired, effective
from airflow_mlops.core.serving.loading import Contract, LoadedVersion, Source
from airflow_mlops.core.serving.server import Address, Pace, Server, listen, make_app
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import InputColumn, Signature
from airflow_mlops.core.training.inputs import RowChecker
from airflow_mlops.spec import Fallback, Serving

MODEL = "flight_delay"
FAILING, UNLOADABLE, DEMANDING, NAN, SLOW_TO_LOAD, POISONED, HANGING = 13, 14, 15, 16, 17, 18, 19
PACE = Pace(poll=0.05, ship=0.2)

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

    def check_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.check(rows)

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        if self.number == FAILING or (self.number == POISONED and any(row["x"] == 666 for row in rows)):
            raise ArithmeticError("model is broken")
        if self.number == HANGING:
            time.sleep(2)
        if self.number == NAN:
            return [float("nan")] * len(rows)
        return [answer_of(self.number, row) for row in rows]


@dataclass
class FakeSource:
    """Every version exists. ``inline`` False sends predictions to threads, as for models with a feature function."""

    serving: Serving = field(default_factory=Serving)
    inline: bool = True
    loads: list[int] = field(default_factory=list)
    mended: bool = False

    def contract(self, number: int = 1) -> Contract:
        extra = (InputColumn(name="dep_delay", type="number"),) if number == DEMANDING else ()
        return Contract(INPUTS + extra, self.serving)

    def load(self, model: str, number: int) -> LoadedVersion:
        self.loads.append(number)
        if number == UNLOADABLE and not self.mended:
            raise StoreError("artifact is gone", remedy="bring it back")
        if number == SLOW_TO_LOAD:
            time.sleep(1.0)
        contract = self.contract(number)
        names = tuple(column.name for column in contract.inputs)
        check = RowChecker(Signature(inputs=contract.inputs, allowed=("id",), features=names))
        return LoadedVersion(number, FakeModel(number, check), contract, self.inline)

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
    app = make_app(store, source or FakeSource(), token=token, spool=spool, pace=pace)
    server = Server(app, listen(Address(port=0, token=token)))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        yield server.url
    finally:
        server.should_exit = True
        thread.join(30)
    assert not thread.is_alive()


def wait_until(condition: Any, timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
