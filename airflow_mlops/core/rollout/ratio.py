"""Sample-ratio mismatch: does the challenger get the share of the traffic that the hash is to give it?

If not, requests are lost, doubled or routed otherwise on one side, and no comparison of the two sides means what it
says. The test is a Bayes factor of a beta mixture around the expected share against that share alone: an e-process
(Lindon & Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022, section 3), tempered by the
design effect of the keys (:mod:`~airflow_mlops.core.rollout.clusters`), as one key has all its requests on one side.
"""

from __future__ import annotations

import math

from airflow_mlops.core.rollout.betting import Flags, Indices
from airflow_mlops.core.rollout.clusters import Clusters

#: A mismatch stops a rollout whatever its gates say, so it must be sure.
LEVEL = 0.001
#: Weight of the mixture, in requests: it suits deviations of about a tenth of the share and more.
_PRIOR = 100.0


class ShareCheck:
    """Counts the requests of both variants, per cluster of keys.

    :param share: of the challenger, in (0, 1).
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self._clusters = Clusters(1)

    def add(self, mine: Flags, cluster: Indices) -> None:
        """Add assigned requests. :param mine: whether the challenger got each."""
        self._clusters.add(mine.astype(float), cluster)

    def merge(self, other: ShareCheck) -> None:
        """Add what ``other`` has seen."""
        self._clusters.merge(other._clusters)

    @property
    def seen(self) -> float:
        """The challenger's share of the requests so far; the expected one before the first."""
        total = float(self._clusters.numbers.sum())
        return float(self._clusters.sums.sum()) / total if total else self.share

    @property
    def mismatch(self) -> bool:
        """Whether the share is surely another one."""
        mine = float(self._clusters.sums.sum())
        others = float(self._clusters.numbers.sum()) - mine
        capital = log_bayes_factor(mine, others, self.share)
        return capital / max(1.0, self._clusters.design_effect) >= -math.log(LEVEL)


def log_bayes_factor(ones: float, zeros: float, share: float) -> float:
    """Log of the probability of the counts under the beta mixture over that under ``share`` alone."""
    a, b = _PRIOR * share, _PRIOR * (1.0 - share)
    mixture = _log_beta(a + ones, b + zeros) - _log_beta(a, b)
    return mixture - ones * math.log(share) - zeros * math.log1p(-share)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
