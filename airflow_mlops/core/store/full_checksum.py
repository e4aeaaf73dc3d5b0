"""A checksum of a whole object that goes up in parts, so that S3 can verify what it has put together.

Only those that can be computed part by part are: see "Checking object integrity" in the user guide of Amazon S3.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from typing import Any

from airflow_mlops.core.errors import PlatformError


class FullChecksum:
    """Of a sequence of parts.

    :param algorithm: as S3 names it; for ``SHA256`` and None S3 keeps a checksum of the parts' checksums.
    :raises PlatformError: if this Python can't compute it.
    """

    def __init__(self, algorithm: str | None) -> None:
        self._name = algorithm if algorithm in ("CRC32", "CRC64NVME") else None
        self._step: Callable[[bytes, int], int] = _crc64() if self._name == "CRC64NVME" else zlib.crc32
        self._value = 0

    def update(self, part: bytes) -> None:
        """Take in the next part."""
        if self._name:
            self._value = self._step(part, self._value)

    @property
    def at_start(self) -> dict[str, Any]:
        """Arguments with which an upload begins."""
        return {"ChecksumType": "FULL_OBJECT"} if self._name else {}

    @property
    def at_end(self) -> dict[str, Any]:
        """Arguments with which it is completed."""
        if not self._name:
            return {}
        size = 4 if self._name == "CRC32" else 8
        text = base64.b64encode(self._value.to_bytes(size, "big")).decode()
        return {"ChecksumType": "FULL_OBJECT", f"Checksum{self._name}": text}


def require_checksum(algorithm: str | None) -> None:
    """:raises PlatformError: if botocore can't compute it here."""
    if algorithm == "CRC64NVME":
        _crc64()


def _crc64() -> Callable[[bytes, int], int]:
    try:
        from awscrt.checksums import crc64nvme
    except ImportError:
        raise PlatformError(
            "checksum CRC64NVME needs the AWS common runtime",
            remedy="pip install 'botocore[crt]', or set checksum of field s3 to CRC32",
        ) from None
    step: Callable[[bytes, int], int] = crc64nvme
    return step
