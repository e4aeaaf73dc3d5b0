"""Files that commands write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_mlops.core.errors import PlatformError


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """A block that writes a file. :raises PlatformError: if it can't be written."""
    try:
        yield
    except OSError as error:
        raise PlatformError(f"{out} can't be written", given=error.strerror or error) from None


def write_file(data: bytes, out: Path) -> None:
    """Write a file at once. :raises PlatformError: if it can't be written."""
    with writing(out):
        out.write_bytes(data)
