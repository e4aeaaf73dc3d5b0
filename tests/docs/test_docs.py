"""What the docs say is so: fields exist, examples parse, links lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.spec import ModelSpec

ROOT = Path(__file__).parents[2]
# Sorted: all workers of pytest-xdist have to find the same tests in the same order.
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"])


def sections() -> dict[str, type[BaseModel]]:
    """The sections of a spec, those that may be left out too."""
    return {
        name: kind
        for name, field in ModelSpec.model_fields.items()
        for kind in (get_args(field.annotation) or (field.annotation,))
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    }


@pytest.mark.parametrize("name", sections())
def test_the_reference_names_every_field_of_a_section(name: str) -> None:
    page = (ROOT / "docs/reference/spec.md").read_text()
    match = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert match, f"section {name} is missing"
    for field in sections()[name].model_fields:
        assert re.search(rf"[`.]{field}[`.]", match.group(1)), f"{name}.{field} is missing"


def leaves(kind: type[BaseModel], path: str = "") -> list[str]:
    """Every field of a section and of those in it, by its path."""
    found = []
    for name, field in kind.model_fields.items():
        inner = [
            one
            for one in (field.annotation, *get_args(field.annotation))
            if isinstance(one, type) and issubclass(one, BaseModel)
        ]
        found += leaves(inner[0], f"{path}{name}.") if inner else [f"{path}{name}"]
    return found


@pytest.mark.parametrize("path", leaves(SageMaker))
def test_the_reference_names_every_field_of_sagemaker(path: str) -> None:
    page = (ROOT / "docs/reference/connection.md").read_text()
    section, _, last = path.rpartition(".")
    alone, row = rf"`{re.escape(path)}[.`]", rf"^\| `{re.escape(section)}\..*`\.{last}`"
    assert re.search(alone, page) or re.search(row, page, re.MULTILINE), path


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_between_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_examples_parse(page: Path) -> None:
    for language, text in re.findall(r"```(\w+)\n(.*?)```", page.read_text(), re.DOTALL):
        if language == "python":
            ast.parse(text)
        elif language == "yaml":
            fields = yaml.safe_load(text)
            if "features" in fields:
                ModelSpec(**fields)


def dag_files() -> list[tuple[str, str]]:
    """The DAG files that the docs show whole, and ours, each with a name."""
    shown = [
        (f"{page.name}-{number}", text)
        for page in PAGES
        for number, text in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    ]
    ours = [(file.name, file.read_text()) for file in sorted((ROOT / "dags").glob("*.py"))]
    whole = ("from airflow_mlops.spec import", "from airflow_mlops.templates import")
    return [(name, text) for name, text in shown + ours if all(line in text for line in whole)]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in dag_files()])
def test_the_safe_mode_of_airflow_does_not_pass_over_a_dag_file(text: str, tmp_path: Path) -> None:
    from airflow.utils.file import might_contain_dag

    (tmp_path / "example.py").write_text(text)
    assert might_contain_dag(str(tmp_path / "example.py"), safe_mode=True)


def test_the_dag_file_of_the_readme_makes_its_dags() -> None:
    from airflow.sdk import DAG

    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example
    code = example.group(1).replace("lifecycle(\n", "made = lifecycle(\n")
    space: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), space)
    made = space["made"]
    assert isinstance(made, tuple)
    assert {dag.dag_id for dag in made if isinstance(dag, DAG)} == {
        "churn.release",
        "churn.monitor",
        "churn.rollout",
        "churn.rollback",
        "churn.reproduce",
    }
