"""Column lineage: a chain from the source's columns to the model's features."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.data.version import Column, QueryRef
from airflow_mlops.core.lineage import stages
from airflow_mlops.core.lineage.columns import MOST_FIELDS
from tests.core.lineage import records
from tests.core.lineage.records import STORE
from tests.core.lineage.test_stages import event_of
from tests.lineage_events import check_events

VERSION = records.dataset_version()
JOINS = [{"name": "weather", "columns": ["wind"]}]


def fields(lineage: Any) -> dict[str, list[tuple[str, str, str]]]:
    """Of the first output: by its column where it is from, and how."""
    event = event_of(lineage)
    check_events([event])
    return {
        name: [
            (f"{one['namespace']}:{one['name']}", one["field"], one["transformations"][0]["type"])
            for one in field["inputFields"]
        ]
        for name, field in event["outputs"][0]["facets"]["columnLineage"]["fields"].items()
    }


def test_features_name_the_columns_that_they_were_measured_to_be_made_of() -> None:
    trained = records.measured_model()
    found = fields(stages.train_lineage(VERSION, trained, STORE, JOINS))
    assert found == {
        "far": [("mldataset:flight_delay", "distance", "DIRECT")],
        "storm": [
            ("mldataset:flight_delay", "distance", "DIRECT"),
            ("mldataset:flight_delay__weather", "wind", "DIRECT"),
        ],
    }
    record = records.model_version().model_copy(
        update={"trained": trained, "spec": {"data": {"joins": JOINS}}}
    )
    assert fields(stages.register_lineage(VERSION, 3, record, STORE)) == found


def test_what_was_never_measured_may_be_made_of_everything_and_says_so() -> None:
    lineage = stages.train_lineage(VERSION, records.trained_model(), STORE)
    assert fields(lineage) == {"distance": [("mldataset:flight_delay", "distance", "INDIRECT")]}
    assert "not measured" in str(event_of(lineage)["outputs"])


def test_a_joined_column_is_the_joined_data_sets() -> None:
    found = stages.derive_lineage(
        VERSION, records.joined_version(), STORE, {"flight_delay__weather": ["wind"]}
    )
    assert [(one.name, one.facets["version"].datasetVersion) for one in found.inputs] == [
        ("flight_delay", "d" * 64),
        ("flight_delay__weather", "2" * 64),
    ]
    assert fields(found)["wind"] == [("mldataset:flight_delay__weather", "wind", "DIRECT")]
    assert fields(found)["carrier"] == [("mldataset:flight_delay", "carrier", "DIRECT")]


def test_a_column_of_a_snapshot_is_that_of_each_file() -> None:
    found = fields(stages.snapshot_lineage("/srv/data", VERSION, STORE))
    assert found["distance"] == [
        ("file:/srv/data/flights/2013/000.parquet", "distance", "DIRECT"),
        ("file:/srv/data/flights/2013/001.parquet", "distance", "DIRECT"),
    ]


def test_many_files_with_many_columns_are_their_folder() -> None:
    columns = tuple(Column(name=f"c{number}", type="int64", nulls=0) for number in range(MOST_FIELDS))
    wide = VERSION.model_copy(update={"columns": columns})
    found = fields(stages.snapshot_lineage("/srv/data", wide, STORE))
    assert found["c7"] == [("file:/srv/data/flights/2013", "c7", "DIRECT")]


def test_rows_of_a_query_have_no_source_columns() -> None:
    version = VERSION.model_copy(update={"query": QueryRef(connection="warehouse", sql="SELECT 1")})
    (made,) = stages.snapshot_lineage("/srv/data", version, STORE).outputs
    assert "columnLineage" not in made.facets
