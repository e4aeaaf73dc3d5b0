from __future__ import annotations

import gzip
import shutil
import tarfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import airflow_mlops
from airflow_mlops.core.aws.archive import Member, digest_of, put_archive, write_archive
from airflow_mlops.core.aws.bundle import code_uri, source
from airflow_mlops.core.aws.requirements import requirements
from airflow_mlops.core.errors import IntegrityError, KeyMissing, PlatformError
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import blob_key, put_bytes
from airflow_mlops.core.training.environment import environment_lock

LOCK = """# python 3.10.14 linux x86_64
airflow-mlops==0.1.0
duckdb==1.5.1
flask==3.1.3
msgspec==0.20.0
numpy==2.1.0
pandas==2.2.3
pydantic==2.11.7
scikit-learn==1.7.2
xgboost==3.0.5
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def keys(store: Store) -> list[str]:
    return [item.key for item in store.list("")]


def test_the_same_source_is_stored_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = code_uri(store, LOCK)
    assert uri.startswith(f"{store.uri}/sagemaker/code/")
    assert uri.endswith("/sourcedir.tar.gz")
    before = store.read(keys(store)[0])
    monkeypatch.setattr(type(store), "upload", lambda *_: pytest.fail("stored again"))
    assert code_uri(store, LOCK) == uri
    assert [store.read(key) for key in keys(store)] == [before]


def test_other_content_has_another_key(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = code_uri(store, LOCK)
    assert code_uri(store, LOCK.replace("3.0.5", "3.2.0")) != first
    copy = tmp_path / "airflow_mlops"
    shutil.copytree(Path(airflow_mlops.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(airflow_mlops, "__file__", str(copy / "__init__.py"))
    assert code_uri(store, LOCK) == first  # wherever it is installed
    with (copy / "core" / "errors.py").open("a") as stream:
        stream.write("# changed\n")
    assert code_uri(store, LOCK) != first


def test_the_same_members_give_the_same_bytes(store: Store, tmp_path: Path) -> None:
    blob = put_bytes(store, b"model" * 1000)
    members = [Member("b", b"2"), Member("a/x.py", b"1"), Member("c", blob=blob)]
    write_archive(tmp_path / "first.tar.gz", members, store)
    write_archive(tmp_path / "second.tar.gz", members[::-1], store)
    assert (tmp_path / "first.tar.gz").read_bytes() == (tmp_path / "second.tar.gz").read_bytes()
    assert digest_of(members) == digest_of(members[::-1])
    with tarfile.open(tmp_path / "first.tar.gz") as tar:
        about = [(one.name, one.size, one.mode, one.mtime, one.uid, one.uname) for one in tar]
    assert about == [
        ("a/x.py", 1, 0o644, 0, 0, ""),
        ("b", 1, 0o644, 0, 0, ""),
        ("c", 5000, 0o644, 0, 0, ""),
    ]
    assert not (tmp_path / "blob").exists()


def test_a_blob_is_named_by_its_hash_without_being_read(store: Store) -> None:
    blob = put_bytes(store, b"model")
    assert digest_of([Member("c", blob=blob)]) == digest_of([Member("c", b"model")])
    assert digest_of([Member("d", blob=blob)]) != digest_of([Member("c", blob=blob)])


@pytest.mark.parametrize("damage,error", [(None, KeyMissing), (b"other", IntegrityError)])
def test_a_model_that_is_gone_or_changed_leaves_nothing(
    store: Store, tmp_path: Path, damage: bytes | None, error: type[Exception]
) -> None:
    blob = put_bytes(store, b"model")
    path = tmp_path / "store" / blob_key(blob)
    path.unlink()
    if damage:
        path.write_bytes(damage)
    with pytest.raises(error):
        put_archive(store, "sagemaker/models/m", "model.tar.gz", [Member("c", blob=blob)])
    assert not any(key.startswith("sagemaker") for key in keys(store))


def test_two_writers_store_one_archive(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one was faster between the look and the upload."""
    members = [Member("a", b"1")]
    monkeypatch.setattr(type(store), "exists", lambda self, key: False)
    first = put_archive(store, "sagemaker/code", "x.tar.gz", members)
    assert put_archive(store, "sagemaker/code", "x.tar.gz", members) == first


def test_what_containers_need_and_nothing_else() -> None:
    paths = {member.path for member in source(LOCK)}
    assert {"inference.py", "train.py", "setup.py", "requirements.txt"} <= paths
    assert {"airflow_mlops/__init__.py", "airflow_mlops/core/training/run.py"} <= paths
    tops = {path.split("/")[1] for path in paths if path.startswith("airflow_mlops/")}
    assert tops == {"__init__.py", "container", "core", "spec"}
    assert {path.rsplit(".", 1)[1] for path in paths} == {"py", "txt"}
    assert all(member.path.startswith("code/") for member in source(LOCK, below="code/"))


def test_requirements_of_a_lock() -> None:
    assert requirements(LOCK, {"sklearn", "re", "duckdb"}).splitlines() == [
        "xgboost==3.0.5",
        "duckdb==1.5.1",
        "msgspec==0.20.0",
        "pandas==2.2.3",
        "pydantic==2.11.7",
        "scikit-learn==1.7.2",
        "numpy>=1.26",
        "pyarrow>=16",
    ]


def test_xgboost_of_any_name_replaces_the_containers_own() -> None:
    assert requirements(LOCK.replace("xgboost==", "xgboost-cpu==")) == requirements(LOCK)
    with pytest.raises(PlatformError, match="has no XGBoost; pip install"):
        requirements("numpy==2.1.0\n")


def test_what_does_not_run_on_the_containers_python_is_not_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"Version": "1.5.1", "Requires-Python": ">=3.11.0, <4"}
    real = metadata.metadata

    def known(name: str) -> Any:
        return about if name == "duckdb" else real(name)

    monkeypatch.setattr(metadata, "metadata", known)
    lines = requirements(LOCK, {"duckdb"}).splitlines()
    assert "# duckdb 1.5.1 needs Python >=3.11.0, <4" in lines
    assert "duckdb>=1.5" in lines
    assert "duckdb==1.5.1" in requirements(LOCK, {"duckdb"}, python="3.11").splitlines()
    assert "duckdb==1.5.1" in requirements(LOCK, {"duckdb"}, python=None).splitlines()


def test_requirements_of_this_process_are_lines_that_pip_reads() -> None:
    from packaging.requirements import Requirement

    lines = requirements(environment_lock(), {"sklearn", "scipy", "duckdb"}).splitlines()
    names = [Requirement(line).name for line in lines if not line.startswith("#")]
    assert len(names) == len(set(names))
    assert {"xgboost", "pandas", "pydantic", "msgspec", "numpy", "pyarrow", "duckdb", "scipy"} <= set(names)
    assert not {"flask", "boto3", "xgboost-cpu"} & set(names)
    assert not any("://" in line or line.startswith("-") for line in lines)


def test_an_archive_is_a_plain_gzip(store: Store, tmp_path: Path) -> None:
    write_archive(tmp_path / "x.tar.gz", [Member("a", b"1")], store)
    raw = (tmp_path / "x.tar.gz").read_bytes()
    assert raw[4:8] == b"\0\0\0\0"  # no time
    assert gzip.decompress(raw)[:1] == b"a"
