from __future__ import annotations

import ast
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import IntegrityError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.training.program import REQUIRES, program, put_program, unpack_program
from airflow_mlops.core.training.run import train
from tests.core.training.world import spec_of


def modules() -> dict[str, str]:
    """The modules of the archive with their source."""
    with zipfile.ZipFile(io.BytesIO(program())) as packed:
        return {
            name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): packed.read(name).decode()
            for name in packed.namelist()
            if name.endswith(".py")
        }


def test_a_training_keeps_the_code_that_trained(store: Store, version: DatasetVersion) -> None:
    trained = train(store, spec_of(), version)
    assert trained.program == put_program(store) == hashlib.sha256(program()).hexdigest()
    assert get_bytes(store, trained.program) == program()


def test_the_archive_imports_nothing_of_ours_that_it_lacks() -> None:
    there = modules()
    for name, source in there.items():
        for node in ast.walk(ast.parse(source)):
            wanted = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wanted += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            lacking = [one for one in wanted if one.startswith("airflow_mlops") and one not in there]
            assert not lacking, f"{name} imports {lacking}"
            assert not any(one.split(".")[0] == "airflow" for one in wanted), name


def test_the_archive_holds_no_tests_and_no_caches() -> None:
    with zipfile.ZipFile(io.BytesIO(program())) as packed:
        names = packed.namelist()
        assert {one.date_time for one in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert names == sorted(names)
    assert all(name.startswith("airflow_mlops/") for name in names if name != "requires.txt")
    assert not [name for name in names if "__pycache__" in name or "test" in name]
    assert "airflow_mlops/core/training/rebuild.py" in names


def test_unpacked_code_makes_the_same_archive_again(tmp_path: Path) -> None:
    """So what was trained again with it names the same program."""
    required = unpack_program(program(), tmp_path)
    assert set(REQUIRES) < set(required)
    ask = (
        "import sys; sys.path.insert(0, sys.argv[1]); import hashlib, airflow_mlops.core.training.program as p; "
        "print(p.__file__, hashlib.sha256(p.program()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", ask, str(tmp_path)], capture_output=True, text=True, check=True
    )
    place, sha256 = done.stdout.split()
    assert place.startswith(str(tmp_path))
    assert sha256 == hashlib.sha256(program()).hexdigest()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="stored training code is no archive of ours"):
        unpack_program(b"no zip", tmp_path)
    assert not list(tmp_path.iterdir())
