"""Multipart upload to S3: streamed, hashed on the way, and completed only when the hash is right."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow_mlops.core.aws.s3_options import S3Requests
from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.store.arrival import check_hash
from airflow_mlops.core.store.full_checksum import FullChecksum

PART_BYTES = 16 << 20
_MOST_PARTS = 10_000
_AT_ONCE = 4  # parts in flight; memory is bounded by one more of them


def upload_parts(
    client: Any, path: Path, sha256: str, target: dict[str, str], requests: S3Requests, new: dict[str, Any]
) -> None:
    """Upload ``path`` in parts and complete it on the condition that the key is free.

    After a kill the parts that were sent stay invisible on the server: give the bucket a lifecycle rule that
    aborts incomplete multipart uploads.

    :param target: ``Bucket`` and ``Key``.
    :param requests: what every request to the bucket says.
    :param new: what the object is made with, its metadata among it.
    :raises IntegrityError: if the file's bytes do not hash to ``sha256``; the upload is aborted then.
    """
    full = FullChecksum(requests.checksum)
    upload = client.create_multipart_upload(**target, **new, **full.at_start)["UploadId"]
    begun = {**target, "UploadId": upload}
    try:
        parts = _send(lambda **part: client.upload_part(**begun, **requests.body, **part), path, sha256, full)
        client.complete_multipart_upload(
            **begun,
            **requests.object,
            **full.at_end,
            MultipartUpload={"Parts": parts},
            IfNoneMatch="*",
        )
    except BaseException:
        with suppress(Exception):  # the error under way says more
            client.abort_multipart_upload(**begun, **requests.object)
        raise


def _send(
    upload_part: Callable[..., dict[str, Any]], path: Path, sha256: str, full: FullChecksum
) -> list[dict[str, Any]]:
    """Send the parts, a few at once, and return what S3 wants to know of them at the end."""
    digest = hashlib.sha256()
    flying: deque[Future[dict[str, Any]]] = deque()
    sent: list[dict[str, Any]] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, part in enumerate(_parts(path), start=1):
            digest.update(part)
            full.update(part)
            if len(flying) == _AT_ONCE:
                sent.append(flying.popleft().result())
            flying.append(pool.submit(_send_one, upload_part, part, number))
        sent.extend(future.result() for future in flying)
    check_hash(digest.hexdigest(), sha256, str(path))
    return sent


def _send_one(upload_part: Callable[..., dict[str, Any]], part: bytes, number: int) -> dict[str, Any]:
    answer = upload_part(PartNumber=number, Body=part)
    kept = {name: value for name, value in answer.items() if name == "ETag" or name.startswith("Checksum")}
    kept.pop("ChecksumType", None)
    return {"PartNumber": number, **kept}


def _parts(path: Path) -> Iterator[bytes]:
    try:
        size = max(PART_BYTES, -(-path.stat().st_size // _MOST_PARTS))
        with path.open("rb") as stream:
            while part := stream.read(size):
                yield part
    except OSError as error:
        raise StoreError(
            f"file {path} can't be read", given=error.strerror, expected="a readable file"
        ) from None
