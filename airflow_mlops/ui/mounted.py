"""What the plugin mounts: every Airflow process loads the plugin, and only the API server should pay for the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from threading import Lock, Thread
from typing import Any, Final

#: Where Airflow mounts the app.
PREFIX: Final = "/mlops"
#: What Airflow calls the frame of the app in its own addresses: ``/plugin/models``.
ROUTE: Final = "models"
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


class MountedApp:
    """An ASGI app that is made when the first request comes, or when the server that it is mounted in starts."""

    def __init__(self) -> None:
        self._app: App | None = None
        self._making = Lock()

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer a request."""
        await (self._app or self._made())(scope, receive, send)

    def started(self, server: App) -> App:
        """Make the pages ready in a thread of their own, and give ``server`` back as it is.

        The plugin names this as a root middleware: Airflow's API server calls it when it starts, and no other process
        of Airflow's does. It stands in the way of no request.
        """
        Thread(target=self._prepare, name="mlops-pages", daemon=True).start()
        return server

    def _made(self) -> App:
        with self._making:
            if self._app is None:
                from airflow_mlops.ui.app import create_app

                self._app = create_app()
            return self._app

    def _prepare(self) -> None:
        self._made()

        from airflow_mlops.ui.warming import prepare

        prepare()
