from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.serving.model_archive import put_model
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import blob_key, put_bytes
from tests.container.world import unpack
from tests.core.registry.world import MODEL, register, spec, trained

LOCK = b"pandas==2.2.3\nscipy==1.15.0\nxgboost-cpu==3.0.5\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def released(store: Store, **sections: object) -> None:
    model = trained(store, environment=put_bytes(store, LOCK))
    register(store, trained=model, spec=spec(**sections))


def test_a_version_is_packed_once(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released(store)
    key = put_model(store, MODEL, 1)
    assert key.startswith(f"sagemaker/models/{MODEL}/")
    assert key.endswith("/model.tar.gz")
    monkeypatch.setattr(type(store), "upload", lambda *_: pytest.fail("stored again"))
    monkeypatch.setattr(type(store), "download", lambda *_: pytest.fail("read again"))
    assert put_model(store, MODEL, 1) == key


def test_what_a_version_holds(store: Store, tmp_path: Path) -> None:
    released(store)
    model = trained(store, environment=put_bytes(store, LOCK))
    folder = unpack(store, put_model(store, MODEL, 1), tmp_path / "model")
    about = json.loads((folder / "version.json").read_bytes())
    assert (about["model"], about["number"], about["trained"]["artifact"]) == (MODEL, 1, model.artifact)
    assert (folder / "store" / blob_key(model.artifact)).read_bytes() == b"a model"
    assert model.code is not None
    assert (folder / "store" / blob_key(model.code.sha256)).exists()
    assert (folder / "code" / "inference.py").exists()
    assert (folder / "code" / "requirements.txt").read_text().splitlines() == [
        "xgboost==3.0.5",
        "pandas==2.2.3",
        "numpy>=1.26",
        "pyarrow>=16",
    ]


def test_the_rule_alone_holds_no_model(store: Store, tmp_path: Path) -> None:
    released(store, serving={"fallback": {"default": 0.5}})
    folder = unpack(store, put_model(store, MODEL, None), tmp_path / "model")
    about = json.loads((folder / "version.json").read_bytes())
    assert (about["number"], about["trained"], about["serving"]["fallback"]["default"]) == (None, None, 0.5)
    assert not (folder / "store").exists()


def test_no_rule_and_no_version(store: Store) -> None:
    with pytest.raises(RegistryError, match=f"{MODEL} has no fallback rule; given no version"):
        put_model(store, MODEL, None)
    with pytest.raises(RegistryError, match=f"{MODEL} has no version 1"):
        put_model(store, MODEL, 1)
    released(store)
    with pytest.raises(RegistryError, match=r"no fallback rule; given version 1 without serving.fallback"):
        put_model(store, MODEL, None)
