"""Multipart upload to S3: streamed, hashed on the way, and completed only when the hash is right."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.store.arrival import check_hash

PART_BYTES = 16 << 20
_MOST_PARTS = 10_000
_AT_ONCE = 4  # parts in flight; memory is bounded by one more of them


def upload_parts(
    client: Any, path: Path, sha256: str, target: dict[str, str], metadata: dict[str, str]
) -> None:
    """Upload ``path`` in parts and complete it on the condition that the key is free.

    After a kill the parts that were sent stay invisible on the server: give the bucket a lifecycle rule that
    aborts incomplete multipart uploads.

    :param target: ``Bucket`` and ``Key``.
    :raises IntegrityError: if the file's bytes do not hash to ``sha256``; the upload is aborted then.
    """
    begun = {**target, "UploadId": client.create_multipart_upload(**target, Metadata=metadata)["UploadId"]}
    try:
        parts = _send(client, path, sha256, begun)
        client.complete_multipart_upload(**begun, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    except BaseException:
        with suppress(Exception):  # the error under way says more
            client.abort_multipart_upload(**begun)
        raise


def _send(client: Any, path: Path, sha256: str, begun: dict[str, str]) -> list[dict[str, Any]]:
    """Send the parts, a few at once, and return what S3 wants to know of them at the end."""
    digest = hashlib.sha256()
    flying: deque[Future[dict[str, Any]]] = deque()
    sent: list[dict[str, Any]] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, part in enumerate(_parts(path), start=1):
            digest.update(part)
            if len(flying) == _AT_ONCE:
                sent.append(flying.popleft().result())
            flying.append(pool.submit(_send_one, client, part, number, begun))
        sent.extend(future.result() for future in flying)
    check_hash(digest.hexdigest(), sha256, str(path))
    return sent


def _send_one(client: Any, part: bytes, number: int, begun: dict[str, str]) -> dict[str, Any]:
    answer = client.upload_part(**begun, PartNumber=number, Body=part)
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
