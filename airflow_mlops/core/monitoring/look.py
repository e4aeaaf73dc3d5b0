"""One look at a model: what the log of its monitoring keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow_mlops.core.monitoring.report import Outcome
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store

#: What asks for retraining.
Cause = Literal["drift", "performance", "age", "new data"]
#: Why nothing is asked for although there is a cause.
Restraint = Literal["cooldown", "budget", "asked", "loop", "backfill", "rollout", "replaced"]


class Reason(Record):
    """One cause for retraining, in words, with the columns it is about (the most important first)."""

    cause: Cause
    said: str
    columns: tuple[str, ...] = ()


class RetrainDecision(Record):
    """Whether the evidence asks for retraining.

    :param retrain: ask now: there is a cause, and no restraint.
    :param reasons: the causes; empty without one.
    :param restraint: what holds the request back, None where nothing does; ``said``: the whole decision in a line.
    :param shaped: share of the new rows that the model's own answers may have shaped; None where nobody knows.
    """

    retrain: bool
    reasons: tuple[Reason, ...] = ()
    restraint: Restraint | None = None
    said: str
    shaped: float | None = None


class Look(Record):
    """One entry of the log ``models/<model>/monitoring``: a period, what was found, and what was decided.

    :param drift, performance: hashes of the reports as blobs.
    :param run: key of the Airflow run that looked; a retry finds its own entry.
    :param outcome, share, columns: of the drift.
    :param metrics: of the newest period, the judged kind (``measured`` or ``estimated``); for lists and charts.
    :param failed_gates: names of the performance gates that failed.
    """

    run: str
    since: datetime
    until: datetime
    champion: int | None
    drift: str
    performance: str | None
    outcome: Outcome
    share: float
    columns: tuple[str, ...]
    metrics: dict[str, float]
    judged_on: str | None
    failed_gates: tuple[str, ...]
    decision: RetrainDecision
    at: datetime


def monitoring_log(store: Store, model: str) -> Log[Look]:
    """The log of all looks at a model, in the order in which they were made."""
    return Log(store, f"models/{model}/monitoring", Look)
