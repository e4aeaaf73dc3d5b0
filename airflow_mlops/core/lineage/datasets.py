"""The datasets of our stages, each with its version, schema, statistics and place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    JobFacet,
    OutputDatasetFacet,
    RunFacet,
    data_quality_metrics_input_dataset,
    dataset_type_dataset,
    dataset_version_dataset,
    input_statistics_input_dataset,
    lifecycle_state_change_dataset,
    output_statistics_output_dataset,
    ownership_dataset,
    schema_dataset,
    storage_dataset,
    symlinks_dataset,
)

from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.version import DatasetRef, DatasetVersion, dataset_key
from airflow_mlops.core.lineage.facets import PRODUCER, MlopsModelDatasetFacet, MlopsWindowDatasetFacet
from airflow_mlops.core.lineage.naming import Name, dataset_name, location_name
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.training.artifact import TrainedModel


@dataclass(frozen=True)
class Lineage:
    """What one run of a stage read and wrote.

    It has the fields of ``airflow.providers.openlineage.extractors.OperatorLineage``; inside Airflow,
    :class:`airflow_mlops.operators.openlineage.LineageMixin` makes one of it and adds the task's assets.
    """

    inputs: list[InputDataset] = field(default_factory=list)
    outputs: list[OutputDataset] = field(default_factory=list)
    run_facets: dict[str, RunFacet] = field(default_factory=dict)
    job_facets: dict[str, JobFacet] = field(default_factory=dict)

    def then(self, after: Lineage) -> Lineage:
        """This and what came after it in the same task; what the task itself wrote is none of its inputs."""
        mine = {_identity(one) for one in self.outputs}
        return Lineage(
            inputs=[*self.inputs, *(one for one in after.inputs if _identity(one) not in mine)],
            outputs=[*self.outputs, *after.outputs],
            run_facets={**self.run_facets, **after.run_facets},
            job_facets={**self.job_facets, **after.job_facets},
        )


def _identity(one: InputDataset | OutputDataset) -> tuple[str, str, str | None]:
    """Name and version of a dataset."""
    version = (one.facets or {}).get("version")
    return one.namespace, one.name, getattr(version, "datasetVersion", None)


def read(name: Name, facets: Mapping[str, DatasetFacet], **inputs: InputDatasetFacet) -> InputDataset:
    """A dataset that was read. :param inputs: input facets by their keys."""
    return InputDataset(name.namespace, name.name, facets=dict(facets), inputFacets=dict(inputs))


def written(name: Name, facets: Mapping[str, DatasetFacet], **outputs: OutputDatasetFacet) -> OutputDataset:
    """A dataset that was written. :param outputs: output facets by their keys."""
    return OutputDataset(name.namespace, name.name, facets=dict(facets), outputFacets=dict(outputs))


def pinned(version: str | None, place: Name | None = None, kind: str = "") -> dict[str, DatasetFacet]:
    """Which version of a dataset it is, where it lies, and what it is (FILE, MODEL, ...)."""
    facets: dict[str, DatasetFacet] = {}
    if version is not None:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(version, producer=PRODUCER)
    if place:
        identifier = symlinks_dataset.Identifier(place.namespace, place.name, "LOCATION")
        facets["symlinks"] = symlinks_dataset.SymlinksDatasetFacet([identifier], producer=PRODUCER)
    if kind:
        facets["datasetType"] = dataset_type_dataset.DatasetTypeDatasetFacet(kind, producer=PRODUCER)
    return facets


def version_facets(version: DatasetVersion, store_uri: str | None) -> dict[str, DatasetFacet]:
    """The facets of a dataset version: id, manifest, schema, format, span of event time."""
    place = location_name(store_uri, dataset_key(version.name, version.id)) if store_uri else None
    return {
        **pinned(version.id, place, "FILE"),
        "schema": schema_of(version),
        "storage": storage_dataset.StorageDatasetFacet("file", version.format, producer=PRODUCER),
        "mlops_window": MlopsWindowDatasetFacet(
            eventTime=version.event_time,
            firstEvent=iso(version.first_event),
            lastEvent=iso(version.last_event),
            since=iso(version.since) if version.since else None,
            until=iso(version.until) if version.until else None,
            producer=PRODUCER,
        ),
    }


def pin_facets(pin: Pin, store_uri: str | None) -> dict[str, DatasetFacet]:
    """The facets of a dataset version that is only pinned: id, where the pin lies, format."""
    place = location_name(store_uri, pin_key(pin.name, pin.id)) if store_uri else None
    storage = storage_dataset.StorageDatasetFacet("file", pin.format, producer=PRODUCER)
    return {**pinned(pin.id, place, "FILE"), "storage": storage}


def version_read(version: DatasetVersion, store_uri: str, **inputs: InputDatasetFacet) -> InputDataset:
    """A dataset version as a stage's input."""
    statistics = rows_read(version.rows, sum(one.size for one in version.files), len(version.files))
    return read(
        dataset_name(version.name), version_facets(version, store_uri), inputStatistics=statistics, **inputs
    )


def ref_facets(ref: DatasetRef, store_uri: str) -> dict[str, DatasetFacet]:
    """The facets of a dataset version of which only the id is at hand."""
    return pinned(ref.id, location_name(store_uri, dataset_key(ref.name, ref.id)), "FILE")


def ref_read(ref: DatasetRef, store_uri: str, rows: int | None = None) -> InputDataset:
    """A dataset version of which only the id is at hand, as a stage's input.

    :param rows: that were read of it, if that is known.
    """
    statistics = {} if rows is None else {"inputStatistics": rows_read(rows)}
    return read(dataset_name(ref.name), ref_facets(ref, store_uri), **statistics)


def dropped() -> dict[str, DatasetFacet]:
    """The facet of a dataset version that is gone."""
    facet = lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(
        lifecycle_state_change_dataset.LifecycleStateChange.DROP, producer=PRODUCER
    )
    return {"lifecycleStateChange": facet}


def model_facet(
    trained: TrainedModel, dataset: str, number: int | None = None
) -> dict[str, MlopsModelDatasetFacet]:
    """The facet that says which model it is.

    :param dataset: id of the dataset version it learned from.
    :param number: its number in the registry, if it has one.
    """
    return {
        "mlops_model": MlopsModelDatasetFacet(
            model=trained.model,
            version=number,
            artifact=trained.artifact,
            framework=trained.framework,
            objective=trained.objective,
            dataset=dataset,
            features=list(trained.signature.features),
            featureCode=trained.code.model_dump(exclude={"language"}) if trained.code else None,
            producer=PRODUCER,
        )
    }


def owned(spec: Mapping[str, Any]) -> dict[str, DatasetFacet]:
    """The facet that says whose a model is. :param spec: its fields as plain values."""
    named = {"OWNER": spec.get("owner"), "TEAM": spec.get("team"), "CONTACT": spec.get("contact")}
    owners = [ownership_dataset.Owner(name=str(name), type=kind) for kind, name in named.items() if name]
    return {"ownership": ownership_dataset.OwnershipDatasetFacet(owners, producer=PRODUCER)} if owners else {}


def blob_place(store_uri: str, sha256: str) -> Name:
    """Where a blob of the store lies."""
    return location_name(store_uri, blob_key(sha256))


def schema_of(version: DatasetVersion) -> schema_dataset.SchemaDatasetFacet:
    """Columns and Arrow types of a dataset version."""
    return schema_dataset.SchemaDatasetFacet(
        fields=[
            schema_dataset.SchemaDatasetFacetFields(name=one.name, type=one.type, ordinal_position=place)
            for place, one in enumerate(version.columns, start=1)
        ],
        producer=PRODUCER,
    )


def quality_of(
    version: DatasetVersion,
) -> data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet:
    """Per-column statistics of a dataset version."""
    metrics = data_quality_metrics_input_dataset
    return metrics.DataQualityMetricsInputDatasetFacet(
        columnMetrics={
            one.name: metrics.ColumnMetrics(
                nullCount=one.nulls,
                distinctCount=one.distinct,
                count=float(version.rows - one.nulls),
                min=_number(one.min),
                max=_number(one.max),
            )
            for one in version.columns
        },
        rowCount=version.rows,
        bytes=sum(one.size for one in version.files),
        fileCount=len(version.files),
        producer=PRODUCER,
    )


def rows_read(
    rows: int | None, size: int | None = None, files: int | None = None
) -> input_statistics_input_dataset.InputStatisticsInputDatasetFacet:
    """How much was read: rows, bytes, files."""
    return input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        rows, size, files, producer=PRODUCER
    )


def rows_written(
    rows: int | None, size: int | None = None, files: int | None = None
) -> output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet:
    """How much was written: rows, bytes, files."""
    return output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rows, size, files, producer=PRODUCER
    )


def iso(time: datetime) -> str:
    """ISO 8601 with an offset, as JSON schema's date-time asks for; a time without one is UTC."""
    text = time.isoformat()
    return text if time.tzinfo else f"{text}+00:00"


def finite(values: Mapping[str, float] | None) -> dict[str, float] | None:
    """The values that JSON can hold: it knows no infinity and no NaN."""
    if values is None:
        return None
    return {name: value for name, value in values.items() if math.isfinite(value)}


def finite_or_none(value: float | None) -> float | None:
    """The value, if JSON can hold it."""
    return value if value is not None and math.isfinite(value) else None


def _number(value: float | str | None) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
