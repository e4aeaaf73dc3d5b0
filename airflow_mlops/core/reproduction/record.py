"""What came of building a version again."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store


class Difference(Record):
    """A part of the environment that is not as it was.

    :param recorded, found: versions; None where the part was not there.
    """

    name: str
    recorded: str | None
    found: str | None


class Reproduction(Record):
    """One try to build a version again.

    :param run: key of the Airflow run, None outside of Airflow.
    :param outcome: ``identical``: the same bytes; ``equal``: other bytes, metrics and predictions within the tolerance;
        ``different``: beyond it; ``impossible``: data, code or environment are gone or were changed.
    :param artifact: hash of the model file as recorded, and ``rebuilt`` that of the new one.
    :param environment: what differs from the recorded lock, of all that training imports.
    :param metrics: largest absolute difference of each held-out metric.
    :param predictions: largest absolute difference of a held-out prediction, None where none was made.
    :param place: ``locked``: an environment made from the lock; ``here``: the present one.
    """

    run: str | None
    version: int
    outcome: Literal["identical", "equal", "different", "impossible"]
    reason: str
    artifact: str
    rebuilt: str | None = None
    environment: tuple[Difference, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    predictions: float | None = None
    tolerance: float
    place: Literal["locked", "here"]
    seconds: float
    by: str
    at: datetime


def reproduction_log(store: Store, model: str) -> Log[Reproduction]:
    """The log of all reproductions of a model's versions."""
    return Log(store, f"models/{model}/reproductions", Reproduction)
