"""What only retention may do: remove blobs, manifests and pins that nothing refers to."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.store.base import check_key

REMOVABLE = ("blobs/", "datasets/", "pins/")


@runtime_checkable
class Removal(Protocol):
    """A store that retention can prune. Logs, captures and ground truth are never removed."""

    def remove(self, key: str) -> None:
        """Remove a blob, a manifest or a pin; one that is gone already is fine.

        On a versioned bucket the bytes stay as noncurrent versions until a lifecycle rule ends them.

        :raises StoreError: for a key that may not be removed, or if the server refuses.
        """
        ...


def check_removable(key: str) -> str:
    """Return ``key`` if retention may remove it. :raises StoreError: otherwise."""
    if not check_key(key).startswith(REMOVABLE):
        raise StoreError(
            "only blobs and manifests are ever removed from a store",
            given=key,
            expected=f"a key below {' or '.join(REMOVABLE)}",
        )
    return key
