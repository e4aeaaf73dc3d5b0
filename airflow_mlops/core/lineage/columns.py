"""Column lineage: from the columns of the source to the features of a model.

A chain of three links: source files -> data set, joined data sets -> joined columns, columns -> features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from openlineage.client.facet_v2 import column_lineage_dataset

from airflow_mlops.core.lineage.facets import PRODUCER
from airflow_mlops.core.lineage.naming import Name, dataset_name
from airflow_mlops.core.training.artifact import TrainedModel

if TYPE_CHECKING:
    from openlineage.client.facet_v2 import DatasetFacet

#: An event has to stay small: above so many input fields a source is named by its folder.
MOST_FIELDS = 500

_SAID = {
    "identity": "the raw column is the feature",
    "measured": "measured: with other values of the column the feature differs",
    "unknown": "not measured: a feature may be made of every raw column",
}


def feature_lineage(
    trained: TrainedModel, dataset: str, joins: Sequence[Mapping[str, Any]] = ()
) -> dict[str, DatasetFacet]:
    """The facet that says which columns a model's features are made of; of joined data sets where they came from there.

    A model from before this was measured names every raw column for every feature, as INDIRECT.

    :param dataset: name of the data set that it learned from.
    :param joins: ``data.joins`` of the spec, as plain values.
    """
    known = trained.column_lineage
    how = known.how if known else "unknown"
    every = tuple(one.name for one in trained.signature.inputs)
    origin = {
        column: f"{trained.model}__{one['name']}" for one in joins for column in one.get("columns") or ()
    }
    of_columns = known.columns if known else {}
    fields = {
        feature: [
            _field(dataset_name(origin.get(column, dataset)), column, *_kind(how), _SAID[how])
            for column in of_columns.get(feature, () if known else every)
        ]
        for feature in trained.signature.features
    }
    return _facet(fields)


def joined_lineage(
    dataset: str, columns: Sequence[str], joins: Mapping[str, Sequence[str]]
) -> dict[str, DatasetFacet]:
    """The facet of rows with joined columns.

    :param dataset: name of the rows' data set, whose columns all others are.
    :param joins: columns by name of the joined data set.
    """
    origin = {column: name for name, added in joins.items() for column in added}
    return _facet(
        {
            column: [_field(dataset_name(origin.get(column, dataset)), column, "DIRECT", "IDENTITY")]
            for column in columns
        }
    )


def source_lineage(columns: Sequence[str], sources: Sequence[Name], folder: Name) -> dict[str, DatasetFacet]:
    """The facet of rows as they were in the source.

    :param folder: that holds the sources; it stands for them where they are too many.
    """
    named = sources if len(sources) * len(columns) <= MOST_FIELDS else [folder]
    return _facet({one: [_field(place, one, "DIRECT", "IDENTITY") for place in named] for one in columns})


def _kind(how: str) -> tuple[Literal["DIRECT", "INDIRECT"], str | None]:
    if how == "identity":
        return "DIRECT", "IDENTITY"
    return ("DIRECT", "TRANSFORMATION") if how == "measured" else ("INDIRECT", None)


def _field(
    place: Name, column: str, kind: str, subtype: str | None, said: str | None = None
) -> column_lineage_dataset.InputField:
    transformation = column_lineage_dataset.Transformation(type=kind, subtype=subtype, description=said)
    return column_lineage_dataset.InputField(place.namespace, place.name, column, [transformation])


def _facet(fields: Mapping[str, list[column_lineage_dataset.InputField]]) -> dict[str, DatasetFacet]:
    facet = column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={name: column_lineage_dataset.Fields(inputs) for name, inputs in fields.items()},
        producer=PRODUCER,
    )
    return {"columnLineage": facet}
