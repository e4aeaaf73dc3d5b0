"""How a job is waited for: how long between two looks, and how many of them may fail."""

from __future__ import annotations

import random
from collections.abc import Callable

from airflow_mlops.core.errors import MlopsError, ServiceUnavailable

#: Seconds between two looks: at first, at most, and by how much they grow.
FIRST, LONGEST, GROWTH = 5.0, 60.0, 1.3
#: So many looks in a row may fail.
MOST_FAULTS = 20


class Patience:
    """The waiting of one job.

    :param said: takes a line for each look that failed.
    """

    def __init__(self, said: Callable[[str], None]) -> None:
        self._said = said
        self._pause = FIRST
        self._faults = 0

    def pause(self) -> float:
        """Seconds until the next look; spread by a fifth, so that jobs which began together are not asked together."""
        pause, self._pause = self._pause, min(self._pause * GROWTH, LONGEST)
        return pause * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing

    def succeeded(self) -> None:
        """A look went well."""
        self._faults = 0

    def failed(self, error: MlopsError) -> None:
        """A look failed. :raises ServiceUnavailable: after too many in a row; the job goes on."""
        self._faults += 1
        self._said(f"look {self._faults} of {MOST_FAULTS} failed: {error}")
        if self._faults >= MOST_FAULTS:
            raise ServiceUnavailable(
                "can't follow the training job any more",
                given=str(error),
                remedy="a retry finds the job again",
            ) from error
