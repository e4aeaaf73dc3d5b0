"""The environment of a training, as text that an installer can read."""

from __future__ import annotations

import platform
import re
from functools import cache
from importlib import metadata


@cache
def environment_lock() -> str:
    """``name==version`` lines of what is installed, sorted, below a comment with the Python version."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        about = distribution.metadata  # parsed at each access
        if about["Name"] and about["Version"]:
            # The first one on the path is the one that is imported.
            found.setdefault(re.sub(r"[-_.]+", "-", about["Name"]).lower(), about["Version"])
    head = f"# python {platform.python_version()} {platform.system().lower()} {platform.machine()}"
    return "\n".join([head, *(f"{name}=={version}" for name, version in sorted(found.items()))]) + "\n"
