"""The audit log as a list of events: who did what, when, and what it changed."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_mlops.core.audit import events, export
from airflow_mlops.core.audit.wording import in_words
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.actor import acting
from airflow_mlops.core.store.chain import note_read
from tests.core.audit.world import CHAIN, MODEL, build


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    store = open_store(str(tmp_path / "store"))
    build(store, tmp_path / "data")
    return store


def test_every_change_is_told_in_its_order(store: Store) -> None:
    done = [one for one in events(store, MODEL) if one.event == "written"]
    assert [(one.kind, one.said.partition(" ")[0]) for one in done] == [
        ("policy", "the"),
        ("data", "dataset"),
        ("model", "version"),
        ("data", "dataset"),
        ("model", "version"),
        ("decision", "version"),
        ("traffic", "promote:"),
        ("traffic", "canary:"),
        ("traffic", "rollback:"),
    ]
    assert [one.said for one in done[-3:]] == [
        "promote: version 1 answers; the first",
        "canary: version 1 answers, version 2 at 10 %; better",
        "rollback: version 1 answers; slow",
    ]
    assert done[5].said == "version 1 approved (ben: approve); asked"
    assert {(one.who, one.run) for one in done} == {("ann", "orders.release/r0/train")}


def test_an_export_joins_entries_with_their_records(store: Store) -> None:
    with acting("cy"):
        note_read(store, f"datasets/{MODEL}/d.json")
    lines = [json.loads(line) for line in export(store, MODEL)]
    assert [line["number"] for line in lines] == list(range(1, 20))
    assert {line["chain"] for line in lines} == {CHAIN}
    assert (lines[-1]["event"], lines[-1]["kind"], lines[-1]["who"]) == ("read", "access", "cy")
    for before, line in zip(lines[:-1:2], lines[1::2], strict=True):
        assert (before["event"], line["event"]) == ("announced", "written")
        assert before["record"] is None
        assert line["record"] == json.loads(store.read(line["key"]))


def test_a_record_that_is_not_the_one_that_was_written_is_not_shown(store: Store, tmp_path: Path) -> None:
    key = DeploymentLog(store, MODEL).log.key(1)
    (tmp_path / "store" / key).write_bytes(b'{"why": "forged"}')
    (shown,) = (one for one in events(store, MODEL) if one.key == key and one.event == "written")
    assert (shown.record, shown.said) == (None, key)


def test_events_since_a_moment(store: Store) -> None:
    everything = list(events(store))
    assert list(events(store, since=everything[-2].at)) == everything[-2:]
    assert not list(events(store, since=utc_now() + timedelta(days=1)))


@pytest.mark.parametrize(
    "key, record, said",
    [
        ("models/m/refused/0000000003.json", {"reason": "auc"}, "version 3 refused; auc"),
        ("models/m/unheard_of/1.json", {"why": "a\nb"}, "a b"),
        ("models/m/unheard_of/1.json", {}, "models/m/unheard_of/1.json"),
        ("models/m/deployments/1.json", {"action": "fallback"}, "fallback: the fallback rule answers"),
        ("endpoints/m/served/1.json", {}, "proved to serve deployment None: champion None"),
        (
            "models/m/monitoring/1.json",
            {"champion": 2, "outcome": "drift", "decision": {"said": "ask"}},
            "monitored version 2: drift; ask",
        ),
        (
            "models/m/verdicts/0000000002/7-canary-ROLLBACK.json",
            {"verdict": {"stage": "canary", "decision": "ROLLBACK", "reason": "errors"}},
            "canary: ROLLBACK errors",
        ),
    ],
)
def test_words(key: str, record: dict[str, object], said: str) -> None:
    assert in_words(key, record) == said


@pytest.mark.parametrize(
    "part",
    [
        "approvals",
        "changes",
        "datasets",
        "erasures",
        "monitoring",
        "pins",
        "policy",
        "releases",
        "replays",
        "reproductions",
        "retention",
        "retraining",
        "versions",
    ],
)
def test_a_record_without_its_fields_is_told_all_the_same(part: str) -> None:
    key = f"{part}/m/1.json" if part in ("datasets", "pins", "retention") else f"models/m/{part}/1.json"
    assert in_words(key, {})
