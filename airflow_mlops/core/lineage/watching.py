"""What the looks at a model read and wrote; see :mod:`airflow_mlops.core.lineage.stages`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.lineage.naming import dataset_name
from airflow_mlops.core.lineage.stages import captured, placed, registered
from airflow_mlops.core.monitoring.performance.report import PerformanceReport, Value
from airflow_mlops.core.monitoring.report import ColumnDrift, DriftReport

if TYPE_CHECKING:
    from openlineage.client.facet_v2 import RunFacet

    from airflow_mlops.core.lineage.datasets import Lineage


def drift_lineage(model: str, report: DriftReport, share_limit: float, store_uri: str) -> Lineage:
    """Captured traffic and the champion's training data -> a report of drift.

    :param share_limit: the share of importance from which a window counts.
    """
    from airflow_mlops.core.lineage import datasets as ol

    inputs = [captured(model, store_uri, rows=report.rows)]
    if report.champion is not None:
        inputs.append(registered(model, report.champion, store_uri))
    if report.dataset:
        name, reference = dataset_name(report.dataset.name), ol.rows_read(report.reference_rows)
        inputs.append(ol.read(name, ol.pinned(report.dataset.id, kind="FILE"), inputStatistics=reference))
    return ol.Lineage(
        inputs=inputs,
        outputs=[placed(model, "monitoring", store_uri, ol.iso(report.until))],
        run_facets={"mlops_drift": _drift(report, share_limit)},
    )


def performance_lineage(model: str, report: PerformanceReport, store_uri: str) -> Lineage:
    """Captured traffic with its ground truth, and the champion -> a report of performance."""
    from airflow_mlops.core.lineage import datasets as ol

    newest = report.newest
    inputs = [captured(model, store_uri, rows=newest.rows if newest else 0)]
    if report.champion is not None:
        inputs.append(registered(model, report.champion, store_uri))
    return ol.Lineage(
        inputs=inputs,
        outputs=[placed(model, "monitoring", store_uri, ol.iso(report.until))],
        run_facets={"mlops_performance": _performance(report)},
    )


def _drift(report: DriftReport, share_limit: float) -> RunFacet:
    from airflow_mlops.core.lineage import datasets as ol
    from airflow_mlops.core.lineage import facets

    found = report.multivariate
    return facets.MlopsDriftRunFacet(
        outcome=report.outcome,
        reason=report.reason,
        since=ol.iso(report.since),
        until=ol.iso(report.until),
        rows=report.rows,
        referenceRows=report.reference_rows,
        share=report.share,
        shareLimit=share_limit,
        columns=[_column(one) for one in report.columns],
        multivariate={"auc": found.auc, "pValue": found.p_value, "drifted": found.drifted} if found else None,
        champion=report.champion,
        report=report.report_html,
        producer=facets.PRODUCER,
    )


def _column(one: ColumnDrift) -> dict[str, Any]:
    told = {
        "pValue": one.adjusted,
        "method": one.method,
        "threshold": one.threshold,
        "value": one.value,
        "movements": [movement.said for movement in one.movements] or None,
        "note": one.note or None,
    }
    return {
        "column": one.column,
        "drifted": one.drifted,
        "importance": one.importance,
        "effect": one.effect,
        **{name: value for name, value in told.items() if value is not None},
    }


def _performance(report: PerformanceReport) -> RunFacet:
    from airflow_mlops.core.lineage import datasets as ol
    from airflow_mlops.core.lineage import facets

    newest = report.newest
    return facets.MlopsPerformanceRunFacet(
        since=ol.iso(report.since),
        until=ol.iso(report.until),
        rows=newest.rows if newest else 0,
        labelled=newest.labelled if newest else 0,
        measured=_values(newest.measured if newest else {}),
        estimated=_values(newest.estimated if newest else {}),
        failedGates=[one.gate.name for one in report.failed],
        judgedOn=report.judged_on,
        champion=report.champion,
        report=report.page,
        producer=facets.PRODUCER,
    )


def _values(metrics: Mapping[str, Value]) -> dict[str, dict[str, float]]:
    return {name: one.model_dump(exclude_none=True) for name, one in metrics.items()}
