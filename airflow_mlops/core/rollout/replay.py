"""Replay: the challenger answers captured requests again, and is judged like a shadow before any traffic.

The champion's captured answers and the challenger's new ones are pairs about the same requests, as in shadow; so one
judge decides about both. What a replay can't see is time: latency, load, and what has changed since.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.rollout.gallery import with_picture
from airflow_mlops.core.rollout.judge import check_gates, decide, open_watch
from airflow_mlops.core.rollout.past_answers import answer_again
from airflow_mlops.core.rollout.past_requests import PastRequests, past_requests
from airflow_mlops.core.rollout.replay_reason import explain
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.ground_truth import read_ground_truth
from airflow_mlops.core.serving.loading import RegistrySource
from airflow_mlops.core.store.results import keep_first, read_kept
from airflow_mlops.core.wording import second

if TYPE_CHECKING:
    from airflow_mlops.core.serving.base import Endpoint
    from airflow_mlops.core.serving.capture import GroundTruth
    from airflow_mlops.core.serving.loading import LoadedVersion
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec import ModelSpec, Replay


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

    A run that asks again gets the same word, once PROMOTE or ROLLBACK was said. While it is undecided, the window
    starts where it did (:func:`past_requests`), and what was captured or labelled since is added.

    :param run: key of the run that asks.
    :raises SpecError: if the spec has no replay, or a gate that a replay can't judge.
    :raises RegistryError: if there is no such challenger.
    """
    section = spec.rollout.replay
    if section is None:
        raise SpecError("rollout has no replay stage", remedy="add rollout.replay to the spec")
    check_gates(spec.rollout, spec.training.objective)
    place = _place(spec, champion, challenger, run)
    said = read_kept(store, f"{place}/verdict.json", Verdict)
    if said is not None:
        return said
    now = now or utc_now()
    version = RegistrySource(store).load(spec.name, challenger)
    progress(f"reading the requests that v{champion} has answered")
    past = past_requests(store, endpoint, section, champion=champion, key=f"{place}/start.json", now=now)
    verdict = _judge(store, spec, section, past, version, now, progress)
    return (
        verdict if verdict.decision == "INCONCLUSIVE" else keep_first(store, f"{place}/verdict.json", verdict)
    )


def _judge(
    store: Store,
    spec: ModelSpec,
    section: Replay,
    past: PastRequests,
    version: LoadedVersion,
    now: datetime,
    progress: Progress,
) -> Verdict:
    """The verdict on all that is known now."""
    progress(f"{len(past.requests)} captured requests of v{past.champion} since {second(past.since)} UTC")
    failures: Counter[str] = Counter()
    answers = list(answer_again(version, past.requests, failures, progress))
    truth = _truth(store, spec.name, past)
    watch = open_watch(
        "replay",
        spec.rollout,
        spec.training.objective,
        past.champion,
        version.number,
        # the judge divides the time from here on into moments, and before the first request there is none
        past.requests[0].at if past.requests else past.since,
    )
    watch.feed((*past.requests, *answers), truth, now.timestamp())
    verdict = decide(watch, spec.rollout, now - past.since)
    labelled = len({one.inference_id for one in truth})
    reason = explain(verdict, spec, section, past, failures, labelled)
    verdict = verdict.model_copy(update={"reason": reason})
    return with_picture(store, spec.name, version.number, verdict, watch.trace)


def _place(spec: ModelSpec, champion: int, challenger: int, run: str) -> str:
    """Where a run keeps what it may not decide twice. Under another champion or other gates it is another question."""
    rules = spec.rollout.model_dump(mode="json", include={"alpha", "replay", "slices", "max_slices"})
    about = [run, champion, rules]
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
    return f"models/{spec.name}/replays/{challenger}/{name}"


def _truth(store: Store, model: str, past: PastRequests) -> list[GroundTruth]:
    """What is known by now about the requests that were asked again."""
    ids = {request.inference_id for request in past.requests}
    return [one for one in read_ground_truth(store, model, past.since) if one.inference_id in ids]
