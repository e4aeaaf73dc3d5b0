"""Let go of data that no kept model refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.operators.base import MlopsOperator, Work

if TYPE_CHECKING:
    from airflow.sdk import Context


class PruneOperator(MlopsOperator):
    """Remove the dataset versions that the spec's retention lets go, and blobs that nothing names any more.

    What a kept model refers to is never removed. Returns ``{"datasets", "removed", "removed_bytes", "condemned"}``.
    """

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Prune; every run is an entry of the store's log ``retention``."""
        from airflow_mlops.core.retention.run import prune
        from airflow_mlops.spec import Retention

        done = prune(work.store, work.spec.name, work.spec.retention or Retention(), progress=self.progress)
        self.progress(done.reason)
        return {
            "datasets": list(done.datasets),
            "removed": done.removed,
            "removed_bytes": done.removed_bytes,
            "condemned": len(done.condemned),
        }
