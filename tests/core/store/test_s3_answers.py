"""What S3Store makes of answers that no test server gives on demand."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    ResponseStreamingError,
    SSOTokenLoadError,
)
from botocore.response import StreamingBody

from airflow_mlops.core.aws.environment import EnvironmentAws
from airflow_mlops.core.errors import KeyExists, KeyMissing, PlatformError, StoreError, UnsafeStore
from airflow_mlops.core.store import s3
from airflow_mlops.core.store.blobs import hash_file, put_bytes
from airflow_mlops.core.store.multipart import PART_BYTES
from airflow_mlops.core.store.s3 import S3Store


def answer(code: str, status: int, retries: int = 0) -> ClientError:
    meta = {"HTTPStatusCode": status, "RetryAttempts": retries}
    return ClientError({"Error": {"Code": code, "Message": "said so"}, "ResponseMetadata": meta}, "Operation")


class Scripted:
    """A client that raises what it is told, in turn, and else keeps objects as S3 does."""

    def __init__(self, **script: list[Exception | None]) -> None:
        self.script = script
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.aborted = 0

    def _next(self, call: str) -> None:
        self.calls.append(call)
        turn = self.script.get(call)
        error = turn.pop(0) if turn else None
        if error:
            raise error

    def put_object(self, *, Key: str, **given: Any) -> None:  # noqa: N803 - boto3's names
        self._next("put_object")
        if Key in self.objects:
            raise answer("PreconditionFailed", 412)
        self.objects[Key] = given

    def head_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._next("head_object")
        if Key not in self.objects:
            raise answer("404", 404)
        return self.objects[Key]

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._next("get_object")
        raise answer("NoSuchKey", 404)

    def create_multipart_upload(self, **_: Any) -> dict[str, str]:
        return {"UploadId": "u"}

    def upload_part(self, **_: Any) -> dict[str, str]:
        self._next("upload_part")
        return {"ETag": "e"}

    def complete_multipart_upload(self, *, Key: str, **given: Any) -> None:  # noqa: N803
        assert given["IfNoneMatch"] == "*"
        self._next("complete_multipart_upload")
        self.objects[Key] = {}

    def abort_multipart_upload(self, **_: Any) -> None:
        self.aborted += 1


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_pause", lambda again: None)


@pytest.mark.parametrize(
    "refusal", [answer("ConditionalRequestConflict", 409), answer("NoSuchKey", 404)], ids=["409", "404"]
)
def test_a_conflict_that_nobody_won_is_tried_again(refusal: ClientError) -> None:
    client = Scripted(put_object=[refusal, refusal])
    sha256 = put_bytes(S3Store("b", "", client), b"not to be lost")
    assert client.objects[f"blobs/{sha256[:2]}/{sha256}"]["Body"] == b"not to be lost"


def test_a_conflict_that_never_ends_is_an_error_and_no_loss() -> None:
    client = Scripted(put_object=[answer("ConditionalRequestConflict", 409)] * 99)
    with pytest.raises(StoreError, match="refused, though nothing is stored there") as caught:
        S3Store("b", "", client).create("k", b"")
    assert not isinstance(caught.value, KeyExists)


def test_a_conflict_that_another_won_is_a_loss() -> None:
    client = Scripted(put_object=[answer("ConditionalRequestConflict", 409)])
    client.objects["k"] = {"Metadata": {"writer": "another"}}
    with pytest.raises(KeyExists):
        S3Store("b", "", client).create("k", b"")


def test_a_plain_loss_costs_no_second_request() -> None:
    client = Scripted()
    client.objects["k"] = {}
    with pytest.raises(KeyExists):
        S3Store("b", "", client).create("k", b"")
    assert client.calls == ["put_object"]


def test_a_conflict_at_completion_begins_the_upload_anew(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(PART_BYTES + 1))
    client = Scripted(complete_multipart_upload=[answer("ConditionalRequestConflict", 409)])
    S3Store("b", "", client).upload(tmp_path / "file", "k", hash_file(tmp_path / "file"))
    assert client.calls.count("upload_part") == 4
    assert client.aborted == 1
    assert "k" in client.objects


def test_a_part_that_fails_aborts_the_upload(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(PART_BYTES + 1))
    client = Scripted(upload_part=[None, answer("SlowDown", 503)])
    with pytest.raises(StoreError, match=r"can't write k in s3://b: the server is overloaded"):
        S3Store("b", "", client).upload(tmp_path / "file", "k", hash_file(tmp_path / "file"))
    assert client.aborted == 1
    assert not client.objects


@pytest.mark.parametrize(
    "error, says, remedy",
    [
        (answer("NoSuchBucket", 404), "there is no such bucket", "make the bucket"),
        (answer("AccessDenied", 403), "access is denied", "allow s3:GetObject and s3:PutObject"),
        (answer("403", 403), "access is denied", "s3:ListBucket"),
        (answer("ExpiredToken", 400), "credentials have expired", "renew them"),
        (answer("PermanentRedirect", 301), "in another region", "AWS_DEFAULT_REGION"),
        (answer("AuthorizationHeaderMalformed", 400), "in another region", "region_name"),
        (answer("RequestTimeTooSkewed", 403), "clock is wrong", "set the clock"),
        (answer("SlowDown", 503), "overloaded", "again later"),
        (NoCredentialsError(), "no complete credentials", "AWS_ACCESS_KEY_ID"),
        (SSOTokenLoadError(error_msg="x"), "credentials have expired", "renew them"),
        (ParamValidationError(report='Invalid bucket name\n"B!"'), "not valid", "bucket's name"),
        (answer("Odd", 418), "can't", "said so"),
    ],
)
def test_every_error_is_one_line_that_says_what_to_do(error: Exception, says: str, remedy: str) -> None:
    for call, action in (
        ("put_object", lambda store: store.create("k", b"")),
        ("head_object", lambda store: store.exists("k")),
        ("get_object", lambda store: store.read("k")),
    ):
        client = Scripted(**{call: [error]})
        with pytest.raises(StoreError) as caught:
            action(S3Store("b", "p", client))
        text = str(caught.value)
        assert says in text
        assert remedy in text
        assert "s3://b/p" in text
        assert "\n" not in text
        assert not isinstance(caught.value, KeyMissing | KeyExists)


def test_a_server_without_conditional_writes_is_unsafe() -> None:
    client = Scripted(put_object=[answer("NotImplemented", 501)])
    with pytest.raises(UnsafeStore, match="a server that knows conditional writes"):
        S3Store("b", "", client).create("k", b"")


class Breaking:
    """A client whose bodies break off after a few bytes."""

    def __init__(self, data: bytes, each: int) -> None:
        self.data, self.each = data, each
        self.ranges: list[str] = []

    def get_object(self, *, Range: str = "bytes=0-", **_: Any) -> dict[str, Any]:  # noqa: N803
        self.ranges.append(Range)
        rest = self.data[int(Range[6:-1]) :]
        return {"Body": StreamingBody(io.BytesIO(rest[: self.each]), len(rest))}


def test_a_body_that_breaks_off_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    data = os.urandom(1000)
    client = Breaking(data, 300)
    assert S3Store("b", "", client).read("k") == data
    assert client.ranges == ["bytes=0-", "bytes=300-", "bytes=600-", "bytes=900-"]
    (tmp_path / "file").write_bytes(data)
    S3Store("b", "", client).download("k", tmp_path / "copy", hash_file(tmp_path / "file"))
    assert (tmp_path / "copy").read_bytes() == data


def test_a_body_that_never_comes_is_an_error_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't be reached"):
        S3Store("b", "", Breaking(b"x" * 1000, 0)).download("k", tmp_path / "copy", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_the_connection_dies_in_the_body() -> None:
    class Dying(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise ResponseStreamingError(error="reset")

    class Client:
        def get_object(self, **_: Any) -> dict[str, Any]:
            return {"Body": StreamingBody(Dying(), 5)}

    with pytest.raises(StoreError, match="can't be reached"):
        S3Store("b", "", Client()).read("k")


def test_a_client_of_our_own_retries_with_backoff_and_keeps_aws_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    client = EnvironmentAws().client("s3")
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 6}
    assert client.meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"
    assert "addressing_style" not in (client.meta.config.s3 or {})


@pytest.mark.parametrize("name, value", [("AWS_PROFILE", "nobody"), ("AWS_ENDPOINT_URL_S3", "not a url")])
def test_a_wrong_environment_is_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(PlatformError, match=r"boto3's environment.*correct .*the AWS_"):
        S3Store("b")


def test_an_injected_client_is_left_as_it_is() -> None:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    before = client.meta.config
    assert S3Store("b", "p", client)._client is client
    assert client.meta.config is before


@pytest.mark.parametrize("prefix", ["..", "a//b", "a/../b", "é"])
def test_a_prefix_that_is_not_allowed_is_refused(prefix: str) -> None:
    with pytest.raises(StoreError, match="key is not allowed"):
        S3Store("b", prefix, object())


def test_the_prefix_counts_for_the_length_of_a_key() -> None:
    prefix = "/".join(["p" * 200] * 4)
    with pytest.raises(StoreError, match="key is not allowed"):
        S3Store("b", prefix, Scripted()).create("/".join(["k" * 200] * 2), b"")


@pytest.mark.parametrize("key", ["log/1", "probes/x", "probe", "blobs/aa/bb"])
def test_only_scratch_keys_can_be_removed(key: str) -> None:
    with pytest.raises(StoreError, match="only scratch keys"):
        S3Store("b", "", Scripted()).discard_scratch(key)
