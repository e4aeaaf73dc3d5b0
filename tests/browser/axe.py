"""What axe-core finds wrong with a page for people who can't see it, or not all of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Frame

_SCRIPT = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
_GRAVE = ("serious", "critical")


@cache
def _script() -> str:
    return _SCRIPT.read_text(encoding="utf-8")


def grave_faults(frame: Frame) -> list[str]:
    """The serious and the critical violations of a frame, in a line each; what its own frames show is not ours."""
    frame.evaluate(f"() => {{ {_script()} }}")
    found: dict[str, Any] = frame.evaluate("() => axe.run(document, {iframes: false})")
    assert found["passes"], "axe has looked at nothing"
    return [
        f"{one['impact']} {one['id']}: {node['html'][:200]}: {node['failureSummary'].splitlines()[-1].strip()}"
        for one in found["violations"]
        if one["impact"] in _GRAVE
        for node in one["nodes"]
    ]
