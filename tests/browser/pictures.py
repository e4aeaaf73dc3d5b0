"""Pictures of pages for the docs, where ``SCREENSHOTS`` names a folder: ``SCREENSHOTS=docs/images pytest ...``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from playwright.sync_api import Page

FOLDER = os.environ.get("SCREENSHOTS")


def take_picture(page: Page, name: str) -> None:
    """Keep what a window shows as ``<name>.png``; nothing where no pictures are asked for."""
    if not FOLDER:
        return
    path = Path(FOLDER) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, animations="disabled")
    # Few colours are enough for text and charts, and make a picture a third as large.
    convert = shutil.which("convert")
    if convert:
        subprocess.run([convert, path, "-strip", "-colors", "128", f"png8:{path}"], check=True)
