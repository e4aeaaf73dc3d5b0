"""The little of HTTP that the server needs on top of ASGI: a bounded body, and answers."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from airflow_mlops.core.serving.refusal import RefusedError
from airflow_mlops.core.serving.wire import JSON, encode

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Largest request body in bytes, as SageMaker's.
MAX_BODY = 6 * 1024 * 1024
#: How long a caller may take to send its body, in seconds.
BODY_TIMEOUT = 30.0


class DisconnectedError(Exception):
    """The caller went away before its request was complete."""


@dataclass(frozen=True)
class Response:
    """An answer: status, body and headers beyond the content's type and length."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())

    async def send(self, send: Send) -> None:
        """Send it."""
        headers = [
            (b"content-type", self.content_type.encode()),
            (b"content-length", str(len(self.body)).encode()),
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_response(value: Any, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(status, encode(value))


def refusal_response(status: int, message: str) -> Response:
    """A refusal in the form of SageMaker's errors: ``{"message": ...}``."""
    headers = ((b"www-authenticate", b"Bearer"),) if status == 401 else ()
    return Response(status, encode({"message": message}), headers=headers)


async def read_body(headers: MutableMapping[bytes, bytes], receive: Receive) -> bytes:
    """The whole body of a request.

    :raises RefusedError: 413 as soon as it is known to be too large, 408 if it comes too slowly, 415 if it is
        compressed.
    :raises DisconnectedError: if the caller goes away.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        given = headers[b"content-encoding"].decode("latin-1")
        raise RefusedError(415, "body is compressed", given=given[:40], expected="identity")
    length = headers.get(b"content-length")
    if length is not None and int(length) > MAX_BODY:
        raise _too_large(f"{int(length)} bytes")
    message = await receive()
    if not message.get("more_body"):
        return _chunk(message)
    try:
        return await asyncio.wait_for(_read_rest(_chunk(message), receive), BODY_TIMEOUT)
    except asyncio.TimeoutError:
        raise RefusedError(
            408, "body came too slowly", expected=f"all of it within {BODY_TIMEOUT:g} s"
        ) from None


async def _read_rest(first: bytes, receive: Receive) -> bytes:
    body, more = bytearray(first), True
    while more:
        message = await receive()
        body += _chunk(message)
        if len(body) > MAX_BODY:
            raise _too_large(f"more than {MAX_BODY} bytes")
        more = bool(message.get("more_body"))
    return bytes(body)


def _chunk(message: MutableMapping[str, Any]) -> bytes:
    if message["type"] == "http.disconnect":
        raise DisconnectedError
    body: bytes = message.get("body", b"")
    if len(body) > MAX_BODY:
        raise _too_large(f"{len(body)} bytes")
    return body


def _too_large(given: str) -> RefusedError:
    return RefusedError(
        413,
        "body is too large",
        given=given,
        expected=f"at most {MAX_BODY}",
        remedy="send the rows in several requests",
    )


class TokenCheck:
    """Whether a request carries the server's bearer token; takes the same time for every wrong one.

    :param token: None lets every request pass.
    """

    def __init__(self, token: str | None) -> None:
        self._expected = f"Bearer {token}".encode() if token else None

    def __call__(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request with these headers may pass."""
        if self._expected is None:
            return True
        given = next((value for name, value in headers if name == b"authorization"), b"")
        return hmac.compare_digest(given, self._expected)
