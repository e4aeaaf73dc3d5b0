"""Our judge as one more decider: its e-processes and design effect, with the margin 0, looked at after every request.

The capital is followed request by request. The design effect is computed at 200 moments of the stream; between two of
them the larger one holds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rivals import Decider, Plan
from streams import Flags, Floats, Stream

from airflow_mlops.core.rollout.clusters import Clusters, bucket_of
from airflow_mlops.core.rollout.quantile import Quantiles
from airflow_mlops.core.rollout.randomized import log_path

_MOMENTS = 200
#: The newest stream and its stop: where nothing is sliced or timed, all of ours say the same about it.
_last: dict[str, Any] = {}


def judge(stream: Stream, plan: Plan) -> int | None:
    """One gate on the rate of bad outcomes at margin 0."""
    if _last.get("stream") is not stream:
        order = stream.order
        place = first_crossing(stream.y[order], stream.arm[order], stream.key[order], plan.share, plan.alpha)
        _last.update(stream=stream, stop=None if place is None else _served(stream, int(order[place])))
    stop: int | None = _last["stop"]
    return stop


def judge_slices(stream: Stream, plan: Plan) -> int | None:
    """The same with slices watched: half of alpha for the whole, half for up to 20 slices."""
    if stream.slices is None:
        return judge(stream, plan)
    order = stream.order
    y, arm, key, slices = (one[order] for one in (stream.y, stream.arm, stream.key, stream.slices))
    whole = first_crossing(y, arm, key, plan.share, plan.alpha / 2)
    places = [] if whole is None else [whole]
    for one in range(20):
        rows = np.flatnonzero(slices == one)
        found = first_crossing(y[rows], arm[rows], key[rows], plan.share, plan.alpha / 2 / 20)
        places += [] if found is None else [int(rows[found])]
    return _served(stream, int(order[min(places)])) if places else None


def judge_p99(stream: Stream, plan: Plan) -> int | None:
    """A gate on the 99th percentile of the latency instead of on a service level, where there are latencies."""
    if stream.latency is None:
        return judge(stream, plan)
    beyond = Quantiles(0.99, 0.0).beyond(stream.latency, stream.arm)
    rows = np.flatnonzero(np.isfinite(beyond))
    place = first_crossing(beyond[rows], stream.arm[rows], stream.key[rows], plan.share, plan.alpha)
    return None if place is None else int(rows[place])


#: What the table shows of ours.
CONTENDERS: dict[str, Decider] = {
    "ours": judge,
    "ours, slices watched": judge_slices,
    "ours, p99 gate": judge_p99,
}


def first_crossing(y: Floats, arm: Flags, key: np.ndarray, share: float, alpha: float) -> int | None:
    """The place after which the tempered capital against "no worse" first reaches 1 / alpha."""
    if not len(y):
        return None
    path = log_path(y, arm, 0.0, share)
    needed = -math.log(alpha)
    if path.max() < needed:  # the design effect is at least 1
        return None
    buckets, sides = bucket_of(key), arm.astype(np.int64)
    clusters, before = Clusters(2), 1.0
    step = max(1, len(y) // _MOMENTS)
    for start in range(0, len(y), step):
        part = slice(start, start + step)
        clusters.add(y[part], buckets[part], sides[part])
        effect = max(1.0, clusters.design_effect)
        hits = np.flatnonzero(path[part] >= needed * max(before, effect))
        if len(hits):
            return start + int(hits[0])
        before = effect
    return None


def _served(stream: Stream, place: int) -> int | None:
    """The last request served when the outcome of one is known."""
    return stream.served(float(stream.known[place]))
