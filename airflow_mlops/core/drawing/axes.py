"""Where an axis begins and ends, and its ticks: round numbers, and times in their unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

Interval = tuple[float, float]

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_STEPS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(_MINUTE * each for each in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * each for each in (1, 2, 3, 6, 12)),
    *(_DAY * each for each in (1, 2, 7, 14, 28, 91, 182, 364)),
)
_UNITS = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (0.0, "s"))
#: The part of the range that the newest interval and the limit take up, if there was more to see before.
_PART = 0.5
#: Free space at both ends, as a part of the range.
_AIR = 0.06


def time_ticks(longest: float, most: int = 7) -> list[tuple[float, str]]:
    """Times from 0 to ``longest`` in seconds, at most ``most``, each with its text."""
    step = next((each for each in _STEPS if longest / each <= most - 1), _STEPS[-1])
    while longest / step > most - 1:
        step *= 2.0
    size, unit = next((size, unit) for size, unit in _UNITS if step >= size)
    count = math.floor(longest / step * (1 + 1e-9)) + 1
    later = [(step * each, f"{step * each / (size or 1.0):.6g} {unit}") for each in range(1, count)]
    return [(0.0, "0"), *later]


def value_ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Multiples of 1, 2 or 5 times a power of ten within a range, at most ``most``, each with its text."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(
        power * each
        for each in (1.0, 2.0, 5.0, 10.0, 20.0)
        if len(_multiples(low, high, power * each)) <= most
    )
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(step * each, number_text(step * each, digits)) for each in _multiples(low, high, step)]


def _multiples(low: float, high: float, step: float) -> range:
    """By which numbers the multiples of ``step`` within a range are multiplied."""
    return range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)


def number_text(value: float, digits: int) -> str:
    """A number with so many decimals, with a real minus sign and without "-0"."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text.lstrip("-")


def value_range(intervals: Sequence[Interval], limit: float) -> Interval:
    """The ends of the vertical axis, so that the newest interval and the limit can be read.

    Intervals are wide at first: what lies far beyond the newest one is cut off.
    """
    if not intervals:
        reach = abs(limit) or 1.0
        return limit - reach, limit + reach
    low, high = min(*intervals[-1], limit), max(*intervals[-1], limit)
    beyond = ((high - low) or abs(limit) or 1.0) * (1 / _PART - 1) / 2
    least = min(limit, *(low for low, _ in intervals))
    most = max(limit, *(high for _, high in intervals))
    low, high = max(least, low - beyond), min(most, high + beyond)
    if high <= low:
        return low - beyond, high + beyond
    air = (high - low) * _AIR
    return low - air, high + air
