"""How much less requests say when they are not independent: the design effect.

Requests of one key meet the same variant, and what makes one of them fail may make them all fail; in shadow,
requests of one moment may share what makes them hard. Then n requests say as much as n / d independent ones. d is
the design effect (Kish, "Survey Sampling", 1965, section 8.2): the variance of a mean by sums over clusters over the
variance as if all were independent.

The evidence is tempered by it: log capital / d. Where the sum S of n outcomes has the variance d V instead of V,
E exp((b S - b^2 V / 2) / d) = exp(-b^2 V / 2d + b^2 V / 2d) = 1, so the tempered capital is an e-process in the
normal limit for every bet b (as a power likelihood with learning rate 1/d is; Grunwald, "The safe Bayesian", 2012).
With one request per key d is 1 and nothing is lost.

Clusters are kept as sums per bucket of the key's hash. Keys in one bucket are independent, so the expected square
of a bucket's sum is the sum of theirs: the estimate stays right, with constant memory and however heavy a key is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from airflow_mlops.core.rollout.betting import Floats, Hashes, Indices

Singles = npt.NDArray[np.float32]

_BUCKETS = 4096
_BINS = 256
#: Fewer clusters than this give no estimate of a variance.
_LEAST_CLUSTERS = 16


class Clusters:
    """Number, sum and sum of squares of outcomes, whole and per cluster, for each of several arms.

    :param arms: 2 where variants answer different requests, 1 for paired differences.
    Numbers and sums per cluster are kept in single precision, which is exact up to 16 million requests of a cluster
    (for outcomes of 0 and 1 the sums, too): hundreds of waiting rollouts share a process, and this is most of theirs.

    :param size: clusters per arm.
    """

    def __init__(self, arms: int, size: int = _BUCKETS) -> None:
        self.numbers: Singles = np.zeros((arms, size), dtype=np.float32)
        self.sums: Singles = np.zeros((arms, size), dtype=np.float32)
        self.squares = np.zeros(arms)

    def add(self, y: Floats, cluster: Indices, arm: Indices | None = None) -> None:
        """Add outcomes, each with the cluster and the arm that it belongs to."""
        arms, size = self.numbers.shape
        place = cluster if arm is None else cluster + arm * size
        self.numbers += np.bincount(place, minlength=arms * size).reshape(arms, size)
        self.sums += np.bincount(place, weights=y, minlength=arms * size).reshape(arms, size)
        each = np.zeros(len(y), dtype=np.int64) if arm is None else arm
        self.squares += np.bincount(each, weights=y * y, minlength=arms)

    def merge(self, other: Clusters) -> None:
        """Add what ``other`` has seen."""
        self.numbers += other.numbers
        self.sums += other.sums
        self.squares += other.squares

    def variances(self) -> tuple[float, float]:
        """Variance of the (difference of the) mean by clusters, and as if all were independent.

        By the jackknife over clusters, so that one heavy key can't hide in the mean that it makes (CR3; Bell &
        McCaffrey, "Bias reduction in standard errors for linear regression with multi-stage samples", Survey
        Methodology 28, 2002).
        """
        numbers, sums = self.numbers.astype(np.float64), self.sums.astype(np.float64)
        total = np.maximum(numbers.sum(axis=1), 1.0)
        mean = sums.sum(axis=1) / total
        others = total[:, None] - numbers
        off = (sums - numbers * mean[:, None]) / np.where(others > 0.0, others, np.inf)
        used = np.maximum(self._used, 2)
        clustered = (off**2).sum(axis=1) * (used - 1) / used
        alone = np.maximum(self.squares - total * mean**2, 0.0) / np.maximum(total - 1.0, 1.0) / total
        return float(clustered.sum()), float(alone.sum())

    @property
    def design_effect(self) -> float:
        """Variance by clusters over the variance without; 1 where there is no variance to compare.

        With a single cluster in an arm nothing is known of how much they differ: then it is taken as one observation.
        """
        if (self._used == 1).any():
            return float(self.numbers[self._used == 1].max())
        clustered, alone = self.variances()
        return clustered / alone if alone > 0.0 else 1.0

    @property
    def _used(self) -> Indices:
        return np.asarray((self.numbers > 0).sum(axis=1), dtype=np.int64)

    @property
    def effective(self) -> float:
        """Kish's effective number of clusters of the arm that has fewer: (sum n)^2 / sum n^2."""
        numbers = self.numbers.astype(np.float64)
        squares = np.maximum((numbers**2).sum(axis=1), 1.0)
        return float((numbers.sum(axis=1) ** 2 / squares).min())


def bucket_of(key: Hashes) -> Indices:
    """The bucket of each key, by its low bits: the high ones decide who answers."""
    return np.asarray(key & np.uint64(_BUCKETS - 1), dtype=np.int64)


class Moments:
    """Outcomes per moment, for the dependence of neighbours in time.

    The bins grow with the time that they span: whenever it would take more than 256 of them, neighbours are merged.

    :param width: of the first bins, in seconds.
    """

    def __init__(self, width: float = 0.01) -> None:
        self.width = width
        self.clusters = Clusters(1, _BINS)

    def add(self, y: Floats, elapsed: Floats) -> None:
        """Add outcomes, each with the seconds since the stage started (0 if it was before)."""
        if not len(y):
            return
        elapsed = np.maximum(elapsed, 0.0)
        self._widen(float(elapsed.max()))
        self.clusters.add(y, np.floor(elapsed / self.width).astype(np.int64))

    def merge(self, other: Moments) -> None:
        """Add what ``other`` has seen since the same start."""
        wide = max(self.width, other.width)
        copy = Moments(other.width)
        copy.clusters.merge(other.clusters)
        copy._widen(wide * _BINS - wide / 2)
        self._widen(wide * _BINS - wide / 2)
        self.clusters.merge(copy.clusters)

    def _widen(self, longest: float) -> None:
        while longest >= self.width * _BINS:
            self.width *= 2.0
            for sums in (self.clusters.numbers, self.clusters.sums):
                half = sums.reshape(1, _BINS // 2, 2).sum(axis=2)
                sums[:] = 0.0
                sums[:, : _BINS // 2] = half

    @property
    def design_effect(self) -> float:
        """The largest design effect of blocks of growing length, as long as there are enough of them.

        Blocking (Flyvbjerg & Petersen, "Error estimates on averages of correlated data", J. Chem. Phys. 91,
        1989): the variance of a mean by blocks grows with their length until they are longer than the memory of the
        process.
        """
        numbers, sums = self.clusters.numbers[0], self.clusters.sums[0]
        largest = 1.0
        while (numbers > 0).sum() >= _LEAST_CLUSTERS:
            level = Clusters(1, len(numbers))
            level.numbers[0], level.sums[0], level.squares[0] = numbers, sums, self.clusters.squares[0]
            largest = max(largest, level.design_effect)
            numbers, sums = (one.reshape(-1, 2).sum(axis=1) for one in (numbers, sums))
        return largest
