"""What only retention and erasure may do: remove data. Records, in logs or under keys of their own, always stay."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.store.base import check_key

#: Retention removes blobs, manifests and pins that nothing refers to; erasure blobs, and traffic of a person.
REMOVABLE = ("blobs/", "datasets/", "pins/", "answers/", "captures/", "ground_truth/", "predictions/")


@runtime_checkable
class Removal(Protocol):
    """A store that retention can prune, and a person be erased from. No entry of a log is ever removed."""

    def remove(self, key: str) -> None:
        """Remove a blob, a manifest, a pin or a file of traffic; one that is gone already is fine.

        On a versioned bucket the bytes stay as noncurrent versions until a lifecycle rule ends them.

        :raises StoreError: for a key that may not be removed, or if the server refuses.
        """
        ...


def check_removable(key: str) -> str:
    """Return ``key`` if it may be removed. :raises StoreError: otherwise."""
    if not check_key(key).startswith(REMOVABLE):
        raise StoreError(
            "only blobs, manifests and traffic are ever removed from a store",
            given=key,
            expected=f"a key below {', '.join(REMOVABLE)}",
        )
    return key
