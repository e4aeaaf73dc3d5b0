from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_mlops.core.doctor import Finding
from airflow_mlops.core.doctor.packages import EXTRAS, GATHERING, check_packages

DECLARED = (
    "pydantic>=2",
    "pyarrow>=1",
    'no-such-package>=1; extra == "dask"',
    'packaging>=1; extra == "delta"',
)


def look(*declared: str, needed: dict[str, str] | None = None, python: str = ">=3.10") -> list[Finding]:
    return list(check_packages(needed or {}, declared=declared or DECLARED, python=python))


def test_this_environment_is_right() -> None:
    assert "problem" not in {one.state for one in check_packages({})}


def test_an_extra_that_is_missing_matters_where_it_is_needed() -> None:
    base, extras = look()
    assert (base.state, extras.state) == ("ok", "ok")
    assert extras.found.startswith("installed: delta; not installed: dask (")
    found = look(needed={"dask": "the spec trains there"})
    assert [one.state for one in found] == ["ok", "problem", "ok"]
    assert "the spec trains there" in found[1].found
    assert found[1].remedy == "pip install 'airflow-mlops[dask]'"


@pytest.mark.parametrize(
    "requirement, state, said",
    [
        ("pydantic>=2000", "problem", "pip install 'pydantic>=2000'"),
        ("no-such-package>=1", "problem", "no-such-package is not installed"),
        ('pydantic>=2000; extra == "delta"', "warning", "expected pydantic>=2000"),
    ],
)
def test_a_version_that_we_do_not_work_with(requirement: str, state: str, said: str) -> None:
    found = [one for one in look(requirement) if one.state != "ok"]
    assert [one.state for one in found] == [state]
    assert said in found[0].said


def test_a_python_that_we_do_not_work_with() -> None:
    assert look(python="<3")[0].state == "problem"


def test_every_extra_is_told_what_it_is_for() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    section = text.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    assert set(re.findall(r"^(\w+) = \[", section, re.MULTILINE)) == {*EXTRAS, *GATHERING}
