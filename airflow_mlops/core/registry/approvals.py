"""The log of what people said of a model's versions."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store


class Answer(Record):
    """What one person said, and when.

    :param user: name of the user in Airflow.
    :param id: of the user in Airflow's auth manager, where that is not the name.
    """

    user: str
    id: str | None = None
    choice: Literal["approve", "reject"]
    at: datetime
    comment: str = ""


class ApprovalRecord(Record):
    """How the question about a version ended.

    :param run: key of the release's run.
    :param reasons: why people were asked, in words; empty when nobody had to be.
    :param evidence: hash of the blob with the text that they saw, None when nobody was asked.
    :param answers: in the order in which they came; none where the time was over first.
    :param reason: one line in words.
    """

    run: str
    version: int
    outcome: Literal["approved", "rejected", "expired", "not_needed"]
    reason: str
    reasons: tuple[str, ...] = ()
    evidence: str | None = None
    answers: tuple[Answer, ...] = ()
    at: datetime


def approval_log(store: Store, model: str) -> Log[ApprovalRecord]:
    """The log of all approvals of a model."""
    return Log(store, f"models/{model}/approvals", ApprovalRecord)
