"""The page about the simulator: its example runs, and it names what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.testing.sagemaker.harness import SageMakerSimulator

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "simulator.md").read_text()


def test_the_example_runs(s3_server):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    keys = (s3_server.access_key, s3_server.secret_key)
    assert names["run"](s3_server.endpoint, *keys, s3_server.make_bucket()) == ["Completed", "Failed"]


@pytest.mark.parametrize(
    "name", [one for one in vars(SageMakerSimulator) if not one.startswith("_") and one != "simulator"]
)
def test_every_method_is_there(name):
    assert f"`{name}" in PAGE


@pytest.mark.parametrize("kind", ["error", "capacity", "interrupted", "stopped", "internal"])
def test_every_fault_of_jobs_is_there(kind):
    assert re.search(rf"^\| `{kind}`", PAGE, re.MULTILINE)


def test_the_options_of_the_command_are_there():
    from airflow_mlops.testing.sagemaker.__main__ import _parser

    options = {one for action in _parser()._actions for one in action.option_strings} - {"-h", "--help"}
    assert [one for one in sorted(options) if one not in PAGE] == []
