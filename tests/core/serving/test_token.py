from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.cli.serve import TOKEN_ENV, read_token
from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.serving.server import Address, is_loopback
from airflow_mlops.core.store.folder import FolderStore
from tests.core.serving.fakes import MODEL, ROW, SOON, client, deploy, running


def test_every_route_but_ping_asks_for_the_token(store: FolderStore, tmp_path: Path) -> None:
    deploy(store, "promote", 1)
    with running(store, spool=tmp_path / "spool", token="s3cret") as url, client(url) as http:
        assert http.get("/ping").status_code == 200
        for method, path in (
            ("GET", "/endpoints"),
            ("GET", "/metrics"),
            ("GET", f"/endpoints/{MODEL}"),
            ("GET", f"/endpoints/{MODEL}/resources"),
            ("POST", f"/endpoints/{MODEL}/invocations"),
            ("POST", f"/endpoints/{MODEL}/reconcile"),
            ("POST", f"/endpoints/{MODEL}/ground-truth"),
            ("GET", "/nothing"),
        ):
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "s3cret"}):
                response = http.request(method, path, headers=headers)
                assert response.status_code == 401
                assert response.headers["www-authenticate"] == "Bearer"
        endpoint = LocalEndpoint(url, MODEL, store, token="s3cret")
        endpoint.reconcile(deploy(store, "promote", 2), SOON)
        assert endpoint.invoke([ROW]).variant == "v2"
        for wrong in (None, "wrong"):
            with pytest.raises(EndpointError, match="refuses the token") as refused:
                LocalEndpoint(url, MODEL, store, token=wrong).describe()
            assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_beyond_loopback_a_token_is_needed(host: str) -> None:
    with pytest.raises(EndpointError, match=f"given host {host} without a token.*--token-file"):
        Address(host=host)
    assert "s3cret" not in repr(Address(host=host, token="s3cret"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


def test_token_from_file_or_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_ENV, raising=False)
    assert read_token(None) is None
    monkeypatch.setenv(TOKEN_ENV, "from env")
    assert read_token(None) == "from env"
    file = tmp_path / "token"
    with pytest.raises(EndpointError, match="can't be read"):
        read_token(file)
    file.write_text(" \n")
    with pytest.raises(EndpointError, match="is empty"):
        read_token(file)
    file.write_text("from file\n")
    assert read_token(file) == "from file"
