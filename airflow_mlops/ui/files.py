"""Scripts, styles and the icon: those of this package, by name."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, HTTPException, Response

from airflow_mlops.core.drawing import svg

router = APIRouter()
_KINDS: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_NAMES: Final = frozenset(
    {"htmx.min.js", "page.js", "page.css", "pictures.css", "models-light.svg", "models-dark.svg"}
)


@router.get("/static/{name}")
def static_file(name: str) -> Response:
    """A script, a style sheet or an icon. :raises HTTPException: 404, for any other."""
    if name not in _NAMES:
        raise HTTPException(404, detail="no such file")
    return Response(
        _content(name),
        media_type=_KINDS[name.rpartition(".")[2]],
        headers={"Cache-Control": "private, max-age=3600"},
    )


@cache
def _content(name: str) -> bytes:
    if name == "pictures.css":
        return svg.either().encode()
    return files("airflow_mlops.ui").joinpath("static", name).read_bytes()
