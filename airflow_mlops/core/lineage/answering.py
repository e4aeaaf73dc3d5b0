"""What people and auditors asked of a model: approval, reproduction, erasure.

See :mod:`airflow_mlops.core.lineage.stages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.erasures import Erasure, Tombstone
from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.lineage.naming import dataset_name
from airflow_mlops.core.lineage.stages import placed, registered
from airflow_mlops.core.registry.approvals import ApprovalRecord
from airflow_mlops.core.reproduction.record import Reproduction

if TYPE_CHECKING:
    from openlineage.client.event_v2 import OutputDataset

    from airflow_mlops.core.lineage.datasets import Lineage


def approval_lineage(model: str, record: ApprovalRecord, store_uri: str) -> Lineage:
    """A registered version -> what people said of it."""
    from airflow_mlops.core.lineage import datasets as ol
    from airflow_mlops.core.lineage import facets

    facet = facets.MlopsApprovalRunFacet(
        version=record.version,
        outcome=record.outcome,
        reason=record.reason,
        askedBecause=list(record.reasons),
        answers=[
            {"user": one.user, "choice": one.choice, "at": ol.iso(one.at)}
            | ({"comment": one.comment} if one.comment else {})
            for one in record.answers
        ],
        at=ol.iso(record.at),
        evidence=record.evidence,
        producer=facets.PRODUCER,
    )
    return ol.Lineage(
        inputs=[registered(model, record.version, store_uri)],
        outputs=[placed(model, "approvals", store_uri, ol.iso(record.at))],
        run_facets={"mlops_approval": facet},
    )


def reproduction_lineage(model: str, record: Reproduction, store_uri: str) -> Lineage:
    """A registered version -> what came of building it again."""
    from airflow_mlops.core.lineage import datasets as ol
    from airflow_mlops.core.lineage import facets

    differences: list[dict[str, str]] = [one.model_dump(exclude_none=True) for one in record.environment]
    facet = facets.MlopsReproductionRunFacet(
        version=record.version,
        outcome=record.outcome,
        reason=record.reason,
        artifact=record.artifact,
        place=record.place,
        environment=differences,
        metrics=ol.finite(record.metrics) or {},
        tolerance=record.tolerance,
        seconds=record.seconds,
        by=record.by,
        at=ol.iso(record.at),
        rebuilt=record.rebuilt,
        predictions=ol.finite_or_none(record.predictions),
        producer=facets.PRODUCER,
    )
    return ol.Lineage(
        inputs=[registered(model, record.version, store_uri)],
        outputs=[placed(model, "reproductions", store_uri, ol.iso(record.at))],
        run_facets={"mlops_reproduction": facet},
    )


def erasure_lineage(model: str, record: Erasure, store_uri: str) -> Lineage:
    """Dataset versions with rows of a person -> those without, and the record of it.

    Why somebody asked is left out: it is free text, and an event leaves the store.
    """
    from airflow_mlops.core.lineage import datasets as ol
    from airflow_mlops.core.lineage import facets

    facet = facets.MlopsErasureRunFacet(
        subject=record.subject,
        state=record.state,
        datasets=[_tombstone(one) for one in record.tombstones],
        elsewhere=dict(record.elsewhere),
        retrain=list(record.retrain),
        who=record.who,
        at=ol.iso(record.at),
        producer=facets.PRODUCER,
    )
    return ol.Lineage(
        inputs=[ol.ref_read(one.dataset, store_uri) for one in record.tombstones],
        outputs=[
            *(_left(one, store_uri) for one in record.tombstones),
            placed(model, "erasures", store_uri, ol.iso(record.at)),
        ],
        run_facets={"mlops_erasure": facet},
    )


def _tombstone(one: Tombstone) -> dict[str, Any]:
    told = {
        "dataset": one.dataset.name,
        "version": one.dataset.id,
        "rows": one.rows,
        "filesRemoved": len(one.blobs),
        "filesOutside": len(one.outside),
    }
    return told | ({"replacedBy": one.replaced_by.id} if one.replaced_by else {})


def _left(one: Tombstone, store_uri: str) -> OutputDataset:
    """The version with the other rows; where none was left, the erased one, dropped."""
    from airflow_mlops.core.lineage import datasets as ol

    left: DatasetRef = one.replaced_by or one.dataset
    facets = ol.ref_facets(left, store_uri)
    if one.replaced_by is None:
        facets |= ol.dropped()
    return ol.written(dataset_name(left.name), facets)
