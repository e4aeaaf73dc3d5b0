"""How sure a number is that was measured on some rows: the bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_REPLICATES = 100
_MAX_ROWS = 100_000


def interval_of(
    measured: Callable[[NDArray[np.int64]], float | None], rows: int, *, seed: int
) -> tuple[float, float] | None:
    """The 95 % percentile interval of what is measured on rows that are drawn with replacement.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. 100 draws: it informs people, no gate is
    decided by it.

    :param measured: gets the drawn rows' places.
    :returns: None for more than 100,000 rows, where it would take long and say little, or if a draw has no
        metric.
    """
    import numpy as np

    if not 2 <= rows <= _MAX_ROWS:
        return None
    random = np.random.default_rng(seed)
    values = []
    for _ in range(_REPLICATES):
        value = measured(random.integers(0, rows, rows))
        if value is None:
            return None
        values.append(value)
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
