"""What only a probe may do: remove the scratch keys it made, and ask a store why it failed."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.store.base import check_key

SCRATCH = "probe/"


@runtime_checkable
class Scratch(Protocol):
    """A store that can clean up after a probe; beside it only retention removes something."""

    def discard_scratch(self, key: str) -> None:
        """Remove a key below ``probe/``. :raises StoreError: for any other key, or if it can't be removed."""
        ...

    def why_unsafe(self) -> str:
        """Why the store most likely breaks its promise, and what to do."""
        ...


def check_scratch(key: str) -> str:
    """Return ``key`` if it lies below ``probe/``. :raises StoreError: otherwise."""
    if not check_key(key).startswith(SCRATCH):
        raise StoreError(
            "only scratch keys are removed from a store", given=key, expected=f"a key below {SCRATCH}"
        )
    return key
