"""Captured traffic of a rollout, made by hand or drawn at random."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import numpy as np

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.judge import judge
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.core.serving.split import takes_challenger
from airflow_mlops.spec import Canary, Rollout, Shadow

START = datetime(2013, 7, 1, tzinfo=timezone.utc)
NOW = START + timedelta(hours=2)
WEIGHT = 0.3


def capture(number: int, version: int = 1, *, after: float | None = None, **fields: Any) -> CaptureRecord:
    """Request ``number`` as answered by a version, one second after another unless ``after`` says when.

    Each request has a key of its own.
    """
    role = fields.pop("role", "champion" if version == 1 else "challenger")
    at = START + timedelta(seconds=number if after is None else after)
    defaults: dict[str, Any] = {
        "event_id": f"{role}-{number}",
        "inference_id": f"request-{number}",
        "variant": f"v{version}",
        "role": role,
        "at": at,
        "latency_ms": 5.0,
        "status": 200,
        "key": sha256(f"{number}".encode()).hexdigest()[:16],
        "rows": ({"x": 1.0},),
        "predictions": (0.5,),
        "deployment": 1,
    }
    if fields.get("status", 200) >= 400:
        defaults["predictions"] = None
    return CaptureRecord(**(defaults | fields))


def shadowed(
    number: int, live: dict[str, Any] | None = None, shadow: dict[str, Any] | None = None
) -> list[CaptureRecord]:
    """The live and the shadow answer to one request."""
    return [
        capture(number, 1, **(live or {})),
        capture(number, 2, **({"role": "shadow"} | (shadow or {}))),
    ]


def truth(number: int, label: float = 1.0, *, after: float = 3600.0, **fields: Any) -> GroundTruth:
    """The label of request ``number``."""
    return GroundTruth(
        **(
            {"inference_id": f"request-{number}", "label": label, "at": START + timedelta(seconds=after)}
            | fields
        )
    )


def rollout(
    *gates: Gate, alpha: float = 0.05, min_samples: int = 100, hours: int = 24, **fields: Any
) -> Rollout:
    """The same gates in both stages.

    :param fields: ``steps`` of the canary, and what a rollout has beside its stages.
    """
    common: dict[str, Any] = {
        "gates": gates,
        "min_samples": min_samples,
        "max_duration": timedelta(hours=hours),
    }
    steps = {"steps": fields.pop("steps")} if "steps" in fields else {}
    return Rollout(alpha=alpha, shadow=Shadow(**common), canary=Canary(**common, **steps), **fields)


def ask(
    stage: Any,
    spec: Rollout,
    captures: Iterable[CaptureRecord],
    labels: Iterable[GroundTruth] = (),
    *,
    objective: Any = "binary",
    **fields: Any,
) -> Verdict:
    """The judge's word on version 2 against version 1."""
    defaults: dict[str, Any] = {"champion": 1, "challenger": 2, "started": START, "now": NOW}
    return judge(stage, spec, objective, captures, labels, **(defaults | {"weight": WEIGHT} | fields))


def canary(
    requests: int,
    *,
    champion_errors: float = 0.0,
    challenger_errors: float = 0.0,
    weight: float = WEIGHT,
    seed: int = 0,
    **challenger: Any,
) -> list[CaptureRecord]:
    """Random canary traffic, one request per second, each assigned by the hash of its own key."""
    rng = np.random.default_rng(seed)
    records = []
    for number in range(requests):
        key = f"{rng.integers(2**64, dtype=np.uint64):016x}"
        version = 2 if takes_challenger(key, weight) else 1
        fails = rng.random() < (challenger_errors if version == 2 else champion_errors)
        fields: dict[str, Any] = {"key": key, **(challenger if version == 2 else {})}
        if fails:
            fields["status"] = 500
        records.append(capture(number, version, **fields))
    return records
