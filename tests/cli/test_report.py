"""The report of an evaluation as a file, of a registered version and of a refused model."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from airflow_mlops.cli.definition import get_mlops_cli_commands, run_in_airflow
from airflow_mlops.cli.evaluation import run_report
from airflow_mlops.cli.main import main
from airflow_mlops.cli.version import run as run_version
from airflow_mlops.core.evaluation.page import render
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.store.results import keep
from airflow_mlops.core.wording import size
from tests.core.evaluation import whole
from tests.core.registry.world import MODEL, evaluation, register


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def test_of_a_refused_evaluation(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = render(whole.evaluation(refused=True), title="orders")
    record = whole.evaluation(refused=True).model_copy(update={"page": put_bytes(store, page.encode())})
    ref, out = keep(store, record), tmp_path / "report.html"
    assert (
        main(["evaluation", "report", ref, "--store", store.uri.removeprefix("file://"), "--out", str(out)])
        == 0
    )
    assert out.read_text() == page
    assert capsys.readouterr().out == (
        f"{out}: report of evaluation {ref[:12]}, refused, {size(len(page.encode()))}\n"
    )


def test_of_a_registered_version(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passed = evaluation().model_copy(update={"page": put_bytes(store, b"<!DOCTYPE html>")})
    register(store, evaluation=passed)
    out = tmp_path / "report.html"
    assert main(["version", "report", MODEL, "1", "--store", str(tmp_path / "store"), "--out", str(out)]) == 0
    assert out.read_bytes() == b"<!DOCTYPE html>"
    assert f"report of {MODEL} version 1, passed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments,says",
    [
        (["version", "report", MODEL, "1"], f"{MODEL} version 1 has no report"),
        (["version", "report", MODEL, "2"], "2"),
        (["evaluation", "report", "0" * 64], "000"),
        (["evaluation", "report", "nonsense"], "not the hash of a blob"),
    ],
)
def test_what_is_not_there_is_one_line(
    store: Store, tmp_path: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    register(store)
    out = tmp_path / "report.html"
    assert main([*arguments, "--store", str(tmp_path / "store"), "--out", str(out)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err
    assert not out.exists()


def test_a_file_that_cannot_be_written_is_one_line(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register(store, evaluation=evaluation().model_copy(update={"page": put_bytes(store, b"page")}))
    out = tmp_path / "nowhere" / "report.html"
    assert main(["version", "report", MODEL, "1", "--store", str(tmp_path / "store"), "--out", str(out)]) == 2
    assert f"{out} can't be written; given No such file or directory" in capsys.readouterr().err


def test_airflow_offers_a_command_that_has_commands_below_it() -> None:
    (command,) = get_mlops_cli_commands()
    parser = argparse.ArgumentParser()
    for argument in command.args:
        argument.add_to_parser(parser)
    alone = parser.parse_args(["version"])
    assert (alone.func, alone.mlops_func) == (run_in_airflow, run_version)
    report = parser.parse_args(["evaluation", "report", "r", "--store", "s", "--out", "o"])
    assert (report.func, report.mlops_func) == (run_in_airflow, run_report)
