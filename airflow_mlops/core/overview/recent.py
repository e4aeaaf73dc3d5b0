"""How long what was read of a store counts as fresh: a store that is far away is not asked by every viewer anew."""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import Final

from airflow_mlops.core.store import Store

#: Seconds: within these, ten viewers of a page cost a store that is far away as much as one.
FRESH_FOR: Final = 3.0
#: Seconds after which all entries of a log that is far away are listed again, to see whether one before the newest
#: is gone.
SURE_FOR: Final = 60.0


class Recent:
    """Whether something was looked at a moment ago. :param seconds: the moment."""

    def __init__(self, seconds: float = FRESH_FOR) -> None:
        self._seconds, self._at = seconds, -inf

    def begin(self) -> None:
        """It was looked at now."""
        self._at = monotonic()

    def holds(self, store: Store) -> bool:
        """Whether it need not be looked at again; never for a store that is near."""
        return far_away(store) and monotonic() - self._at < self._seconds


def far_away(store: Store) -> bool:
    """Whether each question to the store takes a way through a network."""
    return store.uri.startswith("s3:")
