"""How a stage of a rollout went on: the judge's word at each look, for who watches it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store


class GateNow(Record):
    """A gate at one look.

    :param value: the metric, or by how much it is worse than the champion's.
    :param low, high: its confidence sequence at that time; None where there is none yet.
    :param limit: what it is held against.
    """

    name: str
    outcome: Literal["pass", "fail", "inconclusive"]
    value: float | None
    low: float | None
    high: float | None
    limit: float
    said: str


class StageNow(Record):
    """One look at a stage.

    :param samples: requests, or pairs of answers, that were judged.
    :param needed: how many more would probably decide; None where nobody can tell.
    """

    at: datetime
    stage: str
    version: int
    decision: str
    reason: str
    samples: int
    needed: int | None
    gates: tuple[GateNow, ...]


def progress_log(store: Store, model: str, entry: int) -> Log[StageNow]:
    """The looks at the stage that entry ``entry`` of the deployment log began, in their order."""
    return Log(store, f"models/{model}/progress/{entry:010d}", StageNow)
