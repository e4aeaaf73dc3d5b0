"""The last words on the stages of a rollout, kept for who asks later why a version was promoted or not."""

from __future__ import annotations

import hashlib
from datetime import datetime

from airflow_mlops.core.record import Record
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import keep_first


class StageVerdict(Record):
    """What the judge said of a version in a stage when it needed no more data, and when it first said so."""

    verdict: Verdict
    at: datetime


def verdict_prefix(model: str, version: int) -> str:
    """Where the verdicts on a version lie."""
    return f"models/{model}/verdicts/{version:010d}/"


def keep_verdict(store: Store, model: str, verdict: Verdict, at: datetime) -> None:
    """Keep a verdict that decides something, once for each place in the traffic; saying it again changes nothing.

    A verdict that waits for more data is not kept, nor one that names no version.
    """
    if verdict.decision == "CONTINUE" or verdict.version is None:
        return
    run = hashlib.sha256((verdict.run or "").encode()).hexdigest()[:12]
    place = f"{verdict.deployment:010d}" if verdict.deployment else f"run-{run}"
    key = f"{verdict_prefix(model, verdict.version)}{place}-{verdict.stage}-{verdict.decision}.json"
    keep_first(store, key, StageVerdict(verdict=verdict, at=at))
