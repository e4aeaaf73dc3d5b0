"""The simulator as an HTTP server.

========================================  =============================================================
``POST /`` and ``POST /service/...``      the control planes, by their own protocols
``POST /endpoints/<name>/invocations``    SageMaker Runtime
``POST /_simulator/advance``              ``{"seconds": 60}``: let time go by
``POST /_simulator/faults``               a :class:`~airflow_mlops.testing.sagemaker.faults.Fault` as JSON
``GET /_simulator/now``                   the simulated time
========================================  =============================================================
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import uvicorn

from airflow_mlops.testing.sagemaker.api import OPERATIONS, ApiError
from airflow_mlops.testing.sagemaker.faults import Fault
from airflow_mlops.testing.sagemaker.protocol import Call, check_answer, encode, encode_error, parse_call
from airflow_mlops.testing.sagemaker.signatures import check_signed
from airflow_mlops.testing.sagemaker.simulator import Simulator

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
#: Status, headers and body.
Answer = tuple[int, dict[str, str], bytes]
#: Answers ``/endpoints/<name>/...``: takes the endpoint's name, what follows it, headers and body.
Runtime = Callable[[str, str, dict[str, str], bytes], Awaitable[Answer]]

_log = logging.getLogger(__name__)


class SimulatorApp:
    """The ASGI application.

    :param runtime: answers invocations of endpoints.
    """

    def __init__(self, simulator: Simulator, runtime: Runtime | None = None) -> None:
        self._simulator = simulator
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        status, out, content = await self._answer(scope["path"], headers, body)
        names = [(name.encode(), value.encode()) for name, value in out.items()]
        names.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": names})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = path.strip("/").split("/")
        if parts[0] == "endpoints" and len(parts) >= 3 and self._runtime is not None:
            return await self._runtime(parts[1], "/".join(parts[2:]), headers, body)
        if parts[0] == "_simulator":
            return await asyncio.to_thread(self._control, parts[1], body)
        return await asyncio.to_thread(self._call, path, headers, body)

    def _call(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        form = "cbor" if path.startswith("/service/") else "json" if "x-amz-target" in headers else "query"
        extra = {"x-amzn-requestid": str(uuid.uuid4())}
        if form == "cbor":
            extra["smithy-protocol"] = "rpc-v2-cbor"
        try:
            call = parse_call(headers, path, body)
            check_signed(headers, call.service, self._simulator.region)
            content, kind = encode(call, self._perform(call))
            return 200, {"content-type": kind, **extra}, content
        except ApiError as error:
            if error.status >= 500:
                _log.error("%s: %s", headers.get("x-amz-target", path), error.message)
            content, kind = encode_error(form, error)
            return error.status, {"content-type": kind, **extra}, content
        except Exception as error:
            _log.exception("%s failed", headers.get("x-amz-target", path))
            content, kind = encode_error(form, ApiError("InternalFailure", repr(error), 500))
            return 500, {"content-type": kind, **extra}, content

    def _perform(self, call: Call) -> dict[str, Any]:
        function = OPERATIONS.get((call.service, call.operation))
        if function is None:
            raise ApiError(
                "UnknownOperationException", f"{call.service}:{call.operation} is not simulated", 404
            )
        self._simulator.faults.refuse(call.operation)
        with self._simulator.lock:
            answer = function(self._simulator, call.params)
        check_answer(call, answer)
        return answer

    def _control(self, name: str, body: bytes) -> Answer:
        kind = {"content-type": "application/json"}
        try:
            given = json.loads(body or b"{}")
            if name == "advance":
                self._simulator.clock.advance(timedelta(seconds=float(given["seconds"])))
            elif name == "faults":
                self._simulator.faults.order(Fault(**given))
            elif name != "now":
                return 404, {}, b""
        except (KeyError, TypeError, ValueError) as error:
            return 400, kind, json.dumps({"message": f"{name}: {error}"}).encode()
        return 200, kind, json.dumps({"now": self._simulator.clock.now().isoformat()}).encode()


class RunningSimulator:
    """A simulator that listens; a context manager. :param port: 0 takes a free one."""

    def __init__(self, simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.simulator = simulator
        self._host, self._port = host, port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Base URL, for ``endpoint_url`` of clients."""
        return f"http://{self._host}:{self._port}"

    def __enter__(self) -> RunningSimulator:
        """Start, and return when it listens."""
        import socket

        from airflow_mlops.testing.sagemaker.operations import make_runtime

        listening = socket.create_server((self._host, self._port), backlog=512)
        self._port = listening.getsockname()[1]
        self.simulator.url = self.url
        app = SimulatorApp(self.simulator, make_runtime(self.simulator))
        config = uvicorn.Config(app, log_config=None, lifespan="off", access_log=False, log_level="warning")
        self._server = uvicorn.Server(config)
        self.simulator.start()
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            self._thread.join(0.01)
        return self

    def __exit__(self, *about: object) -> None:
        """Stop it with every job and container."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(10)
        self.simulator.stop()
