"""``airflow-mlops audit``: what it prints, and its exit codes."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.cli import main as cli
from airflow_mlops.cli.main import main
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.store import open_store
from airflow_mlops.core.store.actor import actor
from tests.core.audit.world import CHAIN, MODEL, build


class Command:
    """Runs ``airflow-mlops audit`` on the store of the test."""

    def __init__(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.place, self.capsys = place, capsys

    def __call__(self, *arguments: str, code: int = 0) -> list[str]:
        assert main(["audit", *arguments, "--store", str(self.place)]) == code
        said = self.capsys.readouterr()
        return (said.err if code == 2 else said.out).splitlines()


@pytest.fixture
def audit(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    build(open_store(str(tmp_path / "store")), tmp_path / "data")
    return Command(tmp_path / "store", capsys)


def test_verify_says_that_all_is_whole(audit: Command) -> None:
    lines = audit("verify")
    assert lines[-1].startswith("whole: 18 entries, 9 records and 9 blobs")
    assert lines[0].startswith(f"{CHAIN}  18:")
    report = json.loads("\n".join(audit("verify", MODEL, "--json")))
    assert (report["findings"], report["records"]) == ([], 9)


def test_verify_names_what_was_changed(audit: Command) -> None:
    key = DeploymentLog(open_store(str(audit.place)), MODEL).log.key(2)
    (audit.place / key).write_bytes(b"{}")
    lines = audit("verify", MODEL, code=1)
    assert lines[0].startswith(f"edited record: {key} was edited")
    assert lines[-1].startswith("not whole: 1 finding in 18 entries")
    assert json.loads("\n".join(audit("verify", "--json", "--quick", code=1)))["notes"]


def test_a_head_that_was_noted_is_held_against_the_chain(audit: Command) -> None:
    (head,) = audit("head", MODEL)
    assert audit("head")[0] == f"{CHAIN}  {head}"
    audit("verify", MODEL, "--expect", head)
    lines = audit("verify", MODEL, "--expect", head.replace("18:", "20:"), code=1)
    assert lines[0] == f"missing entry: {CHAIN}: entries 19 to 20 are missing: 20 was noted as the newest"


def test_log_tells_what_was_done(audit: Command) -> None:
    lines = audit("log", MODEL)
    assert len(lines) == 10
    assert lines[-2].endswith("traffic   rollback: version 1 answers; slow  by ann (orders.release/r0/train)")
    assert lines[-1].startswith(f"9 events of {MODEL} in ")
    assert len(audit("log", MODEL, "--all")) == 19
    assert audit("log", "--since", "2200-01-01")[-1].startswith("0 events of all models")
    assert [json.loads(line)["event"] for line in audit("log", MODEL, "--json")] == ["written"] * 9


def test_export_writes_a_new_file(audit: Command, tmp_path: Path) -> None:
    out = tmp_path / "audit.jsonl"
    assert audit("export", MODEL, "--out", str(out)) == [f"{out}: 18 entries of {MODEL}"]
    assert len([json.loads(line) for line in out.read_text().splitlines()]) == 18
    assert "is there already" in audit("export", MODEL, "--out", str(out), code=2)[0]
    assert "can't be written" in audit("export", "--out", f"{out}/x", code=2)[0]


def test_adopt_vouches_for_what_stands_in_no_chain(audit: Command) -> None:
    (audit.place / "models" / MODEL / "reproductions").mkdir()
    key = f"models/{MODEL}/reproductions/0000000001.json"
    (audit.place / key).write_bytes(b'{"version": 1, "outcome": "identical"}')
    audit("verify", code=1)
    lines = audit("adopt", MODEL, "--who", "ann", "--why", "I wrote it")
    assert lines == [key, f"1 record adopted in {audit.place}, ann vouches for them"]
    audit("verify")
    assert audit("log", MODEL)[-2].endswith("adopted: version 1 built again: identical: I wrote it  by ann")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["verify", "none"], "knows nothing of a model none"),
        (["verify", MODEL, "--expect", "7"], "not the head of an audit log; given '7'"),
        (["log", MODEL, "--since", "noon"], "--since; given noon; expected a time in ISO 8601"),
        (["head", "none"], "knows nothing of a model none"),
        (["export", "none", "--out", "{out}"], "knows nothing of a model none"),
        (["adopt", MODEL, "--who", "", "--why", "x"], "who vouches for the records"),
    ],
)
def test_a_mistake_is_one_line(audit: Command, tmp_path: Path, arguments: list[str], said: str) -> None:
    out = tmp_path / "out.jsonl"
    lines = audit(*(one.format(out=out) for one in arguments), code=2)
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1
    assert said in errors[0]
    assert not out.exists()


def test_a_place_without_a_store_is_not_made_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", "--store", str(tmp_path / "none")]) == 2
    assert "no store there" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_command_says_who_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    arguments: Any = type("Arguments", (), {"func": staticmethod(lambda _: seen.append(actor().who))})
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    cli.run(arguments)

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.setattr(cli.os, "getuid", lambda: 4711)
    cli.run(arguments)
    assert seen == ["ann", "uid 4711"]
