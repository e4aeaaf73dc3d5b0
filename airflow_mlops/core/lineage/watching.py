"""What the looks at a model read and wrote; see :mod:`airflow_mlops.core.lineage.stages`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.lineage.naming import dataset_name, location_name, model_name
from airflow_mlops.core.lineage.stages import captured, placed, registered
from airflow_mlops.core.monitoring.answers.records import TakenIn
from airflow_mlops.core.monitoring.look import Look
from airflow_mlops.core.monitoring.performance.report import PerformanceReport, Value
from airflow_mlops.core.monitoring.report import ColumnDrift, DriftReport

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import RunFacet

    from airflow_mlops.core.lineage.datasets import Lineage


def take_in_lineage(model: str, taken: TakenIn, store_uri: str) -> Lineage:
    """Captured traffic and its ground truth -> the table of answers."""
    from airflow_mlops.core.lineage import datasets as ol

    truth = ol.read(
        model_name(model, "ground_truth"),
        ol.pinned(None, location_name(store_uri, f"ground_truth/{model}")),
        inputStatistics=ol.rows_read(taken.labels),
    )
    table = ol.written(
        model_name(model, "answers"),
        ol.pinned(ol.iso(taken.until), location_name(store_uri, f"models/{model}/answers")),
        outputStatistics=ol.rows_written(taken.rows),
    )
    return ol.Lineage(inputs=[captured(model, store_uri, rows=taken.rows), truth], outputs=[table])


def decide_lineage(model: str, look: Look, store_uri: str) -> Lineage:
    """The reports of a look, and the champion they are about -> whether retraining is asked for."""
    from airflow_mlops.core.lineage import datasets as ol

    champion = [] if look.champion is None else [registered(model, look.champion, store_uri)]
    return ol.Lineage(
        inputs=[_reports(model, look, store_uri), *champion], run_facets={"mlops_retraining": _decision(look)}
    )


def request_lineage(model: str, look: Look, store_uri: str, *, asked: bool) -> Lineage:
    """A look -> a request to retrain.

    :param asked: whether it was made; nothing is written else.
    """
    from airflow_mlops.core.lineage import datasets as ol

    request = ol.written(model_name(model, "retrain"), ol.pinned(ol.iso(look.at)))
    return ol.Lineage(
        inputs=[_reports(model, look, store_uri)],
        outputs=[request] if asked else [],
        run_facets={"mlops_retraining": _decision(look)},
    )


def _reports(model: str, look: Look, store_uri: str) -> InputDataset:
    from airflow_mlops.core.lineage import datasets as ol

    place = location_name(store_uri, f"models/{model}/monitoring")
    return ol.read(model_name(model, "monitoring"), ol.pinned(ol.iso(look.until), place))


def _decision(look: Look) -> RunFacet:
    from airflow_mlops.core.lineage import datasets as ol
    from airflow_mlops.core.lineage import facets

    decision = look.decision
    return facets.MlopsRetrainingRunFacet(
        retrain=decision.retrain,
        reasons=[
            {"cause": one.cause, "said": one.said, "columns": list(one.columns)} for one in decision.reasons
        ],
        said=decision.said,
        since=ol.iso(look.since),
        until=ol.iso(look.until),
        restraint=decision.restraint,
        shaped=decision.shaped,
        champion=look.champion,
        producer=facets.PRODUCER,
    )


def answered(model: str, store_uri: str, rows: int | None = None) -> InputDataset:
    """The table of answers, as an input. :param rows: that were read of it, if that is known."""
    from airflow_mlops.core.lineage import datasets as ol

    place = location_name(store_uri, f"models/{model}/answers")
    statistics = {} if rows is None else {"inputStatistics": ol.rows_read(rows)}
    return ol.read(model_name(model, "answers"), ol.pinned(None, place), **statistics)


def drift_lineage(model: str, report: DriftReport, share_limit: float, store_uri: str) -> Lineage:
    """Answers, the champion and its training data -> a report of drift.

    :param share_limit: the share of importance from which a window counts.
    """
    from airflow_mlops.core.lineage import datasets as ol

    inputs = [answered(model, store_uri, rows=report.rows)]
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
    """Answers with their ground truth, and the champion -> a report of performance."""
    from airflow_mlops.core.lineage import datasets as ol

    newest = report.newest
    inputs = [answered(model, store_uri, rows=newest.rows if newest else 0)]
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
