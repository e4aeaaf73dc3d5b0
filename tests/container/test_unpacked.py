"""Archives in an empty folder: what is imported there is what they hold, not what is installed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_mlops.core.aws.bundle import code_uri
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.environment import environment_lock
from airflow_mlops.core.training.predictor import Predictor
from tests.container.world import FEATURES, release, spec, unpack, unpacked


def python(folder: Path, program: str) -> str:
    """What a program says with only this folder, and what is installed, on its path."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("entry", ["inference", "train"])
def test_entry_points_run_from_the_archive(store: Store, tmp_path: Path, entry: str) -> None:
    key = code_uri(store, environment_lock()).removeprefix(f"{store.uri}/")
    folder = unpack(store, key, tmp_path / "code")
    said = json.loads(
        python(
            folder,
            f"""
import json, sys, {entry}, airflow_mlops
heavy = ("airflow", "xgboost", "pandas", "pyarrow", "duckdb", "boto3", "airflow_mlops.operators", "uvicorn")
ours = [m.__file__ for n, m in sys.modules.items() if n.startswith("airflow_mlops") and m.__file__]
print(json.dumps([airflow_mlops.__file__, [n for n in heavy if n in sys.modules], ours]))
""",
        )
    )
    assert said[0] == str(folder / "airflow_mlops" / "__init__.py")
    assert said[1] == []
    assert all(name.startswith(str(folder)) for name in said[2])


@pytest.mark.parametrize("kind", sorted(FEATURES))
def test_a_model_answers_from_its_archive(
    store: Store, version: DatasetVersion, tmp_path: Path, kind: str
) -> None:
    """As SageMaker's server runs it: the code's folder on the path, the model's folder as argument."""
    released = release(store, version, spec(kind))
    folder = unpacked(store, 1, tmp_path / "model")
    rows = released.rows(5)
    said = python(
        folder / "code",
        f"""
import sys, inference
model = inference.model_fn({str(folder)!r})
body = {json.dumps(rows)!r}
reply = inference.output_fn(inference.predict_fn(inference.input_fn(body, "application/json"), model), "")
assert not any(name == "airflow" or name.startswith("airflow.") for name in sys.modules)
print(reply.get_data().decode())
""",
    )
    expected = Predictor.load(store, released.trained).predict(rows).tolist()
    assert json.loads(said)["predictions"] == expected


def test_setup_installs_the_package_and_the_entry_points(store: Store, tmp_path: Path) -> None:
    """The container runs ``pip install .``, which runs this; its server imports inference.py from site-packages."""
    key = code_uri(store, environment_lock()).removeprefix(f"{store.uri}/")
    folder = unpack(store, key, tmp_path / "code")
    pytest.importorskip("setuptools")
    python(
        folder, f"import sys; sys.argv = ['setup.py', '-q', 'build', '-b', {str(tmp_path)!r}]; import setup"
    )
    built = tmp_path / "lib"
    ours = {path.relative_to(folder) for path in folder.rglob("*.py")} - {Path("setup.py")}
    assert {path.relative_to(built) for path in built.rglob("*.py")} == ours
