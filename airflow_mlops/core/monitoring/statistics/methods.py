"""The methods by which Evidently measures drift, and its rules for which one a column gets by default.

Evidently 0.7.23, ``evidently.legacy.calculations.stattests``: missing and infinite values are left out first. Then
with at most 1,000 values in the reference a test decides, above it a distance:

=================== ========================= ==========================
values in reference numbers                   categories
=================== ========================= ==========================
<= 1,000            1 or 2 distinct: z-test   1 or 2 distinct: z-test
                    3 to 5: chi-square        more: chi-square
                    more: Kolmogorov-Smirnov
> 1,000             up to 5: Jensen-Shannon   Jensen-Shannon
                    more: Wasserstein
=================== ========================= ==========================

Values are distinct over both sides together. Of Evidently's other methods those are here that are a function of the
values alone. Not here: ``TVD`` and ``empirical_mmd`` (permutations in the order of the rows, the latter unseeded);
``t_test`` and ``es`` (their rounding depends on the order of the rows, of ``es`` so much that the verdict does);
``cramer_von_mises`` (an old copy of SciPy's, right to 1e-8 only); ``perc_text_content_drift`` and
``abs_text_content_drift`` (of free text, which is not watched).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from airflow_mlops.core.monitoring.sample import Categories, Sample
from airflow_mlops.core.monitoring.statistics import distances, p_values
from airflow_mlops.core.monitoring.statistics.counting import distinct_of_both, values_of

_MOST_TESTED = 1000
_FEW = 5


@dataclass(frozen=True)
class Statistic:
    """What a method says of one column.

    :param method: the name that Evidently's results have for it, e.g. ``Wasserstein distance (normed)``.
    :param threshold: from where on the method calls it drift: a ceiling of distances, a floor of p-values.
    :param value: a distance, or a p-value where ``method`` ends in ``p_value``.
    """

    method: str
    threshold: float
    value: float
    drifted: bool


@dataclass(frozen=True)
class Method:
    """One of Evidently's methods.

    :param name: the name that its results have for it.
    :param measure: of reference and current side, both with values and of one kind; NaN or ValueError where it says
        nothing.
    :param drifts: whether a value (first) is drift at a threshold (second).
    :param numbers, categories: what it can be asked for.
    """

    name: str
    threshold: float
    measure: Callable[[Sample, Sample], float]
    drifts: Callable[[float, float], bool]
    numbers: bool = True
    categories: bool = False

    def of(self, reference: Sample, current: Sample) -> Statistic | None:
        """The statistic; None where a side has no values, the method has none for these, or it is for another kind.

        :raises PlatformError: if it needs SciPy and that is not installed.
        """
        if not values_of(reference) or not values_of(current) or not self._takes(reference, current):
            return None
        try:
            with np.errstate(all="ignore"):  # numbers near the largest there is give no value
                value = self.measure(reference, current)
        except ValueError:
            return None
        if not math.isfinite(value):
            return None
        return Statistic(self.name, self.threshold, value, self.drifts(value, self.threshold))

    def _takes(self, reference: Sample, current: Sample) -> bool:
        kinds = {isinstance(side, Categories) for side in (reference, current)}
        return (
            kinds <= ({True} if self.categories else set()) | ({False} if self.numbers else set())
            and len(kinds) == 1
        )


_AT_MOST, _BELOW, _AT_LEAST, _ABOVE = operator.le, operator.lt, operator.ge, operator.gt

#: By the name that Evidently is asked for a method with; those that can be a default first.
METHODS = MappingProxyType(
    {
        "ks": Method("K-S p_value", 0.05, p_values.kolmogorov_smirnov, _AT_MOST),
        "chisquare": Method("chi-square p_value", 0.05, p_values.chi_square, _BELOW, categories=True),
        "z": Method("Z-test p_value", 0.05, p_values.z_test, _BELOW, categories=True),
        "wasserstein": Method("Wasserstein distance (normed)", 0.1, distances.wasserstein, _AT_LEAST),
        "jensenshannon": Method(
            "Jensen-Shannon distance", 0.1, distances.jensen_shannon, _AT_LEAST, categories=True
        ),
        "psi": Method("PSI", 0.1, distances.stability_index, _AT_LEAST, categories=True),
        "kl_div": Method(
            "Kullback-Leibler divergence", 0.1, distances.kullback_leibler, _AT_LEAST, categories=True
        ),
        "hellinger": Method("Hellinger distance", 0.1, distances.hellinger, _AT_LEAST, categories=True),
        "ed": Method("Energy-distance", 0.1, distances.energy, _ABOVE),
        "mannw": Method("Mann-Whitney U-rank test", 0.05, p_values.mann_whitney, _BELOW),
        "anderson": Method("Anderson-Darling", 0.1, p_values.anderson_darling, _BELOW),
        "g_test": Method("g_test", 0.1, p_values.g_test, _BELOW, numbers=False, categories=True),
        "fisher_exact": Method(
            "Fisher's Exact test", 0.1, p_values.fisher_exact, _BELOW, numbers=False, categories=True
        ),
    }
)


def distance(reference: Sample, current: Sample) -> Statistic | None:
    """What Evidently's ``DataDriftPreset`` says of a column by its defaults, to 1e-9.

    The direction counts: the reference is taken for the truth.

    :return: None where Evidently has no answer: no values on a side, or none that is a finite number.
    :raises PlatformError: up to 1,000 rows in the reference tests need SciPy.
    """
    return METHODS[default_method(reference, current)].of(reference, current)


def default_method(reference: Sample, current: Sample) -> str:
    """The key in :data:`METHODS` of the method that Evidently takes for a column if not told otherwise."""
    values = distinct_of_both(reference, current, _FEW)
    category = isinstance(reference, Categories)
    if values_of(reference) <= _MOST_TESTED:
        if category or values <= _FEW:
            return "chisquare" if values > 2 else "z"
        return "ks"
    return "jensenshannon" if category or values <= _FEW else "wasserstein"
