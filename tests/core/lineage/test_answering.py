"""Lineage of what people and auditors asked of a model."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.lineage.answering import approval_lineage, erasure_lineage, reproduction_lineage
from tests.core.lineage import records
from tests.core.lineage.records import STORE
from tests.core.lineage.test_stages import event_of


def versions(datasets: list[Any]) -> dict[str, str]:
    return {f"{one.namespace}:{one.name}": one.facets["version"].datasetVersion for one in datasets}


def test_an_approval_says_who_said_what_when_and_what_they_saw() -> None:
    found = approval_lineage("flight_delay", records.approval(), STORE)
    assert versions(found.inputs) == {"mlmodel:flight_delay/versions": "3"}
    facet = event_of(found)["run"]["facets"]["mlops_approval"]
    assert facet["answers"] == [
        {"user": "ada", "choice": "approve", "at": "2024-05-01T12:00:00+00:00"},
        {"user": "grace", "choice": "reject", "at": "2024-05-01T12:05:00+00:00", "comment": "too slow"},
    ]
    assert (facet["outcome"], facet["evidence"], facet["askedBecause"]) == (
        "rejected",
        "9" * 64,
        ["log_loss is worse than the champion's"],
    )


def test_where_nobody_was_asked_nobody_saw_anything() -> None:
    record = records.approval().model_copy(
        update={"outcome": "not_needed", "evidence": None, "answers": (), "reasons": ()}
    )
    facet = event_of(approval_lineage("flight_delay", record, STORE))["run"]["facets"]["mlops_approval"]
    assert (facet["answers"], facet["askedBecause"]) == ([], [])
    assert "evidence" not in facet


def test_a_reproduction_names_what_differs() -> None:
    found = reproduction_lineage("flight_delay", records.reproduction(), STORE)
    assert versions(found.inputs) == {"mlmodel:flight_delay/versions": "3"}
    facet = event_of(found)["run"]["facets"]["mlops_reproduction"]
    assert facet["environment"] == [
        {"name": "numpy", "recorded": "1.26.4", "found": "2.1.0"},
        {"name": "scipy", "recorded": "1.13.0"},
    ]
    assert (facet["outcome"], facet["artifact"], facet["rebuilt"]) == ("equal", "a" * 64, "8" * 64)


def test_an_infinite_difference_is_left_out_of_the_event() -> None:
    record = records.reproduction().model_copy(
        update={"predictions": float("inf"), "metrics": {"auc": float("nan")}}
    )
    facet = event_of(reproduction_lineage("flight_delay", record, STORE))["run"]["facets"][
        "mlops_reproduction"
    ]
    assert facet["metrics"] == {}
    assert "predictions" not in facet


def test_an_erasure_names_versions_and_no_person() -> None:
    found = erasure_lineage("flight_delay", records.erasure(), STORE)
    assert versions(found.inputs) == {
        "mldataset:flight_delay": "d" * 64,
        "mldataset:flight_delay__scoring": "4" * 64,
    }
    replaced, gone, log = found.outputs
    assert replaced.facets["version"].datasetVersion == "7" * 64
    assert "lifecycleStateChange" not in replaced.facets
    assert gone.facets["version"].datasetVersion == "4" * 64
    event = event_of(found)
    assert event["outputs"][1]["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "DROP"
    assert log.name == "flight_delay/erasures"
    assert "Smith" not in str(event)
    assert "lake/gold" not in str(event), "a file's name may name a person"
    assert event["run"]["facets"]["mlops_erasure"]["subject"] == "5" * 64
