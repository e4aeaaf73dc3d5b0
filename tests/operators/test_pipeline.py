"""Snapshot, validate, train, evaluate and register, on a real folder store with a real model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_mlops.cli.main import main
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.store.results import recall
from airflow_mlops.operators.data import SnapshotOperator, ValidateOperator
from airflow_mlops.operators.model import EvaluateOperator, RegisterOperator, TrainOperator
from airflow_mlops.operators.rollout import PromoteOperator
from airflow_mlops.spec import ModelSpec
from tests.core.training.world import World, spec_of
from tests.operators.world import Run

POSITIVE = {
    "type": "expect_column_values_to_be_between",
    "column": "amount",
    "min_value": -100,
    "max_value": 200,
}


def keys(store: Store, prefix: str = "") -> list[str]:
    return [item.key for item in store.list(prefix)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "orders"
    folder.mkdir(parents=True)
    World().frame().to_parquet(folder / "all.parquet", index=False)
    return folder


def spec(**sections: Any) -> ModelSpec:
    return spec_of(**{"validation": {"expectations": [POSITIVE]}, **sections})


def stages(run: Run, spec: ModelSpec) -> dict[str, Any]:
    """Run all stages, each on what the earlier ones returned."""
    done: dict[str, Any] = {}

    def step(kind: Any, name: str, **arguments: Any) -> None:
        done[name] = run.execute(kind(task_id=name, spec=spec, **arguments))

    step(SnapshotOperator, "snapshot")
    step(ValidateOperator, "validate", dataset=done["snapshot"])
    step(TrainOperator, "train", dataset=done["snapshot"])
    step(EvaluateOperator, "evaluate", dataset=done["snapshot"], trained=done["train"])
    step(
        RegisterOperator,
        "register",
        dataset=done["snapshot"],
        trained=done["train"],
        evaluation=done["evaluate"],
        validation=done["validate"],
    )
    return done


def without_clock(done: dict[str, Any]) -> dict[str, Any]:
    """The results, without what a clock is in."""
    return {
        name: {key: value for key, value in result.items() if key not in ("ref", "page", "seconds")}
        for name, result in done.items()
    }


def test_a_pipeline_registers_one_version_however_often_it_runs(store: Store, data: Path, run: Run) -> None:
    first = stages(run, spec())
    assert first["snapshot"]["rows"] == 1200
    assert first["validate"]["success"]
    assert first["evaluate"]["champion_version"] is None
    assert first["register"] == {"model": "orders", "version": 1}
    record = Registry(store, "orders").get(1)
    assert record.created_by == "ann"
    assert record.run is not None
    assert record.run.key == run.key
    assert record.dataset.id == first["snapshot"]["id"]
    assert record.validation == first["validate"]["ref"]

    again = stages(run, spec())
    assert without_clock(again) == without_clock(first)
    assert keys(store, "models/") == ["models/orders/versions/0000000001.json"]
    assert len(keys(store, "datasets/")) == 1

    assert stages(Run("r2"), spec())["register"]["version"] == 2, "another run is another version"


def test_the_second_release_is_held_against_the_first_and_a_cleared_one_too(
    store: Store, data: Path, run: Run
) -> None:
    gates = {"gates": [{"metric": "auc", "min": 0.6}, {"metric": "auc", "margin": 0.5}]}
    stages(run, spec(evaluation=gates))
    run.execute(PromoteOperator(task_id="promote", spec=spec(), version=1))
    assert stages(run, spec(evaluation=gates))["evaluate"]["champion_version"] is None, "cleared: as it was"
    second = stages(Run("r2"), spec(training={"rounds": 5}, evaluation=gates))["evaluate"]
    assert second["champion_version"] == 1
    assert second["champion"]["auc"] != second["metrics"]["auc"]


def test_the_last_line_says_where_the_report_is(
    store: Store, data: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(EvaluateOperator, "progress", lambda _, line: lines.append(line))
    told = stages(run, spec())["evaluate"]
    assert recall(store, told["ref"], Evaluation).page == told["page"]
    assert "Passed." in get_bytes(store, told["page"]).decode()
    assert lines[-2].startswith("all 1 gates passed on ")
    assert lines[-1] == (
        f"report: airflow-mlops evaluation report {told['ref']} --store {store.uri} --out report.html"
    )


def test_a_window_of_time(store: Store, data: Path, run: Run) -> None:
    some = run.execute(
        SnapshotOperator(task_id="s", spec=spec(), since="2024-01-05", until="2024-01-06T00:00:00Z")
    )
    assert 25 < some["rows"] < 35
    assert some["first_event"].startswith("2024-01-05")
    for given, says in (
        ({"since": "May"}, "since is not a time; given 'May'"),
        ({"until": 5}, "until is not a time"),
    ):
        with pytest.raises(AirflowFailException, match=says):
            run.execute(SnapshotOperator(task_id="s", spec=spec(), **given))


def test_bad_data_stop_the_run_and_lie_in_quarantine(store: Store, data: Path, run: Run) -> None:
    strict = spec(validation={"expectations": [{**POSITIVE, "max_value": 60}]})
    dataset = run.execute(SnapshotOperator(task_id="snapshot", spec=strict))
    with pytest.raises(AirflowFailException, match="amount"):
        run.execute(ValidateOperator(task_id="validate", spec=strict, dataset=dataset))
    assert run.refusal("validate")["kind"] == "ValidationFailed"
    told = run.xcoms["validate", "validation"]
    assert not told["success"]
    assert told["quarantined_rows"] > 100
    assert told["ref"]


def test_a_warning_does_not_stop_the_run(store: Store, data: Path, run: Run) -> None:
    mild = spec(validation={"expectations": [{**POSITIVE, "max_value": 60, "severity": "warn"}]})
    dataset = run.execute(SnapshotOperator(task_id="snapshot", spec=mild))
    told = run.execute(ValidateOperator(task_id="validate", spec=mild, dataset=dataset))
    assert told["success"]
    assert told["warnings"] == ["expect_column_values_to_be_between on amount"]
    assert told["failed"] == []


def test_the_dataset_that_goes_on_is_told(store: Store, data: Path, run: Run) -> None:
    dataset = run.execute(SnapshotOperator(task_id="snapshot", spec=spec()))
    run.execute(ValidateOperator(task_id="validate", spec=spec(), dataset=dataset))
    assert run.xcoms["validate", "dataset"] == dataset, "nothing was dropped"

    drops = spec(validation={"expectations": [{**POSITIVE, "max_value": 60, "severity": "drop"}]})
    told = run.execute(ValidateOperator(task_id="validate", spec=drops, dataset=dataset))
    goes_on = run.xcoms["validate", "dataset"]
    assert told["success"]
    assert told["dropped"] == ["expect_column_values_to_be_between on amount"]
    assert goes_on["id"] != dataset["id"]
    assert goes_on["rows"] == dataset["rows"] - told["dropped_rows"] < dataset["rows"]
    again = run.execute(ValidateOperator(task_id="again", spec=spec(), dataset=goes_on))
    assert again["success"], "it can be read like any other"


def test_checks_compare_with_the_newest_model_of_another_run(
    store: Store, data: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_mlops.core.validation import run as validation

    seen: list[Any] = []
    real = validation.validate
    monkeypatch.setattr(
        validation,
        "validate",
        lambda *args, previous, **kwargs: seen.append(previous) or real(*args, previous=previous, **kwargs),
    )
    checked = spec(validation={"contract": {}})
    first = stages(run, checked)
    stages(run, checked)
    stages(Run("r2"), checked)
    assert [one and one.id for one in seen] == [None, None, first["snapshot"]["id"]]


def test_the_docs_of_data_that_were_refused(
    store: Store, data: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = spec(validation={"expectations": [{**POSITIVE, "max_value": 60}]})
    dataset = run.execute(SnapshotOperator(task_id="snapshot", spec=strict))
    with pytest.raises(AirflowFailException, match="docs: airflow-mlops validation docs "):
        run.execute(ValidateOperator(task_id="validate", spec=strict, dataset=dataset))
    ref, out = run.xcoms["validate", "validation"]["ref"], tmp_path / "docs.html"
    assert main(["validation", "docs", ref, "--store", store.uri, "--out", str(out)]) == 0
    page = out.read_text()
    assert "expect_column_values_to_be_between" in page
    assert ">stopped</strong>" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert f"data docs of validation {ref[:12]}, refused" in capsys.readouterr().out


def test_a_failed_gate_is_told_with_value_and_limit_and_nothing_is_registered(
    store: Store, data: Path, run: Run
) -> None:
    strict = spec(evaluation={"gates": [{"metric": "auc", "min": 0.5}, {"metric": "brier", "max": 0.001}]})
    dataset = run.execute(SnapshotOperator(task_id="snapshot", spec=strict))
    trained = run.execute(TrainOperator(task_id="train", spec=strict, dataset=dataset))
    with pytest.raises(AirflowFailException, match="1 of 2 gates refuse: brier"):
        run.execute(EvaluateOperator(task_id="evaluate", spec=strict, dataset=dataset, trained=trained))
    refusal = run.refusal("evaluate")
    assert (refusal["gate"], refusal["limit"]) == ("brier", 0.001)
    assert 0.001 < refusal["value"] < 1
    told = run.xcoms["evaluate", "evaluation"]
    # people need the report most when a gate refuses: the reason says how to get it
    page = get_bytes(store, told["page"]).decode()
    assert "Refused." in page
    assert "orders.release/r1" in page
    assert f"airflow-mlops evaluation report {told['ref']} --store {store.uri} --out" in refusal["reason"]
    with pytest.raises(AirflowFailException, match="did not pass its evaluation; given brier"):
        run.execute(
            RegisterOperator(
                task_id="register", spec=strict, dataset=dataset, trained=trained, evaluation=told
            )
        )
    assert keys(store, "models/") == []
    assert DeploymentLog(store, "orders").champion() is None


@pytest.mark.parametrize(
    "kind, arguments, says",
    [
        (TrainOperator, {"dataset": None}, "dataset is not a dataset version; given None"),
        (ValidateOperator, {"dataset": {"id": "x"}}, "dataset is not a dataset version"),
        (ValidateOperator, {"dataset": {"dataset": "orders", "id": "0" * 64}}, "orders"),
        (TrainOperator, {"dataset": {"dataset": "../x", "id": "y"}}, "key is not allowed in a store"),
    ],
)
def test_what_is_no_stage_result_is_told(
    store: Store, data: Path, run: Run, kind: Any, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(AirflowException, match=says):
        run.execute(kind(task_id="t", spec=spec(), **arguments))
    assert len(run.refusal("t")["reason"].splitlines()) == 1


def test_an_evaluation_needs_a_trained_model(store: Store, data: Path, run: Run) -> None:
    dataset = run.execute(SnapshotOperator(task_id="snapshot", spec=spec()))
    with pytest.raises(AirflowFailException, match=r"trained is not a stage's result; given {}; expected"):
        run.execute(EvaluateOperator(task_id="e", spec=spec(), dataset=dataset, trained={}))
