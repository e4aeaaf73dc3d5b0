"""Requests for retraining: a log of their own, one entry for each run that asked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import LogConflict
from airflow_mlops.core.monitoring.look import Reason
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.results import keep

if TYPE_CHECKING:
    from airflow_mlops.core.monitoring.look import Look


class RetrainRequest(Record):
    """One request.

    :param run: key of the Airflow run that asked.
    :param champion: the version that the evidence is about.
    :param shaped: share of the new rows that the model's own answers may have shaped; None where nobody knows.
    :param decision: hash of the decision as a blob.
    """

    run: str
    champion: int
    reasons: tuple[Reason, ...]
    at: datetime
    shaped: float | None = None
    decision: str


def request_log(store: Store, model: str) -> Log[RetrainRequest]:
    """The log of all requests for retraining of a model."""
    return Log(store, f"models/{model}/retraining", RetrainRequest)


def request_retraining(store: Store, model: str, look: Look, *, at: datetime) -> bool:
    """Whether the run of this look asks for retraining; if it does, its request stands in the log then.

    To be called right before the event of the model's retrain asset is emitted. A run that died between its entry and
    the event finds its entry at its next try and is told to ask again: an event is emitted at least once. Airflow
    registers events in the transaction that makes the task a success, so a second one comes only when somebody clears
    that success. It starts another release of the same data, which promotes nothing that its gates do not let pass.

    Of two runs that decided at the same time, the first one asks.

    :param look: the entry of this run in the log of monitoring.
    :param at: the time now.
    """
    log, seen = request_log(store, model), 0
    while True:
        for number, other in log.entries(seen):
            seen = number
            if other.run == look.run:
                return True
            if other.champion == look.champion and other.at >= look.at:
                return False
        if not look.decision.retrain or look.champion is None:
            return False
        request = RetrainRequest(
            run=look.run,
            champion=look.champion,
            reasons=look.decision.reasons,
            at=at,
            shaped=look.decision.shaped,
            decision=keep(store, look.decision),
        )
        try:
            log.append(request, after=seen)
            return True
        except LogConflict:
            continue
