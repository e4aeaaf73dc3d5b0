"""Missing values: the drift that statistics of values never see, because they drop what is missing.

A column's missing rate has drifted when both hold: it moved by at least :data:`LEAST_CHANGE` (ten percentage
points), and a two-sided two-proportion z-test with pooled variance calls that chance with p < :data:`LEVEL`.
The first keeps a large window from flagging what does not matter, the second keeps a small one from flagging
noise.
"""

from __future__ import annotations

import math

from airflow_mlops.core.monitoring.report import MissingRate

LEAST_CHANGE = 0.1
LEVEL = 0.001


def compare_missing(column: str, reference: tuple[int, int], current: tuple[int, int]) -> MissingRate:
    """Hold a column's missing values against those of the training data.

    :param reference: missing values and rows of the training data; ``current`` the same of the window. A
        column that vanished is missing in every row.
    """
    before, now = (missing / rows if rows else 0.0 for missing, rows in (reference, current))
    strength = abs(now - before) / LEAST_CHANGE
    return MissingRate(
        column=column,
        reference=before,
        current=now,
        strength=strength,
        drifted=strength >= 1 and two_proportion_p(reference, current) < LEVEL,
    )


def two_proportion_p(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Two-sided p-value that two shares are the same: the z-test with pooled variance and without continuity
    correction, whose square is Pearson's chi-square statistic of the two-by-two table.

    :param first, second: hits and trials. Without trials on one side, or without any variation, it is 1.
    """
    (hits_a, a), (hits_b, b) = first, second
    if not a or not b:
        return 1.0
    pooled = (hits_a + hits_b) / (a + b)
    variance = pooled * (1 - pooled) * (1 / a + 1 / b)
    if variance == 0:
        return 1.0
    z = (hits_a / a - hits_b / b) / math.sqrt(variance)
    return math.erfc(abs(z) / math.sqrt(2))
