"""In canary, answers of both variants count together, or the comparison would be of one side's newest requests.

The captures of a variant come in files of its own. As long as one side's file is still on its way, the requests that
are there are no fair sample of their moment: only the challenger's, say. So answers wait until the other side has come
as far, but not for longer than captures take to arrive.
"""

from __future__ import annotations

import numpy as np

from airflow_mlops.core.rollout.table import Table, stacked
from airflow_mlops.core.serving.hours import MAX_SPAN


class Arrivals:
    """How far the captures of both variants have come, and what waits for the other side."""

    def __init__(self) -> None:
        self._newest = [-np.inf, -np.inf]
        self._waiting: dict[str, Table] = {}

    def horizon(self, answers: Table, now: float) -> float:
        """Seconds since the epoch up to which both sides have arrived, by what has come and by the time.

        :param answers: what has come now, with ``at`` and ``mine``.
        """
        for arm in (0, 1):
            times = answers["at"][answers["mine"] == bool(arm)]
            self._newest[arm] = max(self._newest[arm], float(times.max(initial=-np.inf)))
        return max(min(self._newest), now - MAX_SPAN.total_seconds())

    def due(self, name: str, table: Table, horizon: float) -> Table:
        """The rows up to the horizon, of ``table`` and of what waited under the same name, in the order of time."""
        before = self._waiting.get(name)
        whole = table if before is None else stacked([before, table])
        whole = whole.take(np.argsort(whole["at"], kind="stable").astype(np.int64))
        there = whole["at"] <= horizon
        self._waiting[name] = whole.take(~there)
        return whole.take(there)
