from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.serde import Serde

from airflow_mlops.core.data.version import QueryRef, TableRef
from airflow_mlops.core.lineage import answering, checking, jobs, scoring, stages, watching
from airflow_mlops.core.lineage.datasets import Lineage
from airflow_mlops.core.registry.deployments import Desired
from tests import lineage_events
from tests.core.lineage import records
from tests.core.lineage.records import STORE
from tests.lineage_events import check_events

VERSION, TRAINED = records.dataset_version(), records.trained_model()
STAGES = {
    "snapshot": stages.snapshot_lineage("/srv/data", VERSION, STORE),
    "snapshot of many files": stages.snapshot_lineage("s3://b/p", records.dataset_version(101), STORE),
    "snapshot that only pins": stages.snapshot_lineage("/srv/data", records.pin(), STORE),
    "snapshot that pins many objects": stages.snapshot_lineage("/srv/data", records.pin(101), STORE),
    "validate": stages.validate_lineage(VERSION, records.validation_result(), STORE),
    "train": stages.train_lineage(VERSION, TRAINED, STORE),
    "evaluate": stages.evaluate_lineage(VERSION, TRAINED, records.evaluation(), STORE),
    "register": stages.register_lineage(VERSION, 3, records.model_version(), STORE),
    "canary": stages.deploy_lineage(
        "flight_delay",
        Desired(number=5, mode="canary", champion=2, challenger=3, weight=0.1),
        "http://127.0.0.1:8765/endpoints/flight_delay",
        STORE,
    ),
    "fallback": stages.deploy_lineage(
        "flight_delay",
        Desired(number=6, mode="fallback", champion=None),
        "http://127.0.0.1:8765/endpoints/flight_delay",
        STORE,
    ),
    "judge": stages.judge_lineage("flight_delay", records.verdict(), STORE),
    "replay": stages.judge_lineage(
        "flight_delay", records.verdict().model_copy(update={"stage": "replay"}), STORE
    ),
    "drift": watching.drift_lineage("flight_delay", records.drift_report(), 0.3, STORE),
    "performance": watching.performance_lineage("flight_delay", records.performance_report(), STORE),
    "take in": watching.take_in_lineage("flight_delay", records.taken_in(), STORE),
    "decide": watching.decide_lineage("flight_delay", records.look(), STORE),
    "request": watching.request_lineage("flight_delay", records.look(), STORE, asked=True),
    "join": stages.derive_lineage(
        VERSION, records.joined_version(), STORE, {"flight_delay__weather": ["wind"]}
    ),
    "transform": scoring.transform_lineage(records.predicted(), "sagemaker/transform/flight_delay/x", STORE),
    "leakage": checking.leakage_lineage(VERSION, records.leakage_report(), STORE),
    "skew": checking.skew_lineage(records.skew_report(), STORE),
    "prune": checking.prune_lineage(["flight_delay@" + "d" * 64], STORE),
    "owner": Lineage(job_facets=jobs.job_facets(records.OWNED)),
    "approval": answering.approval_lineage("flight_delay", records.approval(), STORE),
    "reproduction": answering.reproduction_lineage("flight_delay", records.reproduction(), STORE),
    "erasure": answering.erasure_lineage("flight_delay", records.erasure(), STORE),
}


def event_of(lineage: Lineage) -> dict[str, Any]:
    event = RunEvent(
        eventType=RunState.COMPLETE,
        eventTime="2024-05-01T12:00:00Z",
        run=Run("01941e2a-3b4c-7d5e-8f60-718293a4b5c6", facets=lineage.run_facets),
        job=Job("airflow", "flight_delay.release.task", facets=lineage.job_facets),
        inputs=lineage.inputs,
        outputs=lineage.outputs,
    )
    return json.loads(Serde.to_json(event, allow_nan=False))


def facets_of(event: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(key, facet) for _, key, facet in lineage_events.facets_of(event)]


def published() -> dict[str, Any]:
    return {
        name: one for name, one in lineage_events.schemas().items() if name.startswith(lineage_events.OURS)
    }


@pytest.mark.parametrize("stage", STAGES)
def test_every_event_and_facet_obeys_its_schema(stage):
    check_events([event_of(STAGES[stage])])


def test_every_published_schema_is_one_and_is_used():
    used = {
        facet["_schemaURL"].split("#")[0]
        for lineage in STAGES.values()
        for key, facet in facets_of(event_of(lineage))
        if key.startswith("mlops_")
    }
    assert used == set(published())
    for schema in published().values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("stage", STAGES)
def test_events_are_strict_json_and_name_their_producer(stage):
    text = json.dumps(event_of(STAGES[stage]), allow_nan=False)
    assert "non-serializable" not in text
    producers = {facet["_producer"] for _, facet in facets_of(json.loads(text))}
    assert all(one.startswith("https://airflow-mlops.readthedocs.io/en/") for one in producers)


def named(datasets: list[Any]) -> dict[str, str | None]:
    """Versions of datasets by their full names."""
    return {
        f"{one.namespace}:{one.name}": one.facets["version"].datasetVersion
        if "version" in one.facets
        else None
        for one in datasets
    }


def test_the_stages_form_one_path_from_source_bytes_to_the_endpoint():
    """What one stage writes is, by name and version, what the next one reads."""
    order = ["snapshot", "train", "register", "canary"]
    written = [named(STAGES[stage].outputs) for stage in order]
    read = [named(STAGES[stage].inputs) for stage in order]
    assert read[0] == {
        "file:/srv/data/flights/2013/000.parquet": f"{0:064x}",
        "file:/srv/data/flights/2013/001.parquet": f"{1:064x}",
    }
    assert written[0] == {"mldataset:flight_delay": "d" * 64}
    assert written[0].items() <= read[1].items()
    assert written[1] == {"mlmodel:flight_delay/candidate": "a" * 64}
    assert {**written[0], **written[1]} == read[2]
    assert written[2] == {"mlmodel:flight_delay/versions": "3"}
    assert written[2].items() <= read[3].items()
    assert written[3] == {"mlmodel:flight_delay": "2"}


def test_a_snapshot_of_many_files_names_their_folder():
    (folder,) = STAGES["snapshot of many files"].inputs
    assert (folder.namespace, folder.name) == ("s3://b", "p/flights/2013")
    statistics = folder.inputFacets["inputStatistics"]
    assert (statistics.rowCount, statistics.size, statistics.fileCount) == (1010, 101_000, 101)


def test_a_dataset_version_says_what_it_is_and_where_it_lies():
    (output,) = STAGES["snapshot"].outputs
    assert [(one.name, one.type) for one in output.facets["schema"].fields] == [
        ("distance", "int64"),
        ("carrier", "string"),
    ]
    (place,) = output.facets["symlinks"].identifiers
    assert (place.namespace, place.name) == ("file", f"/srv/store/datasets/flight_delay/{'d' * 64}.json")
    assert output.facets["mlops_window"].firstEvent == "2013-01-01T05:15:00+00:00"
    assert "symlinks" not in stages.snapshot_lineage("/srv/data", VERSION).outputs[0].facets


def test_expectations_and_quarantine_are_told():
    lineage = STAGES["validate"]
    (tested,) = lineage.inputs
    assert [
        (one.assertion, one.column, one.success, one.severity)
        for one in tested.inputFacets["dataQualityAssertions"].assertions
    ] == [
        ("expect_column_values_to_not_be_null", "distance", False, "error"),
        ("expect_compound_columns_to_be_unique", None, True, "warn"),
    ]
    metrics = tested.inputFacets["dataQualityMetrics"].columnMetrics
    assert (metrics["distance"].nullCount, metrics["distance"].max, metrics["carrier"].max) == (1, 4983, None)
    assert named(lineage.outputs) == {"mldataset:flight_delay/quarantine": "b" * 64}
    assert lineage.outputs[0].outputFacets["outputStatistics"].rowCount == 3
    clean = records.validation_result().model_copy(update={"quarantine": None})
    assert stages.validate_lineage(VERSION, clean, STORE).outputs == []


def test_gates_are_told_in_openlineages_own_words_too():
    tests = STAGES["evaluate"].run_facets["test"].tests
    assert [(one.name, one.status, one.expected) for one in tests] == [
        ("auc", "pass", "at least 0.7"),
        ("log_loss[carrier=UA]", "fail", "at most 0.01 worse than the champion"),
    ]
    facet = event_of(STAGES["evaluate"])["run"]["facets"]["mlops_evaluation"]
    assert facet["metrics"] == {"auc": 0.75}
    assert facet["gates"][1] == {
        "name": "log_loss[carrier=UA]",
        "outcome": "inconclusive",
        "limit": "at most 0.01 worse than the champion",
        "champion": 0.45,
        "samples": 12,
        "reason": "12 rows",
    }


def test_the_drift_facet_tells_every_watched_column():
    facet = event_of(STAGES["drift"])["run"]["facets"]["mlops_drift"]
    assert (facet["share"], facet["shareLimit"]) == (0.4, 0.3)
    assert facet["multivariate"] == {"auc": 0.61, "pValue": 0.001, "drifted": True}
    assert facet["columns"] == [
        {
            "column": "distance",
            "drifted": True,
            "importance": 0.4,
            "effect": 0.3,
            "pValue": 0.002,
            "method": "K-S p_value",
            "threshold": 0.05,
            "value": 0.001,
            "movements": ["median 870 -> 1,040"],
        },
        {
            "column": "snow",
            "drifted": False,
            "importance": 0.0,
            "effect": 0.0,
            "note": "all null in the training data",
        },
    ]


def test_the_performance_facet_tells_what_was_measured_and_what_was_estimated():
    facet = event_of(STAGES["performance"])["run"]["facets"]["mlops_performance"]
    assert facet["measured"] == {"log_loss": {"value": 0.6, "low": 0.55, "high": 0.65}}
    assert facet["estimated"] == {"log_loss": {"value": 0.5}}
    assert (facet["rows"], facet["labelled"], facet["judgedOn"]) == (600, 570, "measured")


def test_nothing_deployed_is_the_fallback():
    lineage = STAGES["fallback"]
    assert lineage.inputs == []
    assert named(lineage.outputs) == {"mlmodel:flight_delay": "fallback"}


def test_a_table_is_one_input_with_the_number_of_its_version():
    reference = TableRef(folder="tables/flights", id="t", version=7, columns="")
    version = records.dataset_version(3).model_copy(update={"table": reference, "root": "s3://lake/gold"})
    (table,) = stages.snapshot_lineage("/srv/data", version).inputs
    assert (table.namespace, table.name) == ("s3://lake", "gold/tables/flights")
    assert table.facets["version"].datasetVersion == "7"
    assert table.facets["datasetType"].datasetType == "TABLE"
    assert table.inputFacets["inputStatistics"].fileCount == 3


def test_rows_of_a_query_come_from_no_file():
    query = QueryRef(connection="warehouse", sql="SELECT 1")
    version = records.dataset_version(1).model_copy(update={"query": query})
    assert stages.snapshot_lineage("/srv/data", version).inputs == []


def test_a_pin_tells_objects_and_their_versions_and_no_rows():
    lineage = STAGES["snapshot that only pins"]
    assert [(one.namespace, one.name) for one in lineage.inputs] == [
        ("s3://lake", "gold/flights/2013/000.parquet"),
        ("s3://lake", "gold/flights/2013/001.parquet"),
    ]
    assert [one.facets["version"].datasetVersion for one in lineage.inputs] == [f"{0:064x}", "version-1"]
    (output,) = lineage.outputs
    statistics = output.outputFacets["outputStatistics"]
    assert (statistics.rowCount, statistics.size, statistics.fileCount) == (None, 2000, 2)
    assert "schema" not in output.facets
    (place,) = output.facets["symlinks"].identifiers
    assert place.name == f"/srv/store/pins/flight_delay/{'d' * 64}.json"


def test_a_pin_of_many_objects_is_one_input():
    (folder,) = STAGES["snapshot that pins many objects"].inputs
    assert (folder.namespace, folder.name) == ("s3://lake", "gold/flights/2013")
    assert folder.inputFacets["inputStatistics"].fileCount == 101
