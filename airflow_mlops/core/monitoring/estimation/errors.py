"""How good earlier estimates were, once labels had come, and which metrics are not to be estimated any more.

An estimate says in which interval the measured metric will lie, with 95 %. If it was wrong more often than chance
explains, something has changed that scores do not show: concept drift, or a shift to rows of which the calibration
does not hold. Then estimates of that metric are still shown, but no gate is decided by them. Making the intervals
wider by the past errors was the other choice; but errors of concept drift grow, and a handful of past ones says
nothing of how far.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from math import comb

from airflow_mlops.core.monitoring.performance.report import EstimationError, Value

_OUTSIDE = 0.05
#: So unlikely must the number of wrong estimates be by chance: two of two or three, three of seven.
_LEVEL = 0.01


def errors_of(
    since: datetime, until: datetime, estimated: Mapping[str, Value], measured: Mapping[str, Value]
) -> tuple[EstimationError, ...]:
    """The errors of one period: what was estimated for its labelled rows, and what was measured on them."""
    return tuple(
        EstimationError(
            since=since,
            until=until,
            metric=name,
            estimated=one.value,
            measured=measured[name].value,
            within=one.low <= measured[name].value <= one.high,
        )
        for name, one in estimated.items()
        if name in measured and one.low is not None and one.high is not None
    )


def distrusted(errors: Iterable[EstimationError]) -> dict[str, str]:
    """Metrics whose estimates were wrong too often, each with the reason in words (an exact binomial test)."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for one in errors:
        outcomes[one.metric].append(one.within)
    return {
        metric: f"{within.count(False)} of {len(within)} estimates of {metric} were outside of their interval"
        for metric, within in outcomes.items()
        if within.count(False) and _chance(within.count(False), len(within)) < _LEVEL
    }


def _chance(wrong: int, of: int) -> float:
    """The probability of at least so many wrong ones by chance."""
    return sum(comb(of, k) * _OUTSIDE**k * (1 - _OUTSIDE) ** (of - k) for k in range(wrong, of + 1))
