"""A DAG file is parsed again and again: nothing that it imports may be heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAVY = (
    "boto3",
    "botocore",
    "dask",
    "duckdb",
    "evidently",
    "great_expectations",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "sagemaker",
    "scipy",
    "sklearn",
    "xgboost",
)
#: Rooms that DAG files import; the triggerer and the UI import the last three.
ROOMS = ("hooks", "notifications", "operators", "sensors", "templates", "triggers", "links")


def _modules() -> list[str]:
    found = [file for room in ROOMS for file in (ROOT / "airflow_mlops" / room).rglob("*.py")]
    found += [ROOT / "airflow_mlops" / f"{name}.py" for name in ("spec", "platform", "plugin", "assets")]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in found]


def test_no_module_that_a_dag_file_reaches_imports_a_heavy_one() -> None:
    modules = _modules()
    assert len(modules) > 10
    code = f"""
import sys
import airflow.sdk
from airflow.sdk import DAG, Asset, BaseOperator, Param
before = set(sys.modules)
import importlib
for name in {modules!r}:
    importlib.import_module(name.removesuffix(".__init__"))
    new = set(sys.modules) - before
    heavy = sorted(one for one in {HEAVY!r} if one in new)
    assert not heavy, f"{{name}} imports {{heavy}}: import them inside the function that uses them"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
