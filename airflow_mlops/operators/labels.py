"""Audit of the labels, and what comes back from its review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import DataError
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.data import DatasetOperator, dataset_result, load_dataset

if TYPE_CHECKING:
    from airflow.sdk import Context


class AuditLabelsOperator(DatasetOperator):
    """Look for label errors in the training part, and write a file for people to review.

    Returns ``{"ref", "rows", "suspects", "expected_precision", "error_rate", "certain", "disagreeing", "review"}``;
    ``review`` is the hash of the file as CSV, and ``airflow-mlops labels export`` writes it out. It is also pushed as
    XCom ``labels``, so that it is there when the task fails: above ``labels.max_error_rate`` it does.

    :param dataset: what :class:`~airflow_mlops.operators.data.SnapshotOperator` returned. (templated)
    """

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Audit, keep the result, and stop when too many labels are wrong."""
        from airflow_mlops.core.labels.audit import audit, exceeds, explain
        from airflow_mlops.core.lineage.checking import audit_labels_lineage
        from airflow_mlops.core.store.results import keep

        version = load_dataset(work, self.dataset, self.progress)
        result = audit(work.store, work.spec, version, progress=self.progress)
        self.declare(lambda: audit_labels_lineage(version, result, work.store.uri))
        small = {
            "ref": keep(work.store, result),
            "rows": result.rows,
            "suspects": result.suspects,
            "expected_precision": result.expected_precision,
            "error_rate": result.error_rate,
            "certain": result.certain,
            "disagreeing": result.duplicates.rows,
            "review": result.csv,
        }
        context["ti"].xcom_push(key="labels", value=small)
        export = f"airflow-mlops labels export {work.spec.name} {small['ref']} --store {work.store.uri} --out FILE.csv"
        limit = work.spec.labels.max_error_rate if work.spec.labels else None
        if exceeds(result, limit):
            raise DataError(
                "too many labels are estimated to be wrong",
                given=f"{result.error_rate:.1%} of {result.rows:,}",
                expected=f"at most labels.max_error_rate, {limit:.1%}",
                remedy=f"review them: {export}",
            )
        self.progress(f"{explain(result)}: {export}")
        return small


class ApplyReviewOperator(MlopsOperator):
    """Apply the reviewed files in ``labels.review``: a dataset version with the corrected labels.

    Returns what :class:`~airflow_mlops.operators.data.SnapshotOperator` returns; with nothing to apply, of the version
    that it was given.

    :param dataset: what the snapshot returned. (templated)
    :param paths: reviewed files below the data root, instead of all in ``labels.review``. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "dataset", "paths")

    def __init__(self, *, dataset: Any, paths: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.paths = paths

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Apply what reviewers decided."""
        from airflow_mlops.core.labels.review import apply_review
        from airflow_mlops.core.lineage.stages import derive_lineage

        version = load_dataset(work, self.dataset, self.progress)
        paths = [self.paths] if isinstance(self.paths, str) and self.paths else self.paths or None
        made = apply_review(
            work.store,
            work.platform.data(),
            work.spec,
            version,
            by=work.who,
            paths=paths,
            progress=self.progress,
        )
        self.declare(lambda: derive_lineage(version, made, work.store.uri))
        self.progress(f"dataset {made.name}@{made.id}: {made.rows:,} rows with the reviewed labels")
        return dataset_result(made)
