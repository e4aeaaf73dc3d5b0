"""The app that Airflow mounts under ``/mlops``: every route asks for a login, every answer carries the same policy."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib import import_module
from typing import Final

from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.ui.access import signed_in
from airflow_mlops.ui.rendering import error_page

log = logging.getLogger(__name__)
#: Modules with a ``router``: one for each page.
PAGES: Final = ("models", "model", "version", "stored", "runs", "files")
#: Scripts, styles and pictures come from this app alone; only Airflow itself may frame it.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: What a refusal says, where it says no more than its number.
_SAID: Final = {
    401: "You are not logged in to Airflow, or your session has ended: log in, then come back.",
    404: "There is no such page, or you may not see it.",
    405: "Pages only read: every change is made by Airflow's own forms.",
}


def create_app() -> FastAPI:
    """Make the app. It holds no state: a request opens the platform of the connection, and reads."""
    app = FastAPI(
        title="Models", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(signed_in)]
    )
    for page in PAGES:
        app.include_router(import_module(f"airflow_mlops.ui.{page}").router)
    app.middleware("http")(_secured)
    app.exception_handler(MlopsError)(_mistaken)
    app.exception_handler(AirflowNotFoundException)(_mistaken)
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(RequestValidationError)(_misunderstood)
    app.exception_handler(Exception)(_broken)
    return app


async def _secured(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    return _with_policy(await call(request))


def _with_policy(answer: Response) -> Response:
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


async def _mistaken(request: Request, error: Exception) -> HTMLResponse:
    """A mistake, or a platform that can't be reached, in one line."""
    return error_page(request, str(error), 503, "Models are not available")


async def _refused(request: Request, error: HTTPException) -> HTMLResponse:
    """No session, no permission, no such page: all told by Airflow or by a page."""
    phrase = HTTPStatus(error.status_code).phrase
    plain = error.detail in (phrase, "Not authenticated")
    told = _SAID.get(error.status_code, phrase) if plain else str(error.detail)
    answer = error_page(request, told, error.status_code, phrase)
    answer.headers.update(error.headers or {})
    return answer


async def _misunderstood(request: Request, error: RequestValidationError) -> HTMLResponse:
    """A part of the address that is not what it should be; what was given is not repeated."""
    told = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
    return error_page(request, told, 422, "This address has a mistake")


async def _broken(request: Request, error: Exception) -> Response:
    """A fault of ours: the log has it, the page says that there is one."""
    log.error("page %s failed", request.url.path, exc_info=error)
    told = f"This page failed with {type(error).__name__}; the log of Airflow's API server says more."
    return _with_policy(error_page(request, told, 500, "Something went wrong"))
