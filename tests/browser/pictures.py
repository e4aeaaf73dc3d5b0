"""Pictures of pages for the docs, where ``SCREENSHOTS`` names a folder: ``SCREENSHOTS=docs/images pytest ...``."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page

FOLDER = os.environ.get("SCREENSHOTS")
#: Bytes of a picture that the repository takes.
MOST = 200_000


def take_picture(page: Page, name: str) -> None:
    """Keep what a window shows as ``<name>.png``; nothing where no pictures are asked for."""
    if not FOLDER:
        return
    path = Path(FOLDER) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = page.screenshot(path=path, animations="disabled")
    assert len(data) < MOST, f"{path} has {len(data)} bytes"
