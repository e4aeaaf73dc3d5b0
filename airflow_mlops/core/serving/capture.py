"""Captured answers, in the JSON lines of SageMaker's data capture.

One line per request, below ``captures/<endpoint>/<variant>/yyyy/mm/dd/hh/<name>.jsonl`` as SageMaker lays
them out; a variant is ``v<version>`` or ``fallback``. What SageMaker does not know (latency, status, role)
stands under ``mlops``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from airflow_mlops.core.record import Record

Role = Literal["champion", "challenger", "shadow", "fallback"]
#: Why this variant: the hash of the key, the caller's target variant, another variant's failure, a copy for
#: the shadow.
Chosen = Literal["split", "target", "failover", "shadow"]


class CaptureRecord(Record):
    """One answered (or failed) request, as judges and monitors read it.

    :param event_id: unique for the answer; ``inference_id`` is the caller's, or made by the endpoint, and is
        shared by the live and the shadow answer to one request: it pairs them, and ground truth names it.
    :param latency_ms: from handing the rows to the variant until its answer, or until it failed.
    :param key: hash of the stable key that assigned the request, 16 hex digits.
    :param rows: the request's rows, as JSON objects.
    :param predictions: one number per row; None when the answer was an error.
    :param deployment: number of the deployment-log entry under which it was answered.
    :param chosen: why this variant answered. ``target`` and ``failover`` were not assigned by the hash, so
        they are no fair sample of a variant's traffic.
    """

    event_id: str
    inference_id: str
    variant: str
    role: Role
    at: datetime
    latency_ms: float
    status: int
    key: str
    rows: tuple[dict[str, Any], ...]
    predictions: tuple[float, ...] | None
    deployment: int
    chosen: Chosen = "split"


class GroundTruth(Record):
    """The truth about one row of a request, known later.

    A later record for the same row corrects an earlier one.
    """

    inference_id: str
    row: int = 0
    label: float
    at: datetime
