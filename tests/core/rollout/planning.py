"""A store with a champion and its captured traffic, made at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import numpy as np

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout.past_traffic import PastTraffic, read_past_traffic
from airflow_mlops.core.rollout.plan import Assumptions, plan
from airflow_mlops.core.rollout.planned import GatePlan, Plan
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.core.serving.ground_truth import append_ground_truth
from airflow_mlops.core.store import Store
from airflow_mlops.spec import ModelSpec
from tests.core.registry import world
from tests.core.rollout import past

NOW = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Traffic:
    """How the champion has answered.

    :param failures: share of its requests without an answer; ``per_key``: requests in a row of one key, which fail
        together.
    :param every: seconds between two requests.
    :param late: seconds until the truth of a request is known; ``labelled``: share of the requests that get it.
    """

    requests: int = 3000
    failures: float = 0.01
    per_key: int = 1
    every: float = 1.0
    late: float = 600.0
    labelled: float = 1.0
    rows: int = 1
    seed: int = 0

    def records(self, now: datetime = NOW) -> tuple[list[CaptureRecord], list[GroundTruth]]:
        """Captured answers, the last one a second before ``now``, and the truth about them."""
        rng = np.random.default_rng(self.seed)
        records, labels = [], []
        fails = False
        for number in range(self.requests):
            if number % self.per_key == 0:
                fails = bool(rng.random() < self.failures)
            at = now - timedelta(seconds=1 + self.every * (self.requests - 1 - number))
            chances = rng.beta(1, 3, self.rows)
            records.append(answer(number, at, chances.tolist(), fails=fails, key=number // self.per_key))
            if rng.random() < self.labelled and at + timedelta(seconds=self.late) <= now:
                labels += [
                    GroundTruth(
                        inference_id=f"request-{number}",
                        row=row,
                        label=float(rng.random() < chance),
                        at=at + timedelta(seconds=self.late),
                    )
                    for row, chance in enumerate(chances)
                ]
        return records, labels


def answer(
    number: int, at: datetime, guesses: Sequence[float], *, fails: bool = False, key: int = 0, **fields: Any
) -> CaptureRecord:
    """The champion's answer to a request."""
    defaults: dict[str, Any] = {
        "event_id": f"event-{number}",
        "inference_id": f"request-{number}",
        "variant": "v1",
        "role": "champion",
        "at": at,
        "latency_ms": 5.0 + number % 20,
        "status": 500 if fails else 200,
        "key": sha256(f"{key}".encode()).hexdigest()[:16],
        "rows": tuple({"carrier": "UA" if number % 4 else "AA"} for _ in guesses),
        "predictions": None if fails else tuple(guesses),
        "deployment": 1,
    }
    return CaptureRecord(**(defaults | fields))


def champion(store: Store) -> Store:
    """A first version, promoted."""
    world.register(store)
    DeploymentLog(store, world.MODEL).promote(1, who="ann", why="first", run="first")
    return store


def captured(store: Store, traffic: Traffic, now: datetime | None = None) -> Store:
    """A champion and what it has answered."""
    champion(store)
    records, labels = traffic.records(now or utc_now())
    past.keep(store, records)
    append_ground_truth(store, world.MODEL, labels)
    return store


def seen(spec: ModelSpec, traffic: Traffic | None = None) -> PastTraffic:
    """What is known of the champion's traffic."""
    store = captured(world.MemoryStore(), traffic or Traffic(), NOW)
    return read_past_traffic(store, spec, DAY, NOW)


def planned(spec: ModelSpec, traffic: PastTraffic | None = None, **given: Any) -> Plan:
    """The plan, from few runs."""
    assumptions = Assumptions(**{"detect": {}, "runs": 60, **given})
    return plan(spec, traffic or seen(spec), assumptions)


def only_gate(found: Plan) -> GatePlan:
    """Of a plan with one stage and one gate."""
    ((gate,),) = [stage.gates for stage in found.stages]
    return gate


def shadow(*gates: dict[str, Any], **section: Any) -> ModelSpec:
    return world.spec(rollout={"shadow": {"gates": gates, "min_samples": 50, **section}})


def canary(*gates: dict[str, Any], weight: float = 0.3, **section: Any) -> ModelSpec:
    steps = [{"weight": weight}]
    return world.spec(rollout={"canary": {"gates": gates, "min_samples": 50, "steps": steps, **section}})
