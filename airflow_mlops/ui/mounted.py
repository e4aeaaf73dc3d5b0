"""What the plugin mounts: every Airflow process loads the plugin, and only the API server should pay for the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

#: Where Airflow mounts the app.
PREFIX: Final = "/mlops"
#: What Airflow calls the frame of the app in its own addresses: ``/plugin/models``.
ROUTE: Final = "models"
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class MountedApp:
    """An ASGI app that is made when the first request comes."""

    def __init__(self) -> None:
        self._app: Callable[[_Scope, _Receive, _Send], Awaitable[None]] | None = None

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer a request."""
        if self._app is None:
            from airflow_mlops.ui.app import create_app

            self._app = create_app()
        await self._app(scope, receive, send)
