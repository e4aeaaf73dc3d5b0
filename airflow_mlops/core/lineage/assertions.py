"""What a validation found, in OpenLineage's own words."""

from __future__ import annotations

from openlineage.client.facet_v2 import data_quality_assertions_dataset

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.lineage.facets import PRODUCER
from airflow_mlops.core.validation.result import ValidationResult


def assertions_of(
    version: DatasetVersion, result: ValidationResult
) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    """The expectations' results; one over several columns stands for the whole dataset, its name has them."""
    columns = {column.name for column in version.columns}
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
        [
            data_quality_assertions_dataset.Assertion(
                assertion=one.type,
                success=one.success,
                column=one.column if one.column in columns else None,
                severity="error" if one.severity == "fail" else "warn",
                name=one.name,
                description=one.reason,
                actual=None if one.unexpected_count is None else f"{one.unexpected_count} unexpected",
            )
            for one in result.expectations
        ],
        producer=PRODUCER,
    )
