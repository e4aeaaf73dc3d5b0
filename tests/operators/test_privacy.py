"""ProtectOperator, and that no sensitive value is written anywhere but in the data."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.lineage.stages import derive_lineage
from airflow_mlops.core.store import Store
from airflow_mlops.core.validation.checks import run_checks
from airflow_mlops.hooks.mlops import MlopsHook
from airflow_mlops.operators.data import SnapshotOperator, ValidateOperator
from airflow_mlops.operators.privacy import ProtectOperator
from airflow_mlops.spec import ModelSpec
from tests.core.training.world import World, spec_of
from tests.core.validation import sensitive
from tests.operators.world import Run

SECRET = "a-key-that-nobody-may-see-0123"
KINDS = ("contact_mail", "comment_mail", "pay_int", "pay_grouped", "bank", "us_id", "de_id", "source", "who")


@pytest.fixture
def planted(store: Store, tmp_path: Path, connect: Callable[..., None]) -> set[str]:
    """Orders with sensitive columns; the values, as text."""
    connect(privacy_secret=SECRET)
    folder = tmp_path / "data" / "orders"
    folder.mkdir(parents=True)
    frame = World().frame()
    columns = {name: sensitive.column(sensitive.SENSITIVE[name][1], name, len(frame)) for name in KINDS}
    for name, values in columns.items():
        frame[name] = values
    frame.to_parquet(folder / "all.parquet", index=False)
    values = {str(one) for name in KINDS if name != "comment_mail" for one in columns[name]}
    return values | set(re.findall(r"\S+@\S+\w", " ".join(map(str, columns["comment_mail"]))))


def spec(**privacy: Any) -> ModelSpec:
    return spec_of(privacy=privacy)


def snapshot(run: Run) -> dict[str, Any]:
    taken: dict[str, Any] = run.execute(SnapshotOperator(task_id="snapshot", spec=spec()))
    return taken


def test_hashed_and_dropped_columns_give_a_version_to_go_on_with(
    store: Store, planted: set[str], run: Run
) -> None:
    taken = snapshot(run)
    protect = ProtectOperator(
        task_id="protect", spec=spec(action="hash", kinds={"payment_card": "drop"}), dataset=taken
    )
    made = run.execute(protect)
    assert set(made) == set(taken)
    assert made["id"] != taken["id"]
    assert made["rows"] == taken["rows"]
    found = run.xcoms["protect", "findings"]
    assert {one["column"] for one in found} == set(KINDS)
    assert {one["action"] for one in found if one["kind"] == "payment_card"} == {"drop"}
    assert run.execute(protect) == made
    columns = {column.name for column in load_version(store, made["dataset"], made["id"]).columns}
    assert not columns & {"pay_int", "pay_grouped"}


def test_allowed_data_go_on_as_they_are(store: Store, planted: set[str], run: Run) -> None:
    taken = snapshot(run)
    assert run.execute(ProtectOperator(task_id="p", spec=spec(action="allow"), dataset=taken)) == taken
    plain = spec_of()
    assert run.execute(ProtectOperator(task_id="q", spec=plain, dataset=taken)) == taken


def test_a_block_stops_the_run_and_its_findings_stay(store: Store, planted: set[str], run: Run) -> None:
    taken = snapshot(run)
    with pytest.raises(AirflowFailException, match="holds sensitive data: contact_mail holds email"):
        run.execute(ProtectOperator(task_id="protect", spec=spec(), dataset=taken))
    assert run.refusal("protect")["kind"] == "SensitiveDataFound"
    assert {one["action"] for one in run.xcoms["protect", "findings"]} == {"block"}


def test_hashing_without_a_key_is_told_with_its_remedy(
    store: Store, planted: set[str], run: Run, connect: Callable[..., None]
) -> None:
    connect()
    with pytest.raises(AirflowFailException, match=r"needs a key: .*set privacy_secret"):
        run.execute(ProtectOperator(task_id="p", spec=spec(action="hash"), dataset=snapshot(run)))


def test_the_key_is_never_shown(planted: set[str]) -> None:
    from airflow.sdk._shared.secrets_masker import should_hide_value_for_key

    platform = MlopsHook().get_conn()
    assert platform.privacy_secret == SECRET
    assert SECRET not in repr(platform)
    assert should_hide_value_for_key("privacy_secret"), "Airflow masks it wherever it logs"


@pytest.mark.parametrize("action", ["warn", "block", "hash", "drop"])
def test_no_sensitive_value_is_written_but_in_the_data(
    store: Store,
    planted: set[str],
    run: Run,
    action: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Everything that is written, log lines, XComs, records and lineage, is searched for each planted value."""
    asked = {
        "drift": {"columns": list(KINDS)},
        "unique": ["pay_int"],
        "contract": {},
        "volume": {"max_change": 0.1},
    }
    checked = spec_of(validation=asked)
    with caplog.at_level(logging.DEBUG):
        taken = snapshot(run)
        try:
            run.execute(ProtectOperator(task_id="protect", spec=spec(action=action), dataset=taken))
        except AirflowFailException as refused:
            assert action == "block"
            caplog.records.append(logging.makeLogRecord({"msg": str(refused)}))
    version = load_version(store, taken["dataset"], taken["id"])
    results = run_checks(store, checked, version, version, datetime.now(timezone.utc))
    written = [record.getMessage() for record in caplog.records]
    written += [json.dumps(value) for value in run.xcoms.values()]
    written += [result.to_bytes().decode() for result in results]
    written.append(repr(derive_lineage(version, version, store.uri)))
    written += capfd.readouterr()
    data = {file.sha256 for item in store.list("datasets/") for file in _files(store, item.key)}
    records = [
        store.read(item.key).decode() for item in store.list("") if item.key.rpartition("/")[2] not in data
    ]
    assert len(records) >= 2
    everything = "\n".join([*written, *records])
    assert len(everything) > 2000
    assert [one for one in planted if one in everything] == []
    assert SECRET not in everything


def test_an_expectation_on_a_sensitive_column_shows_no_value(
    store: Store,
    planted: set[str],
    run: Run,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Its examples, its full results and its page; only the quarantined rows themselves hold values."""
    never = [
        {"type": "expect_column_values_to_be_in_set", "column": name, "value_set": ["-"], "severity": "warn"}
        for name in KINDS
        if name not in ("pay_int", "de_id")
    ]
    bounds = {"min_value": 0, "max_value": 1, "severity": "warn"}
    never += [
        {"type": f"expect_column_{what}_to_be_between", "column": "pay_int", **bounds}
        for what in ("values", "max", "min")
    ]
    checked = spec_of(privacy={"action": "allow"}, validation={"expectations": never})
    with caplog.at_level(logging.DEBUG):
        told = run.execute(ValidateOperator(task_id="validate", spec=checked, dataset=snapshot(run)))
    assert len(told["warnings"]) == len(never)
    data = {file.sha256 for item in store.list("datasets/") for file in _files(store, item.key)}
    data.add(told["quarantine"])
    kept = [store.read(item.key) for item in store.list("") if item.key.rpartition("/")[2] not in data]
    written = [*(one.decode() for one in kept), *(record.getMessage() for record in caplog.records)]
    everything = "\n".join(
        [*written, *(json.dumps(value) for value in run.xcoms.values()), *capfd.readouterr()]
    )
    assert [one for one in planted if one in everything] == []


def _files(store: Store, key: str) -> Any:
    _, name, file = key.split("/")
    return load_version(store, name, file.removesuffix(".json")).files
