"""The challenger's answers to captured requests, by the code that answers at the endpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import RequestError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.serving.batching import Outcome, answer_each
from airflow_mlops.core.serving.refusal import one_line

if TYPE_CHECKING:
    from airflow_mlops.core.serving.capture import CaptureRecord
    from airflow_mlops.core.serving.loading import Answering, LoadedVersion

#: Most rows of one call of the model, unless a single request has more.
MOST_ROWS = 1000
#: How often progress is told, in requests.
_TOLD_EVERY = 5000
#: What the endpoint captures for a copy that the challenger refuses or fails on.
_FAILED = 500


def answer_again(
    version: LoadedVersion,
    requests: Sequence[CaptureRecord],
    failures: Counter[str],
    progress: Progress = ignore,
) -> Iterator[CaptureRecord]:
    """The challenger's answers as they would be captured in shadow, in the order of the requests.

    A request that it refuses or fails on is a failed answer. ``latency_ms`` is 0 and means nothing.

    :param failures: gets how often each reason for a failed answer was met.
    """
    done = 0
    for group in _groups(requests):
        for request, outcome in zip(group, _answer(version.model, group), strict=True):
            if isinstance(outcome, Exception):
                failures[_in_words(outcome)] += 1
            yield _captured(request, version.variant, outcome)
        done += len(group)
        if done // _TOLD_EVERY > (done - len(group)) // _TOLD_EVERY or done == len(requests):
            progress(f"{version.variant} has answered {done} of {len(requests)}, {failures.total()} failed")


def _groups(requests: Sequence[CaptureRecord]) -> Iterator[list[CaptureRecord]]:
    group: list[CaptureRecord] = []
    rows = 0
    for request in requests:
        if group and rows + len(request.rows) > MOST_ROWS:
            yield group
            group, rows = [], 0
        group.append(request)
        rows += len(request.rows)
    if group:
        yield group


def _answer(model: Answering, requests: Sequence[CaptureRecord]) -> list[Outcome]:
    """The outcome for each request: those that the model accepts share a call."""
    outcomes: dict[int, Outcome] = {}
    for place, request in enumerate(requests):
        try:
            model.check_rows(request.rows)
        except Exception as error:  # as at the endpoint: what the champion has accepted is no excuse
            outcomes[place] = error
    accepted = [place for place in range(len(requests)) if place not in outcomes]
    if accepted:
        answers = answer_each(model, [requests[place].rows for place in accepted])
        outcomes.update(zip(accepted, answers, strict=True))
    return [outcomes[place] for place in range(len(requests))]


def _captured(request: CaptureRecord, variant: str, outcome: Outcome) -> CaptureRecord:
    failed = isinstance(outcome, Exception)
    return request.model_copy(
        update={
            "event_id": f"replay-{variant}-{request.event_id}",
            "variant": variant,
            "role": "shadow",
            "chosen": "shadow",
            "latency_ms": 0.0,
            "status": _FAILED if failed else 200,
            "predictions": None if isinstance(outcome, Exception) else tuple(outcome),
        }
    )


def _in_words(failure: Exception) -> str:
    """Why an answer failed, without the values of the request where that is possible."""
    return one_line(RequestError(failure.problem) if isinstance(failure, RequestError) else failure)
