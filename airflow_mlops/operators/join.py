"""Join other data sets to the rows, as they were known at the time of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.operators.base import Work
from airflow_mlops.operators.data import DatasetOperator, dataset_result, load_dataset

if TYPE_CHECKING:
    from airflow.sdk import Context


class JoinOperator(DatasetOperator):
    """Add the columns of ``data.joins`` to the rows, ``ASOF``: no row sees its future.

    Returns what :class:`~airflow_mlops.operators.data.SnapshotOperator` returns, of the version that was made; without
    joins, of the version that was given.

    :param dataset: what the snapshot returned. (templated)
    """

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Join, and keep the result as a dataset version."""
        from airflow_mlops.core.data.join import join
        from airflow_mlops.core.lineage.stages import derive_lineage

        version = load_dataset(work, self.dataset, self.progress)
        joined = join(
            work.store, work.platform.data(), work.spec, version, by=work.who, progress=self.progress
        )
        added = {f"{work.spec.name}__{one.name}": one.columns for one in work.spec.data.joins}
        self.declare(lambda: derive_lineage(version, joined, work.store.uri, added))
        note = joined.derivation.note if joined.derivation else "nothing to join"
        self.progress(f"dataset {joined.name}@{joined.id}: {joined.rows:,} rows; {note}")
        return dataset_result(joined)
