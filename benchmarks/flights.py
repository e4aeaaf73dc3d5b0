"""Real flights, replayed to the judge: the demo's models, their real predictions, the real gates.

Trains what the demo trains (January to June, January to August, and the one that only shines offline because it has
seen the departure delay), lets all of them answer the same later flights, and conducts a release: shadow, then the
steps of the canary, with the gates of ``dags/flight_delay.yaml``. Labels come with the next look. One seed gives one
order of the flights.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.rollout.judge import decide, open_watch
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.core.serving.split import key_of, takes_challenger
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from airflow_mlops.demo.flights import month_of, write_month
from airflow_mlops.demo.story import LEAKY
from airflow_mlops.platform import Platform
from airflow_mlops.spec import ModelSpec

DAGS = Path(__file__).resolve().parent.parent / "dags"
START = datetime(2013, 9, 1, tzinfo=timezone.utc)
#: Live traffic of the demo, and how often its judge looks.
RATE, LOOK = 150.0, 10.0
#: Looks at one stage; then it is undecided for this benchmark.
_MOST_LOOKS = 60


@dataclass(frozen=True)
class Answers:
    """What models say about the flights of a month: probabilities of being late, and whether they were."""

    ids: Sequence[str]
    late: np.ndarray
    by: dict[str, np.ndarray]


@cache
def answers(month: int) -> Answers:
    """The answers of all three models to the flights of a month, asked before the departure."""
    flights = month_of(month)
    asked = flights.assign(dep_delay=float("nan"))
    by = {name: predictor.predict_frame(asked) for name, predictor in _models().items()}
    return Answers(flights["flight_id"].tolist(), flights["late"].to_numpy(dtype=np.float64), by)


@cache
def _models() -> dict[str, Predictor]:
    sys.path.insert(0, str(DAGS))  # where the feature function of the spec lies
    spec = ModelSpec.from_yaml(DAGS / "flight_delay.yaml")
    wanted = {
        "january-june": (spec, 7),
        "january-august": (spec, 9),
        "leaky": (spec.with_overrides(LEAKY), 9),
    }
    with TemporaryDirectory() as folder:
        root = Path(folder)
        platform = Platform.local(root)
        store, data = platform.store(), platform.data()
        for month in range(1, 9):
            write_month(month, root / "data")
        models = {}
        for name, (one, until) in wanted.items():
            version = snapshot(store, data, one, until=datetime(2013, until, 1, tzinfo=timezone.utc))
            models[name] = Predictor.load(store, train(store, one, version))
    return models


def release(challenger: str, *, month: int, seed: int, shuffled: bool = True) -> list[Verdict]:
    """The verdicts of one release against the model of January to June; the last one says how it ended.

    :param month: whose flights are asked about.
    :param seed: of their order; without ``shuffled``, of where in the month the traffic begins.
    """
    spec = ModelSpec.from_yaml(DAGS / "flight_delay.yaml")
    found = answers(month)
    rng = np.random.default_rng(seed)
    size = len(found.ids)
    order = rng.permutation(size) if shuffled else (np.arange(size) + rng.integers(size)) % size
    asked = 0
    verdicts = []
    for number, (stage, weight) in enumerate(spec.rollout.stages, start=1):
        watch = open_watch(stage, spec.rollout, "binary", 1, 2, START, weight=weight, deployment=number)
        for look in range(1, _MOST_LOOKS + 1):
            several = order[np.arange(asked, asked + int(RATE * LOOK)) % size]
            asked += len(several)
            at = START + timedelta(seconds=(look - 1) * LOOK)
            records = list(_served(found, challenger, several, at, stage, weight, number, asked))
            labels = [
                GroundTruth(
                    inference_id=one.inference_id, label=found.late[place], at=one.at + timedelta(seconds=1)
                )
                for one, place in zip(
                    records, np.repeat(several, 2) if stage == "shadow" else several, strict=True
                )
            ]
            elapsed = timedelta(seconds=look * LOOK)
            watch.feed(records, labels, (START + elapsed + timedelta(seconds=5)).timestamp())
            verdict = decide(watch, spec.rollout, elapsed)
            if verdict.decision != "CONTINUE":
                break
        verdicts.append(verdict)
        if verdict.decision != "PROMOTE":
            break
    return verdicts


def _served(
    found: Answers,
    challenger: str,
    several: np.ndarray,
    at: datetime,
    stage: str,
    weight: float,
    deployment: int,
    asked: int,
) -> Iterator[CaptureRecord]:
    for number, place in enumerate(several.tolist()):
        inference_id = f"{deployment}-{asked}-{number}"
        key = key_of("flight_delay", {"flight_id": found.ids[place]}, ["flight_id"], inference_id)
        mine = stage == "canary" and takes_challenger(key, weight)
        arms = [("v2", challenger, "shadow")] if stage == "shadow" else []
        arms.append(("v2", challenger, "challenger") if mine else ("v1", "january-june", "champion"))
        for variant, name, role in arms:
            yield CaptureRecord.model_construct(
                event_id=f"{variant}-{inference_id}",
                inference_id=inference_id,
                variant=variant,
                role=role,
                at=at + timedelta(seconds=number / RATE),
                latency_ms=2.0,
                status=200,
                key=key,
                rows=({},),
                predictions=(float(found.by[name][place]),),
                deployment=deployment,
                chosen="split",
            )
