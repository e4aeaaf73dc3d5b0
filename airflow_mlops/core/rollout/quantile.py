"""The champion's own latency quantile as a moving service level.

A quantile is compared by shares: the challenger's is at most ``margin`` milliseconds above the champion's if it is
beyond (the champion's quantile + margin) no more often than the champion is beyond its quantile. The level is the
champion's quantile so far, known before the block of requests that it is applied to, so each request gives one
outcome, and whatever load both meet is met by both sides of the comparison (unlike two confidence sequences for two
quantiles; Howard & Ramdas, "Sequential estimation of quantiles", Bernoulli 28(3), 2022, which assume that latencies
are independent).
"""

from __future__ import annotations

import math

import numpy as np

from airflow_mlops.core.rollout.betting import Flags, Floats

#: Milliseconds, one percent apart.
_EDGES: Floats = np.geomspace(0.01, 1e6, 1852)
_BLOCK = 64
#: So many of the champion's latencies come before the first level.
WARM_UP = 100


class Quantiles:
    """Latencies of both variants, counted, and the champion's level before each request.

    :param quantile: in (0, 1).
    :param margin: milliseconds.
    """

    def __init__(self, quantile: float, margin: float) -> None:
        self.quantile, self.margin = quantile, margin
        self.counts = np.zeros((2, len(_EDGES) + 1))

    def merge(self, other: Quantiles) -> None:
        """Add what ``other`` has seen."""
        self.counts += other.counts

    def beyond(self, latency: Floats, challenger: Flags) -> Floats:
        """1 for a request beyond its level, 0 within it, NaN while there is no level yet.

        :param latency: milliseconds, in the order in which they came; infinite for a request without an answer,
            NaN where it is missing (it is left out).
        :param challenger: whose level is higher by the margin.
        """
        result = np.full(len(latency), np.nan)
        there = np.flatnonzero(~np.isnan(latency))
        for start in range(0, len(there), _BLOCK):
            block = there[start : start + _BLOCK]
            level = self.at(0)
            if self.counts[0].sum() >= WARM_UP and level is not None:
                result[block] = latency[block] > level + self.margin * challenger[block]
            place = np.searchsorted(_EDGES, latency[block], side="right")
            np.add.at(self.counts, (challenger[block].astype(np.int64), place), 1.0)
        return result

    def at(self, arm: int) -> float | None:
        """The quantile of a variant so far, in milliseconds; None without latencies, or beyond all of them.

        :param arm: 0 for the champion, 1 for the challenger.
        """
        counts = self.counts[arm]
        total = counts.sum()
        if not total:
            return None
        reached = np.cumsum(counts)
        place = int(np.searchsorted(reached, self.quantile * total))
        if place >= len(_EDGES):
            return None
        low = float(_EDGES[place - 1]) if place else 0.0
        part = (self.quantile * total - (reached[place] - counts[place])) / counts[place]
        return low + float(part) * (float(_EDGES[place]) - low) if math.isfinite(part) else low
