"""What the checks of data and features read, and what they found; see :mod:`airflow_mlops.core.lineage.stages`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetRef, DatasetVersion
from airflow_mlops.core.labels.record import LabelAudit
from airflow_mlops.core.lineage.naming import dataset_name
from airflow_mlops.core.lineage.stages import captured, registered
from airflow_mlops.core.monitoring.skew import SkewReport
from airflow_mlops.core.training.leakage import LeakageReport

if TYPE_CHECKING:
    from openlineage.client.facet_v2 import RunFacet

    from airflow_mlops.core.lineage.datasets import Lineage


def leakage_lineage(version: DatasetVersion, report: LeakageReport, store_uri: str) -> Lineage:
    """A dataset version, and the one it was held against -> which features know the outcome."""
    from airflow_mlops.core.lineage import datasets as ol

    earlier = [] if report.compared_with is None else [ol.ref_read(report.compared_with, store_uri)]
    changed = sorted({one.feature for one in report.changes})
    tests = [("no feature knows the outcome", report.leaks), ("no feature changes afterwards", changed)]
    return ol.Lineage(
        inputs=[ol.version_read(version, store_uri), *earlier],
        run_facets=_tests(tests, "leakage", severity="error" if report.severity == "fail" else "warn"),
    )


def skew_lineage(report: SkewReport, store_uri: str) -> Lineage:
    """Captured requests and the champion -> which features differ between training and the endpoint."""
    from airflow_mlops.core.lineage import datasets as ol

    champion = [] if report.champion is None else [registered(report.model, report.champion, store_uri)]
    differ = [one.feature for one in report.features]
    found = () if report.outcome == "inconclusive" else [("features are equal at the endpoint", differ)]
    return ol.Lineage(
        inputs=[captured(report.model, store_uri, rows=report.rows), *champion],
        run_facets=_tests(found, "skew", severity="error"),
    )


def audit_labels_lineage(version: DatasetVersion, audit: LabelAudit, store_uri: str) -> Lineage:
    """A dataset version -> the file of labels for people to review."""
    from airflow_mlops.core.lineage import datasets as ol

    review = ol.written(
        dataset_name(version.name, "review"),
        ol.pinned(audit.csv, ol.blob_place(store_uri, audit.csv), "FILE"),
        outputStatistics=ol.rows_written(audit.file_rows, files=1),
    )
    return ol.Lineage(inputs=[ol.version_read(version, store_uri)], outputs=[review])


def prune_lineage(removed: Sequence[str], store_uri: str) -> Lineage:
    """Dataset versions (``name@id``) that retention has removed."""
    from airflow_mlops.core.lineage import datasets as ol

    refs = [DatasetRef(name=name, id=version) for name, _, version in (one.partition("@") for one in removed)]
    return ol.Lineage(
        outputs=[
            ol.written(dataset_name(one.name), ol.ref_facets(one, store_uri) | ol.dropped()) for one in refs
        ]
    )


def _tests(found: Sequence[tuple[str, Sequence[str]]], kind: str, *, severity: str) -> dict[str, RunFacet]:
    """OpenLineage's ``test`` facet. :param found: what was tested, and the features that fail it."""
    from openlineage.client.facet_v2 import test_run

    from airflow_mlops.core.lineage.facets import PRODUCER

    if not found:
        return {}
    tests = [
        test_run.TestExecution(
            name=name,
            status="fail" if features else "pass",
            severity=severity,
            type=kind,
            description=", ".join(features)[:500] or None,
        )
        for name, features in found
    ]
    return {"test": test_run.TestRunFacet(tests=tests, producer=PRODUCER)}
