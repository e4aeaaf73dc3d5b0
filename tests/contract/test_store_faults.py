"""S3 as it fails in real life: weak servers, lost answers, wrong credentials, servers that are not there."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from airflow_mlops.core.errors import KeyExists, KeyMissing, StoreError, UnsafeStore
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, open_store
from airflow_mlops.core.store.blobs import hash_file, put_file
from airflow_mlops.core.store.multipart import PART_BYTES
from airflow_mlops.core.store.probe import probe
from airflow_mlops.core.store.s3 import S3Store
from tests.servers import S3Server
from tests.servers.process import refusing_port

pytestmark = pytest.mark.s3


class Note(Record):
    """A small record."""

    text: str


def lose_first_answer(client: Any, operation: str) -> list[int]:
    """Let the server do the first request of ``operation``, and tell the client 503; returns the real statuses."""
    from botocore.httpsession import URLLib3Session

    session, real = URLLib3Session(), []

    def send(request: Any, **_: Any) -> AWSResponse | None:
        if real:
            return None
        real.append(session.send(request).status_code)
        return AWSResponse(request.url, 503, {}, SimpleNamespace(stream=lambda: [b""]))

    client.meta.events.register(f"before-send.s3.{operation}", send)
    return real


def test_a_versioned_bucket_of_radosgw_is_refused(radosgw_server: S3Server) -> None:
    store = S3Store(radosgw_server.make_bucket(versioned=True), "p", radosgw_server.client())
    with pytest.raises(UnsafeStore, match=r"can't hold logs.*versioned.*use an unversioned bucket"):
        probe(store)
    assert list(store.list("")) == []


def test_a_versioned_bucket_that_keeps_the_promise_is_trusted(ministack_server: S3Server) -> None:
    probe(S3Store(ministack_server.make_bucket(versioned=True), "p", ministack_server.client()))


def test_a_server_that_ignores_conditions_is_refused(ministack_server: S3Server) -> None:
    def forget(params: dict[str, Any], **_: Any) -> None:
        params["headers"].pop("If-None-Match")

    client = ministack_server.client()
    client.meta.events.register("before-call.s3.PutObject", forget)
    with pytest.raises(UnsafeStore, match=r"16 of 16 writers.*ignores conditional writes"):
        probe(S3Store(ministack_server.make_bucket(client), "p", client))


def test_a_write_whose_answer_was_lost_is_ours(radosgw_server: S3Server) -> None:
    client = radosgw_server.client()
    store = S3Store(radosgw_server.make_bucket(), "p", client)
    real = lose_first_answer(client, "PutObject")
    assert Log(store, "log", Note).append(Note(text="once"), after=0) == 1
    assert real == [200]
    assert [entry.text for _, entry in Log(store, "log", Note).entries()] == ["once"]


def test_a_repeated_write_does_not_take_the_object_of_another(radosgw_server: S3Server) -> None:
    client = radosgw_server.client()
    bucket = radosgw_server.make_bucket()
    S3Store(bucket, "p", radosgw_server.client()).create("k", b"same bytes")
    real = lose_first_answer(client, "PutObject")
    with pytest.raises(KeyExists):
        S3Store(bucket, "p", client).create("k", b"same bytes")
    assert real == [412]


@pytest.mark.parametrize("name", ["radosgw_server", "ministack_server"])
def test_a_completed_upload_whose_answer_was_lost_is_ours(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: S3Server = request.getfixturevalue(name)
    client = server.client()
    store = S3Store(server.make_bucket(), "p", client)
    (tmp_path / "file").write_bytes(os.urandom(PART_BYTES + 1))
    real = lose_first_answer(client, "CompleteMultipartUpload")
    store.upload(tmp_path / "file", "k", hash_file(tmp_path / "file"))
    assert real == [200]
    store.download("k", tmp_path / "copy", hash_file(tmp_path / "file"))


def test_an_upload_that_fails_leaves_no_parts(radosgw_server: S3Server, tmp_path: Path) -> None:
    client = radosgw_server.client()
    bucket = radosgw_server.make_bucket()
    (tmp_path / "file").write_bytes(os.urandom(PART_BYTES + 1))
    with pytest.raises(StoreError, match="was changed"):
        S3Store(bucket, "p", client).upload(tmp_path / "file", "k", "0" * 64)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_a_foreign_object_is_no_part_of_the_store(radosgw_server: S3Server) -> None:
    client, bucket = radosgw_server.client(), radosgw_server.make_bucket()
    for key in ("p/", "p/log/", "p/log/notes.txt", "p/with space", "other/k", "pp"):
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    store = S3Store(bucket, "p", client)
    log = Log(store, "log", Note)
    log.append(Note(text="a"), after=0)
    assert [item.key for item in store.list("")] == ["log/0000000001.json", "log/notes.txt"]
    assert log.newest() == (1, Note(text="a"))


def test_a_missing_bucket_is_named(radosgw_server: S3Server, tmp_path: Path) -> None:
    store = S3Store("no-such-bucket", "p", radosgw_server.client())
    (tmp_path / "file").write_bytes(b"x")
    for action in (
        lambda: store.read("k"),
        lambda: store.create("k", b""),
        lambda: list(store.list("")),
        lambda: probe(store),
        lambda: put_file(store, tmp_path / "file"),
    ):
        with pytest.raises(
            StoreError, match=r"s3://no-such-bucket/p: there is no such bucket.*make the bucket"
        ) as caught:
            action()
        assert not isinstance(caught.value, KeyMissing)


def test_wrong_credentials_are_told_and_not_shown(
    radosgw_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"AWS_ACCESS_KEY_ID": "nobody"}, {"AWS_SECRET_ACCESS_KEY": "mistaken"}
    for change in wrong:
        for name, value in {**radosgw_server.env(), **change}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(StoreError, match="credentials are not known to the server") as caught:
            open_store("s3://some-bucket/p").create("k", b"")
        assert "mistaken" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_client_of_our_own_finds_the_server_by_the_environment(
    radosgw_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in radosgw_server.env().items():
        monkeypatch.setenv(name, value)
    # a host name, not an address: boto3 alone would ask bucket.localhost
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", radosgw_server.endpoint.replace("127.0.0.1", "localhost"))
    store = open_store(f"s3://{radosgw_server.make_bucket()}/a/b/")
    store.create("k", b"x")
    assert store.read("k") == b"x"
    assert store.uri.endswith("/a/b")


def test_a_server_that_is_not_there_is_named() -> None:
    with refusing_port() as port:
        gone = S3Server("gone", f"http://127.0.0.1:{port}")
        store = S3Store("bucket", "p", gone.client(retries={"total_max_attempts": 1}))
        for action in (lambda: store.read("k"), lambda: store.create("k", b""), lambda: store.exists("k")):
            with pytest.raises(StoreError, match=r"the server can't be reached.*check the endpoint URL"):
                action()
