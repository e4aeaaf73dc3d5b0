"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def landing(to: Path) -> Iterator[Path]:
    """A new file beside ``to`` to write into; it takes the place of ``to`` when the block ends well."""
    to.parent.mkdir(parents=True, exist_ok=True)
    aside = to.parent / f".{uuid4().hex}.part"
    try:
        yield aside
        os.replace(aside, to)
    finally:
        aside.unlink(missing_ok=True)
