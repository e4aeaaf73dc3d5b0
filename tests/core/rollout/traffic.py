"""Captured traffic of a rollout, made by hand or drawn at random."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.judge import judge
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.spec import Canary, Rollout, Shadow

START = datetime(2013, 7, 1, tzinfo=timezone.utc)
NOW = START + timedelta(hours=2)


def capture(number: int, version: int = 1, *, after: float | None = None, **fields: Any) -> CaptureRecord:
    """Request ``number`` as answered by a version, one second after another unless ``after`` says when."""
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
        "key": f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
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


def rollout(*gates: Gate, alpha: float = 0.05, min_samples: int = 100, hours: int = 24) -> Rollout:
    """The same gates in both stages."""
    common: dict[str, Any] = {
        "gates": gates,
        "min_samples": min_samples,
        "max_duration": timedelta(hours=hours),
    }
    return Rollout(alpha=alpha, shadow=Shadow(**common), canary=Canary(**common))


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
    defaults: dict[str, Any] = {"champion": 1, "challenger": 2, "started": START, "now": NOW, "weight": 0.3}
    return judge(stage, spec, objective, captures, labels, **(defaults | fields))


def canary(
    requests: int,
    *,
    champion_errors: float = 0.0,
    challenger_errors: float = 0.0,
    weight: float = 0.3,
    seed: int = 0,
    **challenger: Any,
) -> list[CaptureRecord]:
    """Random canary traffic, one request per second."""
    rng = np.random.default_rng(seed)
    records = []
    for number in range(requests):
        version = 2 if rng.random() < weight else 1
        fails = rng.random() < (challenger_errors if version == 2 else champion_errors)
        fields = dict(challenger) if version == 2 else {}
        if fails:
            fields["status"] = 500
        records.append(capture(number, version, **fields))
    return records
