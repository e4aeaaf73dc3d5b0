"""What there is of one kind of resource, now and as a Describe or List shows it: a little late, if tests want so."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from airflow_mlops.testing.sagemaker.simulator import Simulator

#: A resource as its Describe answers it, with whatever else its operations keep under names of their own.
Record = dict[str, Any]


class Records:
    """Resources of one kind, by name.

    What changes a resource sees the truth (:meth:`get`); what shows it sees how it was ``Timing.lag`` ago
    (:meth:`seen`), since SageMaker is eventually consistent.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._now: dict[str, Record] = {}
        self._before: dict[str, list[tuple[datetime, Record | None]]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._now

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._now.values()))

    def get(self, name: str) -> Record | None:
        """The resource as it is; changes to it show after :meth:`put`."""
        return self._now.get(name)

    def put(self, name: str, record: Record) -> None:
        """Make or change a resource."""
        self._now[name] = record
        self._remember(name, copy.deepcopy(record))

    def remove(self, name: str) -> None:
        """Take a resource away."""
        del self._now[name]
        self._remember(name, None)

    def seen(self, name: str) -> Record | None:
        """The resource as a Describe shows it; None if that does not see it (yet)."""
        at = self._simulator.clock.now() - self._simulator.timing.lag
        states = [state for when, state in self._before.get(name, ()) if when <= at]
        return copy.deepcopy(states[-1]) if states else None

    def all_seen(self) -> list[Record]:
        """All resources as a List shows them."""
        found = (self.seen(name) for name in self._before)
        return [record for record in found if record is not None]

    def _remember(self, name: str, state: Record | None) -> None:
        now = self._simulator.clock.now()
        states = self._before.setdefault(name, [])
        states.append((now, state))
        # keep what somebody may still be shown: the newest that is old enough, and everything after it
        old = [index for index, (when, _) in enumerate(states) if when <= now - self._simulator.timing.lag]
        del states[: old[-1] if old else 0]
