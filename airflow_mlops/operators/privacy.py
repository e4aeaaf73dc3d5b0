"""Sensitive data: found, and blocked, dropped or hashed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.operators.base import Work
from airflow_mlops.operators.data import DatasetOperator, dataset_result, load_dataset

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.validation.privacy_finding import Findings, Protection

#: Findings that an XCom shows; all of them are in the store.
_SHOWN = 50


class ProtectOperator(DatasetOperator):
    """Look for sensitive data in a dataset version and do what ``privacy`` of the spec says: warn, block, drop or hash.

    Returns what :class:`~airflow_mlops.operators.data.SnapshotOperator` returns, of a new version without the columns'
    values, or of the one that was given where nothing had to change. Pushes the XCom ``findings``, a list of
    ``{"column", "kind", "share", "count", "examples", "action"}`` with masked examples, also when it stops the run.

    :param dataset: what the snapshot returned. (templated)
    """

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Find and protect; a blocked column stops the run."""
        from airflow_mlops.core.lineage.stages import derive_lineage
        from airflow_mlops.core.validation.privacy import protect

        def report(found: Findings, done: tuple[Protection, ...]) -> None:
            actions = {one.column: one.action for one in done}
            for one in found.findings[:_SHOWN]:
                self.progress(f"{actions.get(one.column, 'allow')}: {one.words}")
            context["ti"].xcom_push(key="findings", value=_small(found, actions))

        version = load_dataset(work, self.dataset, self.progress)
        protected = protect(
            work.store,
            work.spec,
            version,
            key=work.platform.privacy_secret,
            by=work.who,
            report=report,
            progress=self.progress,
        )
        after = protected.version
        self.declare(lambda: derive_lineage(version, after, work.store.uri))
        note = (
            after.derivation.note if after.derivation and after.id != version.id else "nothing had to change"
        )
        self.progress(f"dataset {after.name}@{after.id}: {after.rows:,} rows; {note}")
        return dataset_result(after)


def _small(found: Findings, actions: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "column": one.column,
            "kind": one.kind,
            "share": one.share,
            "count": one.count,
            "examples": list(one.examples),
            "action": actions.get(one.column, "allow"),
        }
        for one in found.findings[:_SHOWN]
    ]
