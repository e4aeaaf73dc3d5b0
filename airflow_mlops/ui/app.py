"""The app that Airflow mounts under ``/mlops``: every route asks for a login, every answer carries the same policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Final

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.ui.access import signed_in
from airflow_mlops.ui.rendering import error_page

#: Modules with a ``router``: one for each page.
PAGES: Final = ("models", "model", "version", "files")
#: Scripts, styles and pictures come from this app alone; only Airflow itself may frame it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


def create_app() -> FastAPI:
    """Make the app. It holds no state: a request opens the platform of the connection, and reads."""
    app = FastAPI(
        title="Models", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(signed_in)]
    )
    for page in PAGES:
        app.include_router(import_module(f"airflow_mlops.ui.{page}").router)
    app.middleware("http")(_secured)
    app.exception_handler(MlopsError)(_told)
    return app


async def _secured(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    answer = await call(request)
    answer.headers.setdefault("Content-Security-Policy", _POLICY)
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Referrer-Policy", "same-origin")
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


async def _told(request: Request, error: Exception) -> HTMLResponse:
    """A mistake, or a platform that can't be reached, in one line."""
    return HTMLResponse(error_page(str(error)), status_code=getattr(error, "status", 503))
