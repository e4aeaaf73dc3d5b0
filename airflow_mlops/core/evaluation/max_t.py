"""How large the largest of many differences gets by chance: the permutation test of Westfall and Young.

Westfall and Young, "Resampling-Based Multiple Testing", 1993, section 2.6 (single-step max-T): the losses are shuffled
over the rows many times, and each time the largest studentised difference of all slices is kept. A slice whose
difference is above the 1 - alpha quantile of those would come up in at most a share alpha of the searches where no
slice is worse. What the slices share (rows, columns) is in the shuffles, and so is the shape of the losses'
distribution: with a test of Student's alone, losses of which most are high (a model that is sure and mostly wrong)
give a false slice in every search. Differences are divided by their own standard error (Welch), so that slices may
differ in their spread (Janssen, "Studentized permutation tests for non-i.i.d. hypotheses", 1997).

Rows that happen together share causes: a storm makes all flights of an evening late. So the difference is divided by
the larger of two errors, that of independent rows and that of independent blocks of time.

Losses with a long tail make the largest difference of the shuffles smaller (a high mean comes with a high spread),
though slices of rows without such losses do not have that tail. So normally distributed numbers are shuffled, too,
and a slice has to stand out from both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.evaluation.candidates import Family, Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: One less than a round number, so that levels are exact: for alpha = 0.05 the 190th of 199.
SHUFFLES = 199
_BLOCK = 25


def differences(family: Family, losses: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean inside less mean outside of each slice, and its standard error: slices x columns of ``losses``."""
    import numpy as np

    inside = family.rows[:, None].astype(losses.dtype)
    outside = len(losses) - inside
    sums, squares = family.sums(losses), family.sums(losses**2)
    rest, rest_squares = losses.sum(axis=0) - sums, (losses**2).sum(axis=0) - squares
    mean, other = sums / inside, rest / outside
    within = np.maximum(squares / inside - mean**2, 0.0) / (inside - 1)
    without = np.maximum(rest_squares / outside - other**2, 0.0) / (outside - 1)
    # One row's worth of rounding: a slice in which all losses are equal has a spread of 0.
    return mean - other, np.sqrt(within + without + np.finfo(losses.dtype).tiny)


@dataclass(frozen=True)
class Comparison:
    """All slices against their complements.

    :param parts: of each slice.
    :param difference: mean loss inside less outside.
    :param error: its standard error, if rows are independent and (a second row) if blocks of time are.
    :param degrees: of freedom of ``error``.
    :param by_chance: the largest statistic (:func:`normal_deviate`) of all slices in each shuffle, rising: of the
        losses, and of normally distributed ones.
    """

    parts: list[tuple[Part, ...]]
    difference: NDArray[np.float64]
    error: NDArray[np.float64]
    degrees: NDArray[np.float64]
    by_chance: NDArray[np.float64]

    @property
    def statistic(self) -> NDArray[np.float64]:
        """How far each slice is worse, as a normal deviate; by the error that says less."""
        import numpy as np

        return np.asarray(normal_deviate(self.difference / self.error, self.degrees).min(axis=0))

    def critical(self, alpha: float) -> float:
        """What the statistic of some slice exceeds by chance in at most a share ``alpha`` of the searches."""
        return float(self.by_chance[:, math.ceil((1 - alpha) * (SHUFFLES + 1)) - 1].max())

    def lower(self, alpha: float) -> NDArray[np.float64]:
        """Lower bounds of the differences, for all slices at once with confidence ``1 - alpha``."""
        import numpy as np

        wide = _students_t(self.critical(alpha), self.degrees) * self.error
        return np.asarray(self.difference - wide.max(axis=0))

    def p_value(self, statistic: float) -> float:
        """The share of searches in which chance alone gives at least this, somewhere; at least 1 / 200.

        Phipson and Smyth, "Permutation P-values should never be zero", 2010.
        """
        reached = max(SHUFFLES - int(one.searchsorted(statistic)) for one in self.by_chance)
        return (reached + 1) / (SHUFFLES + 1)


def compare(
    made: Iterable[Family], losses: NDArray[np.float64], seed: int, blocks: NDArray[np.int64] | None = None
) -> Comparison:
    """Compare all slices, on the losses as they are and shuffled over the rows.

    :param blocks: of time, from 0, that each row is of: then rows of one block may share a cause.
    """
    import numpy as np

    shuffled = (_standardised(losses), _normal_scores(losses))
    largest = np.full((2, SHUFFLES), -np.inf)
    kinds = 1 if blocks is None else 2
    parts: list[tuple[Part, ...]] = []
    found, errors, degrees = [np.empty(0)], [np.empty((kinds, 0))], [np.empty((kinds, 0))]
    for family in made:
        parts += family.parts
        difference, error = differences(family, losses[:, None])
        known = [(error[:, 0], family.rows - 1)]
        if blocks is not None:
            known.append(block_errors(family, losses, blocks))
        found.append(difference[:, 0])
        errors.append(np.stack([one for one, _ in known]))
        degrees.append(np.stack([one for _, one in known]))
        largest = np.maximum(largest, _largest(family, shuffled, seed))
    return Comparison(
        parts,
        np.concatenate(found),
        np.concatenate(errors, axis=1),
        np.concatenate(degrees, axis=1),
        np.sort(largest, axis=1),
    )


def _largest(family: Family, shuffled: tuple[NDArray[np.float32], ...], seed: int) -> NDArray[np.float64]:
    """The largest statistic of the family in each shuffle: what is shuffled x shuffles."""
    import numpy as np

    found: list[list[NDArray[np.float64]]] = [[] for _ in shuffled]
    for start in range(0, SHUFFLES, _BLOCK):
        orders = _orders(len(shuffled[0]), start, seed)
        for values, largest in zip(shuffled, found, strict=True):
            difference, error = differences(family, np.ascontiguousarray(values[orders].T))
            largest.append(normal_deviate(difference / error, family.rows[:, None] - 1).max(axis=0))
    return np.stack([np.concatenate(one) for one in found])


def block_errors(
    family: Family, losses: NDArray[np.float64], blocks: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard errors of the differences if blocks are independent, whatever holds within them; and their degrees.

    Liang and Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73, 1986. A slice has as
    many degrees of freedom as it has blocks of equal size (Kish), less one: what was so on one day proves little.
    """
    import numpy as np

    inside = family.rows[:, None]
    outside = len(losses) - inside
    sums = family.sums(losses[:, None])
    mean, other = sums / inside, (losses.sum() - sums) / outside
    variance, weights = np.zeros(len(inside)), np.zeros(len(inside))
    count = int(blocks.max()) + 1
    for start in range(0, count, _BLOCK):
        member = (blocks[:, None] == np.arange(start, min(start + _BLOCK, count))).astype(np.float64)
        rows, loss = family.sums(member), family.sums(member * losses[:, None])
        rest, rest_loss = member.sum(axis=0) - rows, losses @ member - loss
        moved = (loss - rows * mean) / inside - (rest_loss - rest * other) / outside
        variance += (moved**2).sum(axis=1)
        weights += (rows**2).sum(axis=1)
    effective = np.maximum(inside[:, 0] ** 2 / weights, 1.5)
    return np.sqrt(variance * effective / (effective - 1)), effective - 1


def normal_deviate(t: NDArray[Any], degrees: NDArray[Any]) -> NDArray[Any]:
    """Student's t as a normal deviate of the same tail probability, within about 1 % from 10 degrees on.

    So that small slices, whose t has a longer tail, do not set the measure for large ones. Wallace, "Bounds on normal
    approximations to Student's and the chi-square distributions", Annals of Mathematical Statistics 30, 1959; with
    fewer degrees it is too small, which reports less.
    """
    import numpy as np

    degrees = degrees.astype(t.dtype)
    size = (8 * degrees + 1) / (8 * degrees + 3) * np.sqrt(degrees * np.log1p(t * t / degrees))
    return np.asarray(np.copysign(size, t))


def _students_t(deviate: float, degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """The other way round, for a deviate above 0; beyond all bounds with too few degrees."""
    import numpy as np

    size = (deviate * (8 * degrees + 3) / (8 * degrees + 1)) ** 2
    with np.errstate(over="ignore"):
        return np.asarray(np.sqrt(degrees * np.expm1(size / degrees)))


def _orders(rows: int, start: int, seed: int) -> NDArray[np.int32]:
    """A block of shuffles x rows: the same ones for every family."""
    import numpy as np

    random = np.random.default_rng([seed, start])
    count = min(_BLOCK, SHUFFLES - start)
    return np.stack([random.permutation(np.arange(rows, dtype=np.int32)) for _ in range(count)])


def _standardised(losses: NDArray[np.float64]) -> NDArray[np.float32]:
    """The losses less their mean, in their standard deviation: float32 holds them whatever their unit."""
    import numpy as np

    return np.asarray((losses - losses.mean()) / (float(losses.std()) or 1.0), dtype=np.float32)


def _normal_scores(losses: NDArray[np.float64]) -> NDArray[np.float32]:
    """As many numbers as losses, normally distributed: quantiles of the normal distribution (Blom 1958)."""
    import numpy as np
    from scipy.special import ndtri

    rows = len(losses)
    return np.asarray(ndtri((np.arange(1, rows + 1) - 0.375) / (rows + 0.25)), dtype=np.float32)
