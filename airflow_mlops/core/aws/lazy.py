"""Clients that are looked for at their first use."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from airflow_mlops.core.aws.clients import Clients


class LazyAws:
    """An :class:`~airflow_mlops.core.aws.session.AsyncAws` of clients that are not looked for before they are needed.

    :param find: looks for them; blocks.
    """

    def __init__(self, find: Callable[[], Clients]) -> None:
        self._find = find
        self._found: Clients | None = None
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """See :attr:`Aws.region`."""
        return self._clients().region

    def client(self, service: str) -> Any:
        """See :meth:`Aws.client`."""
        return self._clients().client(service)

    def endpoint_url(self, service: str) -> str | None:
        """See :meth:`Aws.endpoint_url`."""
        return self._clients().endpoint_url(service)

    @asynccontextmanager
    async def async_client(self, service: str) -> AsyncIterator[Any]:
        """See :meth:`AsyncAws.async_client`."""
        clients = await asyncio.to_thread(self._clients)
        async with clients.async_client(service) as client:
            yield client

    def _clients(self) -> Clients:
        with self._lock:
            if self._found is None:
                self._found = self._find()
            return self._found
