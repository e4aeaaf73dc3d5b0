"""What is said of every job of a model: whose it is, what it is, and where its code lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openlineage.client.facet_v2 import (
    JobFacet,
    documentation_job,
    source_code_location_job,
)

from airflow_mlops.core.lineage.checkout import source_file
from airflow_mlops.core.lineage.facets import PRODUCER, MlopsOwnerJobFacet
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.training.artifact import TrainedModel


def job_facets(spec: Mapping[str, Any], dag_file: str | None = None) -> dict[str, JobFacet]:
    """The job facets of a task of a model.

    Airflow's provider sets ``ownership`` by itself, to the DAG's owner alone: team and contact need a facet of ours.

    :param spec: fields of the model's spec, as plain values; what is not there is not said.
    :param dag_file: path of the DAG file; it is named where it stands in a git checkout.
    """
    facets: dict[str, JobFacet] = {}
    if spec.get("name"):
        facets["mlops_owner"] = MlopsOwnerJobFacet(
            model=str(spec["name"]),
            owner=str(spec.get("owner") or "airflow"),
            team=str(spec["team"]) if spec.get("team") else None,
            contact=str(spec["contact"]) if spec.get("contact") else None,
            producer=PRODUCER,
        )
    if spec.get("description"):
        facets["documentation"] = documentation_job.DocumentationJobFacet(
            description=str(spec["description"]), contentType="text/plain", producer=PRODUCER
        )
    found = source_file(dag_file) if dag_file else None
    if found is not None:
        facets["sourceCodeLocation"] = source_code_location_job.SourceCodeLocationJobFacet(
            type="git",
            url=found.url,
            repoUrl=found.repository,
            path=found.path,
            version=found.commit,
            branch=found.branch,
            producer=PRODUCER,
        )
    return facets


def feature_code(trained: TrainedModel, store_uri: str) -> dict[str, JobFacet]:
    """The facet that says where the feature code lies that a model was trained with; none for raw columns."""
    code = trained.code
    if code is None:
        return {}
    root = store_uri.rstrip("/") if "://" in store_uri else f"file://{store_uri.rstrip('/')}"
    facet = source_code_location_job.SourceCodeLocationJobFacet(
        type="airflow-mlops",
        url=f"{root}/{blob_key(code.sha256)}",
        path=code.name,
        version=code.sha256,
        producer=PRODUCER,
    )
    return {"sourceCodeLocation": facet}
