"""Let go of data that no kept model refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.platform import SAGEMAKER

if TYPE_CHECKING:
    from airflow.sdk import Context


class PruneOperator(MlopsOperator):
    """Remove the dataset versions that the spec's retention lets go, and blobs that nothing names any more.

    What a kept model refers to is never removed. Where endpoints are on SageMaker, configurations and models there that
    no kept version needs are deleted, too. Returns ``{"datasets", "removed", "removed_bytes", "condemned"}``.
    """

    #: Which versions answer says what has to be kept.
    reads = ("",)

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Prune; every run is an entry of the store's log ``retention``."""
        from airflow_mlops.core.lineage.checking import prune_lineage
        from airflow_mlops.core.retention.run import prune
        from airflow_mlops.spec import Retention

        done = prune(work.store, work.spec.name, work.spec.retention or Retention(), progress=self.progress)
        self.declare(lambda: prune_lineage(done.datasets, work.store.uri))
        self.progress(done.reason)
        self._clean_sagemaker(work)
        return {
            "datasets": list(done.datasets),
            "removed": done.removed,
            "removed_bytes": done.removed_bytes,
            "condemned": len(done.condemned),
        }

    def _clean_sagemaker(self, work: Work) -> None:
        if work.platform.endpoint_url != SAGEMAKER:
            return
        from airflow_mlops.core.retention.sagemaker import clean

        aws, settings = work.platform.require_aws("serving")
        model = work.spec.name
        for name in clean(aws, settings.of_model(model), model, work.store):
            self.progress(f"deleted on SageMaker: {name}")
