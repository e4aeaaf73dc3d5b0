"""A server that throttles is asked again, later each time, and never by all at the same moment."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_mlops.core.aws.environment import EnvironmentAws
from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.store.multipart import PART_BYTES
from airflow_mlops.core.store.s3 import S3Store

_TRIES = 6
_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_BEGUN = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
_DONE = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"


class Throttling(ThreadingHTTPServer):
    """An S3 server that answers 503 SlowDown to each new request, and to its repetitions but the last."""

    daemon_threads = True

    def __init__(self, refusals: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refusals = refusals
        self.lock = threading.Lock()
        self.seen: dict[str, int] = {}
        self.objects: dict[str, bytes] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # botocore waits a second for the answer to its Expect
    server: Throttling

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._throttled():
            self.server.objects[self.path] = body
            self._answer(200)

    def do_HEAD(self) -> None:
        if not self._throttled():
            self._answer(404)

    def do_GET(self) -> None:
        if not self._throttled():
            self._answer(200, self.server.objects[self.path])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self._throttled():
            self._answer(200, _BEGUN if self.path.endswith("?uploads") else _DONE)

    def do_DELETE(self) -> None:
        self._answer(204)

    def _throttled(self) -> bool:
        request = f"{self.command} {self.path}"
        with self.server.lock:
            self.server.seen[request] = self.server.seen.get(request, 0) + 1
            refused = self.server.seen[request] <= self.server.refusals
        if refused:
            self._answer(503, b"" if self.command == "HEAD" else _SLOW_DOWN)
        return refused

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Throttling]:
    with Throttling(request.param) as there:
        thread = threading.Thread(target=there.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{there.server_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        try:
            yield there
        finally:
            there.shutdown()
            thread.join()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long botocore waits before each repetition; nobody really waits."""
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.mark.parametrize("server", [_TRIES - 1], indirect=True)
def test_it_is_asked_again_with_growing_and_random_pauses(server: Throttling, pauses: list[float]) -> None:
    store = S3Store("bucket", "p", EnvironmentAws().client("s3"))
    store.create("k", b"not to be lost")
    assert server.objects["/bucket/p/k"].find(b"not to be lost") >= 0
    assert len(pauses) == _TRIES - 1
    # Exponential backoff with full jitter: anything from 0 to 2**i seconds.
    assert all(0 <= pause <= 2**again for again, pause in enumerate(pauses))
    store.create("l", b"")
    assert pauses[: _TRIES - 1] != pauses[_TRIES - 1 :]


@pytest.mark.parametrize("server", [1], indirect=True)
def test_parts_and_reads_are_asked_again(server: Throttling, pauses: list[float], tmp_path: Path) -> None:
    data = os.urandom(PART_BYTES + 1)
    (tmp_path / "file").write_bytes(data)
    store = S3Store("bucket", "", EnvironmentAws().client("s3"))
    store.upload(tmp_path / "file", "blobs/k", hashlib.sha256(data).hexdigest())
    server.objects["/bucket/read"] = b"as it was"
    assert store.read("read") == b"as it was"
    # The look whether it is there; begin, two parts, end; the read.
    assert len(pauses) == 6
    assert all(count == 2 for count in server.seen.values())


@pytest.mark.parametrize("server", [99], indirect=True)
def test_a_server_that_throttles_on_is_told(server: Throttling, pauses: list[float]) -> None:
    store = S3Store("bucket", "p", EnvironmentAws().client("s3"))
    with pytest.raises(StoreError, match=r"can't write k in s3://bucket/p: .*overloaded.*run it again later"):
        store.create("k", b"")
    assert len(pauses) == _TRIES - 1
    assert not server.objects
