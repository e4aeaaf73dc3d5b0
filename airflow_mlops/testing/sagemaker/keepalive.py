"""HTTP to a container, on connections that stay open: less work per request than a general client has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import httptools


class NoAnswerError(Exception):
    """The container could not be reached, or broke off."""


class TooSlowError(Exception):
    """The container did not answer in time."""


@dataclass
class Reply:
    """An HTTP response. :param headers: with names in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Connection(asyncio.Protocol):
    """One connection, for one request at a time; it is one of ``idle`` meanwhile."""

    def __init__(self, idle: list[Connection]) -> None:
        self._idle = idle
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply = Reply()
        self._answer: asyncio.Future[Reply] | None = None

    async def ask(self, request: bytes, seconds: float) -> Reply:
        """Send a request and return its answer.

        :raises NoAnswerError: if the connection breaks.
        :raises TooSlowError: if there is no answer in so many seconds.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None:
            raise NoAnswerError
        self._reply, self._answer = Reply(), loop.create_future()
        timer = loop.call_later(seconds, self._expire)
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            timer.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        # uvloop's are no subclass of asyncio's
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail(NoAnswerError())

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._fail(NoAnswerError())

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._reply.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._reply.body += body

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._reply.status = self._parser.get_status_code()
        answer, self._answer = self._answer, None
        self._parser = httptools.HttpResponseParser(self)
        self._idle.append(self)
        if answer is not None and not answer.done():
            answer.set_result(self._reply)

    def _expire(self) -> None:
        self._fail(TooSlowError())

    def _fail(self, error: Exception) -> None:
        if self in self._idle:
            self._idle.remove(self)
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)


class Connections:
    """Connections to one port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []

    async def post(self, path: str, headers: dict[str, str], body: bytes, seconds: float) -> Reply:
        """POST.

        :raises NoAnswerError: if the container can't be reached, or breaks off.
        :raises TooSlowError: if there is no answer in so many seconds.
        """
        lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        connection = self._idle.pop() if self._idle else await self._connect()
        return await connection.ask(request, seconds)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._idle), "127.0.0.1", self._port
            )
        except OSError:
            raise NoAnswerError from None
        return connection
