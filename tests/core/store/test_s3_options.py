"""What the options of S3 do: on servers that honour them, else as the requests say them."""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_mlops.core.aws.s3_options import S3Options
from airflow_mlops.core.data.source_s3 import S3Root
from airflow_mlops.core.errors import DataError, KeyExists, PlatformError, SpecError, StoreError, UnsafeStore
from airflow_mlops.core.store import open_store
from airflow_mlops.core.store.blobs import hash_file
from airflow_mlops.core.store.full_checksum import FullChecksum
from airflow_mlops.core.store.multipart import PART_BYTES
from airflow_mlops.core.store.probe import probe
from airflow_mlops.core.store.s3 import S3Store
from tests.servers import S3Server, ServerMissingError, ministack, radosgw
from tests.servers.radosgw import KMS_KEY

LOCK = {"mode": "governance", "keep": "365d"}
ACCOUNT = "123456789012"
Calls = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    try:
        with ministack() as running:
            yield running
    except ServerMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def ceph() -> Iterator[S3Server]:
    try:
        with radosgw() as running:
            yield running
    except ServerMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file that goes up in parts."""
    path = tmp_path / "big"
    path.write_bytes(os.urandom(PART_BYTES + 5))
    return path


def watched(server: S3Server) -> tuple[Any, Calls]:
    """A client, and the arguments of its calls by operation."""
    client, calls = server.client(), defaultdict(list)

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        calls[model.name].append(dict(params))

    client.meta.events.register("before-parameter-build.s3", note)
    return client, calls


def use_all(store: S3Store, big: Path) -> None:
    """Every request that a store makes."""
    store.create("models/m/versions/1.json", b"1")
    store.upload(big, "blobs/big", hash_file(big))
    store.download("blobs/big", big.with_name("copy"), hash_file(big))
    assert store.read("models/m/versions/1.json") == b"1"
    assert [item.key for item in store.list("models/")] == ["models/m/versions/1.json"]
    with pytest.raises(StoreError):
        store.upload(big, "blobs/other", "0" * 64)  # aborted
    store.remove("blobs/big")
    store.why_unsafe()


def use_root(root: S3Root, tmp_path: Path) -> None:
    """Every request that a data root makes."""
    assert [file.path for file in root.list("*.csv")] == ["a.csv"]
    (found,) = root.versions("*.csv")
    root.fetch("a.csv", tmp_path / "a.csv", found.version_id)
    assert root.read_bytes("a.csv") == b"1"
    with pytest.raises(DataError):
        root.list("*.parquet")


OBJECT_CALLS = {
    "PutObject",
    "HeadObject",
    "GetObject",
    "ListObjectsV2",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "DeleteObject",
    "ListObjectVersions",
}


@pytest.mark.s3
def test_every_request_names_the_owner_and_who_pays(server: S3Server, big: Path, tmp_path: Path) -> None:
    client, calls = watched(server)
    options = S3Options(requester_pays=True, bucket_owner=ACCOUNT)
    use_all(S3Store(server.make_bucket(client), "p", client, options), big)
    source = server.make_bucket(client, versioned=True)
    calls.clear()
    client.put_object(
        Bucket=source, Key="d/a.csv", Body=b"1", RequestPayer="requester", ExpectedBucketOwner=ACCOUNT
    )
    use_root(S3Root("elsewhere", "", client, options).at(f"s3://{source}/d"), tmp_path)
    assert calls["GetObject"][0]["VersionId"]
    use_all(S3Store(server.make_bucket(), "p", client, options), big)
    assert set(calls) == OBJECT_CALLS | {"GetBucketVersioning"}
    for name, each in calls.items():
        assert all(call["ExpectedBucketOwner"] == ACCOUNT for call in each), name
        if name in OBJECT_CALLS:
            assert all(call["RequestPayer"] == "requester" for call in each), name


@pytest.mark.s3
def test_without_options_nothing_is_said(server: S3Server, big: Path) -> None:
    client, calls = watched(server)
    use_all(S3Store(server.make_bucket(), "p", client), big)
    said = {name for each in calls.values() for call in each for name in call}
    ours = {
        "Bucket",
        "Key",
        "Body",
        "IfNoneMatch",
        "Metadata",
        "Prefix",
        "UploadId",
        "PartNumber",
        "MultipartUpload",
    }
    # botocore's paginator and its own choice of a checksum
    assert said - ours <= {"ContinuationToken", "EncodingType", "ChecksumAlgorithm"}


@pytest.mark.s3
def test_each_bucket_has_its_owner(server: S3Server) -> None:
    client, calls = watched(server)
    one, two = server.make_bucket(), server.make_bucket()
    options = S3Options(bucket_owner={one: ACCOUNT})
    for bucket in (one, two):
        S3Store(bucket, "", client, options).create("k", b"")
    assert [call.get("ExpectedBucketOwner") for call in calls["PutObject"]] == [ACCOUNT, None]


@pytest.mark.s3
def test_what_is_written_is_encrypted_with_the_key(ceph: S3Server, big: Path) -> None:
    client, calls = watched(ceph)
    bucket = ceph.make_bucket()
    use_all(S3Store(bucket, "p", client, S3Options(kms_key=KMS_KEY, bucket_key=True)), big)
    found = client.head_object(Bucket=bucket, Key="p/models/m/versions/1.json")
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", KMS_KEY)
    for name in ("PutObject", "CreateMultipartUpload"):
        assert all(call["SSEKMSKeyId"] == KMS_KEY and call["BucketKeyEnabled"] for call in calls[name])
    for name in set(calls) - {"PutObject", "CreateMultipartUpload"}:
        assert not any(key.startswith(("SSE", "Server")) for call in calls[name] for key in call), name


@pytest.mark.s3
def test_a_key_that_is_not_there_is_named(ceph: S3Server) -> None:
    store = S3Store(ceph.make_bucket(), "p", ceph.client(), S3Options(kms_key="alias/nobody"))
    with pytest.raises(StoreError, match=r"there is no such KMS key.*alias/nobody.*correct kms_key"):
        store.create("k", b"")
    assert list(store.list("")) == []


@pytest.mark.s3
def test_s3_encrypts_by_itself(server: S3Server) -> None:
    bucket = server.make_bucket()
    S3Store(bucket, "", server.client(), S3Options(encryption="AES256")).create("k", b"")
    assert server.client().head_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "AES256"


def locking(server: S3Server, name: str) -> tuple[Any, str]:
    client = server.client()
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return client, name


@pytest.mark.s3
def test_records_are_locked_and_the_rest_is_not(server: S3Server) -> None:
    client, bucket = locking(server, "locked-records")
    store = S3Store(bucket, "p", client, S3Options(object_lock=LOCK))
    before = datetime.now(timezone.utc)
    for key in (
        "models/m/versions/1.json",
        "endpoints/m/served/1.json",
        "audit/models/m/0000000/0000000001.json",
        "blobs/aa/b",
        "captures/m/1.jsonl",
        "probe/x",
    ):
        store.create(key, b"1")
    for key in ("models/m/versions/1.json", "audit/models/m/0000000/0000000001.json"):
        assert client.head_object(Bucket=bucket, Key=f"p/{key}")["ObjectLockMode"] == "GOVERNANCE"
    record = client.head_object(Bucket=bucket, Key="p/models/m/versions/1.json")
    assert record["ObjectLockRetainUntilDate"] - before > timedelta(days=365, seconds=-2)
    with pytest.raises(ClientError, match=r"(?i)lock|denied"):
        client.delete_object(
            Bucket=bucket,
            Key="p/endpoints/m/served/1.json",
            VersionId=_version(client, bucket, "p/endpoints/"),
        )
    for key in ("blobs/aa/b", "captures/m/1.jsonl", "probe/x"):
        assert "ObjectLockMode" not in client.head_object(Bucket=bucket, Key=f"p/{key}")
    with pytest.raises(KeyExists):
        store.create("models/m/versions/1.json", b"2")
    probe(store)


def _version(client: Any, bucket: str, prefix: str) -> str:
    return str(client.list_object_versions(Bucket=bucket, Prefix=prefix)["Versions"][0]["VersionId"])


@pytest.mark.s3
def test_other_prefixes_are_locked_when_they_are_named(server: S3Server) -> None:
    client, bucket = locking(server, "locked-captures")
    options = S3Options(object_lock={**LOCK, "mode": "compliance", "prefixes": ["captures/"]})
    store = S3Store(bucket, "", client, options)
    store.create("captures/m/1.jsonl", b"1")
    store.create("models/m/1.json", b"1")
    assert client.head_object(Bucket=bucket, Key="captures/m/1.jsonl")["ObjectLockMode"] == "COMPLIANCE"
    assert "ObjectLockMode" not in client.head_object(Bucket=bucket, Key="models/m/1.json")


@pytest.mark.s3
def test_a_locked_bucket_on_a_server_that_forgets_conditions_is_refused(ceph: S3Server) -> None:
    client, bucket = locking(ceph, "locked-on-ceph")
    with pytest.raises(UnsafeStore, match="ignores If-None-Match"):
        probe(S3Store(bucket, "", client, S3Options(object_lock=LOCK)))


@pytest.mark.s3
def test_a_bucket_without_object_lock_is_named(server: S3Server) -> None:
    store = S3Store(server.make_bucket(), "", server.client(), S3Options(object_lock=LOCK))
    with pytest.raises(StoreError, match=r"made without Object Lock.*object_lock"):
        store.create("models/m/1.json", b"1")
    assert list(store.list("")) == []


@pytest.mark.s3
def test_s3_verifies_the_parts_and_keeps_their_checksum(server: S3Server, big: Path) -> None:
    client, calls = watched(server)
    bucket = server.make_bucket()
    S3Store(bucket, "", client, S3Options(checksum="SHA256")).upload(big, "blobs/big", hash_file(big))
    found = client.head_object(Bucket=bucket, Key="blobs/big", ChecksumMode="ENABLED")
    assert found["ChecksumSHA256"].endswith("-2")
    assert all(
        part["ChecksumSHA256"] for part in calls["CompleteMultipartUpload"][0]["MultipartUpload"]["Parts"]
    )


@pytest.mark.s3
def test_s3_is_told_the_checksum_of_the_whole(ceph: S3Server, big: Path) -> None:
    """radosgw takes these arguments and does not look at them; ministack knows no checksum of a whole upload."""
    client, calls = watched(ceph)
    store = S3Store(ceph.make_bucket(), "", client, S3Options(checksum="CRC32"))
    store.upload(big, "blobs/big", hash_file(big))
    whole = base64.b64encode(zlib.crc32(big.read_bytes()).to_bytes(4, "big")).decode()
    (begun,), (done,) = calls["CreateMultipartUpload"], calls["CompleteMultipartUpload"]
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == ("CRC32", "FULL_OBJECT")
    assert (done["ChecksumCRC32"], done["ChecksumType"], done["IfNoneMatch"]) == (whole, "FULL_OBJECT", "*")
    store.download("blobs/big", big.with_name("copy"), hash_file(big))


def test_a_checksum_of_the_whole_is_that_of_its_parts_together() -> None:
    full = FullChecksum("CRC32")
    for part in (b"1234", b"", b"56789"):
        full.update(part)
    # The check value of CRC-32: that of the digits from 1 to 9 is cbf43926.
    assert full.at_end["ChecksumCRC32"] == base64.b64encode(bytes.fromhex("cbf43926")).decode()
    for name in ("SHA256", None):
        assert FullChecksum(name).at_start == FullChecksum(name).at_end == {}


def test_a_checksum_that_cant_be_computed_here_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "awscrt.checksums", None)
    with pytest.raises(PlatformError, match=r"CRC64NVME.*pip install 'botocore\[crt\]'"):
        S3Store("b", "", object(), S3Options(checksum="CRC64NVME"))


class Guarded:
    """A bucket of another account, to a client that may use it or not."""

    def __init__(self, allowed: bool, owner: str = "210987654321") -> None:
        self.allowed, self.owner = allowed, owner

    def _answer(self, *, ExpectedBucketOwner: str | None = None, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's
        if not self.allowed or ExpectedBucketOwner not in (None, self.owner):
            meta = {"HTTPStatusCode": 403}
            raise ClientError(
                {"Error": {"Code": "AccessDenied", "Message": "Access Denied"}, "ResponseMetadata": meta}, "X"
            )
        return {}

    head_bucket = put_object = list_objects_v2 = get_object = _answer


ACTIONS: dict[str, Callable[[Any, S3Options], object]] = {
    "store": lambda client, options: S3Store("lake", "p", client, options).create("k", b""),
    "data": lambda client, options: S3Root("lake", "p", client, options).read_bytes("a.csv"),
}


@pytest.mark.parametrize("act", ACTIONS.values(), ids=ACTIONS)
def test_a_bucket_of_another_account_is_refused_by_name(act: Callable[[Any, S3Options], object]) -> None:
    with pytest.raises(
        (StoreError, DataError), match=f"bucket lake is not of account {ACCOUNT}.*correct bucket_owner"
    ):
        act(Guarded(allowed=True), S3Options(bucket_owner=ACCOUNT))
    with pytest.raises((StoreError, DataError), match=f"access is denied.*if it is not of account {ACCOUNT}"):
        act(Guarded(allowed=False), S3Options(bucket_owner=ACCOUNT))
    with pytest.raises((StoreError, DataError), match="access is denied") as caught:
        act(Guarded(allowed=False), S3Options())
    assert "account" not in str(caught.value)


@pytest.mark.parametrize(
    "fields, says",
    [
        ({"kms_key": "my key"}, "kms_key: given 'my key'"),
        ({"encryption": "rot13"}, "encryption: given 'rot13'.*aws:kms"),
        ({"kms_key": "alias/x", "encryption": "AES256"}, "leave one of them out"),
        ({"bucket_key": True}, "bucket_key is for encryption aws:kms"),
        ({"bucket_owner": "acme"}, "12 digits.*acme"),
        ({"bucket_owner": {"lake": "12"}}, "12 digits.*12"),
        ({"object_lock": {"mode": "governance"}}, "object_lock.keep: missing"),
        ({"object_lock": {"mode": "forever", "keep": "1d"}}, "object_lock.mode"),
        ({"object_lock": {**LOCK, "keep": "a year"}}, "object_lock.keep"),
        ({"object_lock": {**LOCK, "prefixes": []}}, "object_lock.prefixes"),
        ({"checksum": "MD5"}, "checksum: given 'MD5'"),
        ({"kmskey": "alias/x"}, "did you mean kms_key"),
    ],
)
def test_bad_options_are_named(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        S3Options(**fields)
    assert "\n" not in str(caught.value)


def test_another_process_has_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    options = S3Options(
        kms_key="alias/x", bucket_owner={"lake": ACCOUNT}, object_lock=LOCK, requester_pays=True
    )
    for name, value in options.to_environment().items():
        monkeypatch.setenv(name, value)
    assert S3Options.of_environment() == options
    assert S3Options().to_environment() == {}


@pytest.mark.parametrize(
    "given, says",
    [("{", "MLOPS_S3 is no JSON object"), ("[1]", "no JSON object"), ('{"x": 1}', "x: unknown")],
)
def test_a_wrong_environment_is_told(monkeypatch: pytest.MonkeyPatch, given: str, says: str) -> None:
    monkeypatch.setenv("MLOPS_S3", given)
    with pytest.raises((PlatformError, SpecError), match=says):
        open_store("s3://b/p", object())


def test_options_that_are_given_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_S3", json.dumps({"checksum": "SHA256"}))
    said: dict[str, Any] = {}

    class Client:
        def put_object(self, **given: Any) -> None:
            said.update(given)

    open_store("s3://b/p", Client(), S3Options()).create("k", b"")
    assert "ChecksumAlgorithm" not in said
    open_store("s3://b/p", Client()).create("k", b"")
    assert said["ChecksumAlgorithm"] == "SHA256"
