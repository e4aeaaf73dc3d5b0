"""One gate's two tests, looked at as often as one likes: surely too bad, or surely good enough?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from airflow_mlops.core.rollout.betting import (
    Floats,
    Tally,
    growth,
    log_e_process,
    log_e_value,
    lower_bound,
    tally,
    upper_bound,
)
from airflow_mlops.core.rollout.twosample import Indices

#: With fewer observations nothing is said about how many more would decide.
_LEAST_TO_EXTRAPOLATE = 30


@dataclass(frozen=True)
class Levels:
    """The error probabilities of a gate's two tests.

    A stage is rolled back as soon as *one* gate fails, so the budget alpha is split over the gates
    (Bonferroni). It is promoted only when *every* gate passes; then each may be tested at alpha, and a
    challenger that is too bad in any respect is still promoted with a probability of at most alpha
    (intersection-union test; Berger, "Multiparameter hypothesis testing and acceptance sampling",
    Technometrics 24, 1982).
    """

    fail: float
    accept: float

    @classmethod
    def split(cls, alpha: float, gates: int) -> Levels:
        """The levels of each of ``gates`` gates under the budget ``alpha`` of a stage."""
        return cls(alpha / gates, alpha)


@dataclass(frozen=True)
class Finding:
    """What the observations say about a mean in [0, 1] and its limit.

    :param failed_at: index of the observation after which the mean was surely above the limit; stays once it
        is there.
    :param passed: whether the mean is, by all observations so far, surely below the limit.
    :param lower: bound of the mean at the level of failing, valid at all times at once.
    :param upper: bound of the mean at the level of passing, valid at all times at once.
    :param more: about how many more observations would decide, None if that can't be told or all is decided.
    """

    failed_at: int | None
    passed: bool
    lower: float
    upper: float
    more: int | None


def first_failure(x: Floats, limit: float, stops: Indices, level: float) -> int | None:
    """Index of the first stop that rejects "the mean is at most ``limit``" at ``level``, None if none does.

    The first crossing counts, not the last value: the verdict does not depend on when somebody looked.
    """
    crossed = np.flatnonzero(log_e_process(x, limit)[stops] >= -math.log(level))
    return int(stops[crossed[0]]) if len(crossed) else None


def examine(x: Floats, limit: float, stops: Indices, levels: Levels) -> Finding:
    """Hold observations against a limit.

    :param x: in [0, 1], less is better, in the order in which they became known.
    :param limit: the largest mean that is good enough, in (0, 1).
    :param stops: indices after which one may look, ascending; the last is that of the last observation.
    """
    to_fail, to_pass = -math.log(levels.fail), -math.log(levels.accept)
    seen, mirrored = tally(x), tally(1.0 - x)
    failed_at = first_failure(x, limit, stops, levels.fail)
    passed = failed_at is None and log_e_value(mirrored, 1.0 - limit) >= to_pass
    lower = lower_bound(seen, to_fail)
    if failed_at is not None:
        # a confidence sequence may be intersected over time, so what was once excluded stays so
        lower = max(lower, limit, lower_bound(tally(x[: failed_at + 1]), to_fail))
    open_ = failed_at is None and not passed
    more = _more((seen, limit, to_fail), (mirrored, 1.0 - limit, to_pass)) if open_ else None
    return Finding(failed_at, passed, lower, upper_bound(mirrored, to_pass), more)


def _more(*tests: tuple[Tally, float, float]) -> int | None:
    """Observations until the nearer of several tests rejects, if things go on as they went."""
    times = []
    for seen, limit, threshold in tests:
        rate = growth(seen, limit) if seen.total >= _LEAST_TO_EXTRAPOLATE else 0.0
        if rate > 0.0:
            times.append(max(1.0, (threshold - log_e_value(seen, limit)) / rate))
    return math.ceil(min(times)) if times else None
