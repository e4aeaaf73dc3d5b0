"""How something on AWS is waited for: how long between two looks, and how many of them may fail."""

from __future__ import annotations

import random
from collections.abc import Callable

from airflow_mlops.core.errors import EndpointError, MlopsError, ServiceUnavailable

#: Seconds between two looks: at first, at most, and by how much they grow.
FIRST, LONGEST, GROWTH = 10.0, 60.0, 1.3
#: So many looks in a row may fail on what passes; on anything else only a few: what was just made may not show yet.
MOST_FAULTS, MOST_REFUSALS = 20, 4


class Patience:
    """The waiting for one thing.

    :param what: that is waited for, e.g. ``training job x``.
    :param said: takes a line for each look that failed.
    """

    def __init__(self, what: str, said: Callable[[str], None]) -> None:
        self._what = what
        self._said = said
        self._pause = FIRST
        self._faults = self._refusals = 0

    def pause(self) -> float:
        """Seconds until the next look; spread by a fifth, so that what began together is not asked together."""
        pause, self._pause = self._pause, min(self._pause * GROWTH, LONGEST)
        return pause * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing

    def succeeded(self) -> None:
        """A look went well."""
        self._faults = self._refusals = 0

    def failed(self, error: MlopsError) -> None:
        """A look failed.

        :raises ServiceUnavailable: after too many in a row.
        :raises MlopsError: ``error`` itself, where waiting does not help.
        """
        self._faults += 1
        self._refusals = 0 if isinstance(error, EndpointError) else self._refusals + 1
        if self._refusals >= MOST_REFUSALS:
            raise error
        self._said(f"look {self._faults} of {MOST_FAULTS} failed: {error}")
        if self._faults >= MOST_FAULTS:
            raise ServiceUnavailable(
                f"can't follow {self._what} any more",
                given=str(error),
                remedy="a retry goes on where this one was",
            ) from error
