"""Clients for event loops: one for all who wait on a loop, closed when nobody has used it for a while."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3
    from aiobotocore.session import AioSession

#: Seconds that a client outlives its last user: longer than the pauses between two looks of a trigger.
LINGER = 120.0


@dataclass
class _Shared:
    """A client that some tasks of one loop use."""

    stack: AsyncExitStack
    client: asyncio.Future[Any]
    users: int = 0
    closing: asyncio.TimerHandle | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class AsyncClients:
    """The aiobotocore clients of a boto3 session.

    They sign with the credentials of that session, so that every way to get credentials works here that works
    there, and they are renewed in one place. (Airflow's own hook gives aiobotocore no way to renew those of an
    assumed role off the loop, and renews a profile's in each client anew.)

    :param arguments: of ``create_client``, for a service.
    """

    def __init__(self, session: boto3.session.Session, arguments: Callable[[str], dict[str, Any]]) -> None:
        self._session = session
        self._arguments = arguments
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Shared]] = (
            weakref.WeakKeyDictionary()
        )

    @asynccontextmanager
    async def client(self, service: str) -> AsyncIterator[Any]:
        """The client of a service for the running loop."""
        of_loop = self._loops.setdefault(asyncio.get_running_loop(), {})
        shared = of_loop.get(service)
        if shared is None:
            shared = of_loop[service] = self._begin(service, of_loop)
        shared.users += 1
        if shared.closing:
            shared.closing.cancel()
            shared.closing = None
        try:
            # One who is cancelled must not cancel the making for the others.
            yield await asyncio.shield(shared.client)
        finally:
            shared.users -= 1
            if not shared.users and of_loop.get(service) is shared:
                shared.closing = asyncio.get_running_loop().call_later(LINGER, _end, of_loop, service)

    def _begin(self, service: str, of_loop: dict[str, _Shared]) -> _Shared:
        stack = AsyncExitStack()

        async def enter() -> Any:
            try:
                session = await asyncio.to_thread(self._aio_session)
                given = self._arguments(service)
                return await stack.enter_async_context(
                    session.create_client(service, region_name=self._session.region_name, **given)
                )
            except BaseException:
                of_loop.pop(service, None)  # the next one tries anew
                raise

        return _Shared(stack, asyncio.ensure_future(enter()))

    def _aio_session(self) -> AioSession:
        """A session of aiobotocore beside the one of boto3: with its credentials and what it has loaded."""
        from aiobotocore.session import AioSession

        session = AioSession(profile=self._session._session.profile)
        # Each loader keeps what it read of services, megabytes of it (botocore#3078).
        session.register_component("data_loader", self._session._session.get_component("data_loader"))
        found = self._session.get_credentials()
        if found is not None:
            session._credentials = _borrowed(found)
        return session


def _borrowed(found: Any) -> Any:
    """Credentials of a boto3 session, for aiobotocore; what blocks while they are renewed stays off the loop."""
    from aiobotocore.credentials import AioCredentials

    class Borrowed(AioCredentials):  # type: ignore[misc]
        async def get_frozen_credentials(self) -> Any:
            return await asyncio.to_thread(found.get_frozen_credentials)

    return Borrowed("borrowed", "borrowed", method=found.method)


def _end(of_loop: dict[str, _Shared], service: str) -> None:
    """Close a client that nobody uses."""
    shared = of_loop.get(service)
    if shared is None or shared.users:
        return
    del of_loop[service]
    task = asyncio.ensure_future(shared.stack.aclose())
    shared.tasks.add(task)  # a task that nobody holds may vanish
    task.add_done_callback(shared.tasks.discard)
