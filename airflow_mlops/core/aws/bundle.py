"""Our source as SageMaker's containers take it: entry points, the package beside them, and what pip has to install."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import airflow_mlops
from airflow_mlops.core.aws.archive import Member, put_archive
from airflow_mlops.core.aws.requirements import PYTHON, requirements
from airflow_mlops.core.store import Store

#: Name of the program of a training (``sagemaker_program``) and of a server (``SAGEMAKER_PROGRAM``).
TRAIN, INFERENCE = "train.py", "inference.py"
_FOLDER = "sagemaker/code"
_NAME = "sourcedir.tar.gz"
#: What containers run of the package; the Airflow classes stay at home.
_PARTS = ("__init__.py", "container", "core", "spec")

_ENTRY = {
    TRAIN: '''"""Entry point of a training job."""

import sys

from airflow_mlops.container.train import main

if __name__ == "__main__":
    sys.exit(main())
''',
    INFERENCE: '''"""Entry point of an endpoint: what SageMaker's server calls."""

from airflow_mlops.container.inference import input_fn, model_fn, output_fn, predict_fn

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]
''',
}
# The container runs `pip install .` here. Its own setup.py, made where there is none, would install the package as
# data files, of which setuptools says that it will stop; its server imports inference.py from site-packages.
_SETUP = '''"""Installs our source where it is; what it needs stands in requirements.txt."""

from setuptools import find_packages, setup

setup(
    name="airflow-mlops",
    version="{version}",
    packages=find_packages(include=["airflow_mlops", "airflow_mlops.*"]),
    py_modules=["inference", "train"],
)
'''


def code_uri(store: Store, lock: str, modules: Iterable[str] = (), *, python: str | None = PYTHON) -> str:
    """Store the archive for ``sagemaker_submit_directory`` unless it is there; return its URI.

    :param lock: of the environment to train in, usually that of this process: ``environment_lock()``.
    :param modules: what the feature code imports.
    :param python: see :func:`~airflow_mlops.core.aws.requirements.requirements`.
    :raises PlatformError: if the lock has no XGBoost.
    """
    # Features in SQL are computed with DuckDB, and so are joins.
    members = source(lock, {*modules, "duckdb"}, python=python)
    return f"{store.uri}/{put_archive(store, _FOLDER, _NAME, members)}"


def source(
    lock: str, modules: Iterable[str] = (), *, python: str | None = PYTHON, below: str = ""
) -> list[Member]:
    """The files: entry points at the top, the package, ``setup.py`` and ``requirements.txt``.

    :param below: folder in the archive, e.g. ``code/``.
    """
    texts = {
        **_ENTRY,
        "setup.py": _SETUP.format(version=airflow_mlops.__version__),
        "requirements.txt": requirements(lock, modules, python=python),
    }
    ours = [Member(below + name, text.encode()) for name, text in texts.items()]
    return [*ours, *_package(below)]


def _package(below: str) -> list[Member]:
    root = Path(airflow_mlops.__file__).parent
    found: list[Path] = []
    for part in _PARTS:
        path = root / part
        found += [path] if path.is_file() else path.rglob("*")
    return [
        Member(f"{below}airflow_mlops/{path.relative_to(root).as_posix()}", path.read_bytes())
        for path in found
        if path.suffix == ".py" and path.is_file()
    ]
