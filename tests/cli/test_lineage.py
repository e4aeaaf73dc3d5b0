"""``airflow-mlops lineage``: both ways, as text, JSON and pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.lineage.graph import Graph, Impact
from airflow_mlops.core.store import open_store
from tests.core.lineage.graph.world import orders


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # no record has to outlive the machine


@pytest.fixture
def lineage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    orders(open_store(str(tmp_path / "store")))

    def run(*arguments: str, code: int = 0, store: str = "store") -> str:
        assert main(["lineage", *arguments, "--store", str(tmp_path / store)]) == code
        said = capsys.readouterr()
        return said.err if code == 2 else said.out

    return run


def test_the_path_of_a_version(lineage: Any) -> None:
    lines = lineage("orders:2").splitlines()
    assert lines[0] == "orders:2"
    assert "made of" in lines
    assert any(line.endswith("file orders/bad.parquet") for line in lines)
    assert any(line.strip("│└├─ ").startswith("endpoint of orders") for line in lines)
    graph = Graph.from_bytes(lineage("orders:2", "--json").encode())
    assert graph.node("endpoint:orders").facts["serves"] == [{"version": 2, "role": "champion"}]
    assert "1 file" not in lineage("orders:2", "--files", "2")
    assert "2 more files" in lineage("orders:2", "--files", "1")


def test_which_models_saw_this_file(lineage: Any) -> None:
    text = lineage("--file", "orders/bad.parquet")
    assert "  orders:2, champion; learned from orders@bb33" in text.splitlines()
    assert "endpoint of orders: version 2 as champion since 2024-01-15 00:00" in text
    impact = Impact.from_bytes(lineage("--file", "orders/bad.parquet", "--json").encode())
    assert [one.version for one in impact.versions] == [1, 2]


def test_what_a_bad_batch_touches(lineage: Any) -> None:
    assert "orders:3, was challenger" in lineage("--dataset", "orders@cc")


def test_nothing_found_is_exit_code_1(lineage: Any) -> None:
    assert "5 dataset versions looked at" in lineage("--file", "nobody.parquet", code=1)
    assert json.loads(lineage("--file", "nobody.parquet", "--json", code=1))["versions"] == []
    assert "(none is there)" in lineage("--file", "nobody.parquet", code=1, store="empty")


@pytest.mark.parametrize(
    "question", [("orders:2",), ("--file", "orders/bad.parquet"), ("--dataset", "orders@aa11")]
)
def test_pictures(lineage: Any, tmp_path: Path, question: tuple[str, ...]) -> None:
    for name in ("out.svg", "out.html"):
        assert lineage(*question, "--out", str(tmp_path / name)).splitlines()[-1] == str(tmp_path / name)
    ElementTree.parse(tmp_path / "out.svg")
    assert (tmp_path / "out.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    json.loads(lineage(*question, "--json", "--out", str(tmp_path / "out.svg")))


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("orders",), "not a model version; given 'orders'; expected MODEL:VERSION"),
        (("orders:two",), "not a model version"),
        ((f"orders:{'9' * 5000}",), "not a model version"),
        (("orders:9",), "orders has no version 9; expected 1 to 3"),
        (("ordres:1",), "there is no model ordres in"),
        (("--dataset", "orders"), "not a dataset version; given 'orders'; expected NAME@ID"),
        (("--dataset", "orders@a"), "2 versions of orders have an id that starts so"),
        (("--file", "."), "this is a folder"),
        (("orders:1", "--out", "lineage.png"), "expected a file that ends in .svg or .html"),
        (("orders:1", "--out", "no/such/folder/out.svg"), "can't be written"),
    ],
)
def test_mistakes_are_one_line(lineage: Any, arguments: tuple[str, ...], said: str) -> None:
    error = lineage(*arguments, code=2)
    assert said in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [(), ("orders:1", "--file", "a"), ("--file", "a", "--dataset", "b"), ("a:1", "--files", "x")]
)
def test_one_question_at_a_time(lineage: Any, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        lineage(*arguments, code=2)


def test_neither_airflow_nor_openlineage_is_needed() -> None:
    code = (
        "import sys; sys.modules.update(airflow=None, openlineage=None, pandas=None, pyarrow=None);"
        "import airflow_mlops.cli.lineage, airflow_mlops.core.lineage.graph.page"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
