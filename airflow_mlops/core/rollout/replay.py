"""Replay: the challenger answers captured requests again, and is judged like a shadow before any traffic.

The champion's captured answers and the challenger's new ones are pairs about the same requests, as in shadow; so one
judge decides about both. What a replay can't see is time: latency, load, and what has changed since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import RequestError, SpecError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.rollout.judge import check_gates, judge
from airflow_mlops.core.rollout.past_requests import PastRequests, past_requests
from airflow_mlops.core.serving.batching import Outcome, answer_each
from airflow_mlops.core.serving.ground_truth import read_ground_truth
from airflow_mlops.core.serving.loading import RegistrySource
from airflow_mlops.core.serving.refusal import one_line

if TYPE_CHECKING:
    from airflow_mlops.core.rollout.verdict import Verdict
    from airflow_mlops.core.serving.base import Endpoint
    from airflow_mlops.core.serving.capture import CaptureRecord
    from airflow_mlops.core.serving.loading import Answering, LoadedVersion
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec import ModelSpec, Replay

#: Most rows of one call of the model, unless a single request has more.
MOST_ROWS = 1000
#: How often progress is told, in requests.
_TOLD_EVERY = 5000
#: What the endpoint captures for a copy that the challenger refuses or fails on.
_FAILED = 500
#: Metrics that need no ground truth.
_WITHOUT_TRUTH = ("error_rate", "latency")


def replay(
    store: Store,
    endpoint: Endpoint,
    spec: ModelSpec,
    *,
    champion: int,
    challenger: int,
    run: str,
    now: datetime | None = None,
    progress: Progress = ignore,
) -> Verdict:
    """The judge's word on the challenger's answers to requests that the champion has answered before.

    Nothing more will come, so what is undecided is INCONCLUSIVE: also with fewer than ``min_samples`` requests, or
    none, as after the promotion of a young champion. The reason says what is lacking and what to do.

    :param run: the requests are the same ones at every look of this run (:func:`past_requests`).
    :raises SpecError: if the spec has no replay, or a gate that a replay can't judge.
    :raises RegistryError: if there is no such challenger.
    """
    section = spec.rollout.replay
    if section is None:
        raise SpecError("rollout has no replay stage", remedy="add rollout.replay to the spec")
    check_gates(spec.rollout, spec.training.objective)
    now = now or utc_now()
    version = RegistrySource(store).load(spec.name, challenger)
    past = past_requests(
        store, endpoint, spec.name, section, champion=champion, challenger=challenger, run=run, now=now
    )
    progress(f"{len(past.requests)} captured requests of v{champion} since {past.since:%F %T %Z}")
    failures: Counter[str] = Counter()
    answers = list(answer_again(version, past.requests, failures, progress))
    ids = {request.inference_id for request in past.requests}
    truth = [one for one in read_ground_truth(store, spec.name, past.since) if one.inference_id in ids]
    verdict = judge(
        "replay",
        spec.rollout,
        spec.training.objective,
        (*past.requests, *answers),
        truth,
        champion=champion,
        challenger=challenger,
        started=past.since,
        now=now,
    )
    labelled = len({one.inference_id for one in truth})
    reason = "; ".join(
        [
            *_on_requests(champion, past, section),
            verdict.reason,
            *_on_failures(failures, len(answers)),
            *_remedies(verdict, past, section, labelled),
        ]
    )
    return verdict.model_copy(update={"reason": reason})


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


def _on_requests(champion: int, past: PastRequests, section: Replay) -> list[str]:
    """What was found, where that is too little."""
    if len(past.requests) >= section.min_samples:
        return []
    found = f"{len(past.requests)} captured requests to v{champion} since {past.since:%F %T %Z} can be asked again"
    others = ", ".join(f"{number} {why.replace('_', ' ')}" for why, number in sorted(past.counts.items()))
    return [f"{found} (left out: {others})" if others else found]


def _on_failures(failures: Counter[str], answers: int) -> list[str]:
    if not failures:
        return []
    why, times = failures.most_common(1)[0]
    return [f"the challenger failed on {failures.total()} of {answers} requests, {times} of them with: {why}"]


def _remedies(verdict: Verdict, past: PastRequests, section: Replay, labelled: int) -> list[str]:
    """What would decide an undecided replay."""
    if verdict.decision != "INCONCLUSIVE":
        return []
    asked = len(past.requests)
    open_gates = [one.gate for one in verdict.gates if one.outcome == "inconclusive"]
    remedies = []
    if labelled < asked and any(gate.metric not in _WITHOUT_TRUTH for gate in open_gates):
        remedies.append(f"{labelled} of {asked} requests have ground truth: hand in more and replay again")
    ways = []
    if verdict.counts["samples"] < section.min_samples:
        ways.append(f"lower rollout.replay.min_samples ({section.min_samples})")
    if asked == section.max_requests:
        ways.append(f"raise rollout.replay.max_requests ({asked})")
    else:
        ways.append(f"widen rollout.replay.window ({section.model_dump(mode='json')['window']})")
        ways.append("replay again after more traffic")
    return [*remedies, ", or ".join(ways)]
