"""How batch transform cuts objects into requests and puts the answers together.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html and, for joins,
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

from airflow_mlops.testing.sagemaker.objects import DataError

_MB = 1024 * 1024
_CSV = "text/csv"


def requests_of(body: bytes, job: dict[str, Any]) -> list[bytes]:
    """The bodies of the requests for one object.

    :param job: the request of CreateTransformJob.
    :raises DataError: if a record is larger than a request may be.
    """
    given = job["TransformInput"]
    if given.get("CompressionType") == "Gzip":
        body = gzip.decompress(body)
    most = job.get("MaxPayloadInMB", 6) * _MB or len(body) + 1
    whole = given.get("SplitType", "None") == "None"
    records = [body] if whole else [line for line in body.split(b"\n") if line]
    if any(len(record) > most for record in records):
        raise DataError(f"a record is larger than MaxPayloadInMB={job.get('MaxPayloadInMB', 6)}")
    if whole or job.get("BatchStrategy") == "SingleRecord":
        return records
    return _batches(records, most)


def assembled(bodies: list[bytes], answers: list[bytes], job: dict[str, Any]) -> bytes:
    """The content of the object's ``.out``.

    :param bodies: of the requests, in order, with their ``answers``.
    :raises DataError: if answers can't be joined with the input.
    """
    if job.get("DataProcessing", {}).get("JoinSource") == "Input":
        answers = [_joined(body, answer, job) for body, answer in zip(bodies, answers, strict=True)]
    if job["TransformOutput"].get("AssembleWith", "None") == "None":
        return b"".join(answers)
    return b"".join(answer if answer.endswith(b"\n") else answer + b"\n" for answer in answers)


def _batches(records: list[bytes], most: int) -> list[bytes]:
    """As many records in each request as fit."""
    found: list[bytes] = []
    batch: list[bytes] = []
    size = 0
    for record in records:
        if batch and size + len(record) + 1 > most:
            found.append(b"\n".join(batch))
            batch, size = [], 0
        batch.append(record)
        size += len(record) + 1
    return [*found, b"\n".join(batch)] if batch else found


def _joined(body: bytes, answer: bytes, job: dict[str, Any]) -> bytes:
    """Each record with what was predicted for it."""
    kind = job["TransformInput"].get("ContentType", "")
    if kind == _CSV:
        rows, predictions = body.strip().split(b"\n"), answer.strip().split(b"\n")
        if len(rows) != len(predictions):
            raise DataError(f"{len(predictions)} predictions for {len(rows)} records can't be joined")
        return b"".join(
            row + b"," + prediction + b"\n" for row, prediction in zip(rows, predictions, strict=True)
        )
    if "json" not in kind:
        raise DataError(f"JoinSource knows CSV and JSON, not {kind or 'data without a ContentType'}")
    try:
        record, prediction = json.loads(body), json.loads(answer)
    except ValueError as error:
        raise DataError(f"input and output can't be joined as JSON: {error}") from None
    whole = record if isinstance(record, dict) else {"SageMakerInput": record}
    return json.dumps({**whole, "SageMakerOutput": prediction}).encode()
