"""The endpoint server as an ASGI application, in the HTTP form of SageMaker Runtime.

=======================================  =============================================================
``POST /endpoints/<name>/invocations``   predictions (forms: :mod:`airflow_mlops.core.serving.wire`)
``POST /endpoints/<name>/ground-truth``  labels: ``{"records": [{"inference_id", "row", "label"}]}``
``POST /endpoints/<name>/reconcile``     look at the deployment log now; answers like the next one
``GET /endpoints/<name>``                what is really served, asked for and loaded; the error if any
``GET /endpoints/<name>/resources``      memory and CPU of this process, in per cent of the machine: one
                                         value a minute of the last day, for each variant the same
``GET /endpoints``                       the names
``GET /metrics``                         Prometheus
``GET /ping``                            200 when the server is up; the one route without a token
=======================================  =============================================================

Every refusal is one line: ``{"message": "..."}``.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable

from airflow_mlops.core.errors import RequestError
from airflow_mlops.core.serving.answering import AnsweringModel
from airflow_mlops.core.serving.applied import State, describe
from airflow_mlops.core.serving.follower import Follower
from airflow_mlops.core.serving.ground_truth import append_ground_truth
from airflow_mlops.core.serving.http import (
    DisconnectedError,
    Receive,
    Response,
    Scope,
    Send,
    TokenCheck,
    json_response,
    read_body,
    refusal_response,
)
from airflow_mlops.core.serving.ids import Ids
from airflow_mlops.core.serving.labels import parse_labels
from airflow_mlops.core.serving.loading import Source
from airflow_mlops.core.serving.machine import MachineLog
from airflow_mlops.core.serving.metrics import Metrics
from airflow_mlops.core.serving.recorder import Recorder
from airflow_mlops.core.serving.refusal import RefusedError, one_line
from airflow_mlops.core.serving.wire import accepted, answer_body, parse_rows
from airflow_mlops.core.store import Store
from airflow_mlops.spec import NAME_PATTERN

INFERENCE_ID = b"x-amzn-sagemaker-inference-id"
TARGET_VARIANT = b"x-amzn-sagemaker-target-variant"
INVOKED_VARIANT = b"x-amzn-invoked-production-variant"

_NAME = re.compile(NAME_PATTERN)
_INFERENCE_ID = re.compile(r"[!-~][ -~]{0,63}")
_DRAIN = 5.0

_log = logging.getLogger(__name__)

_Route = Callable[["EndpointApp", str, dict[bytes, bytes], Receive], Awaitable[Response]]


class EndpointApp:
    """Serves all models of a store.

    :param store: whose deployment logs are followed and which takes captures and labels.
    :param source: where models are loaded from.
    :param recorder: takes the captured answers.
    :param machine: measures what this process takes of its machine.
    :param token: bearer token that every route but ``/ping`` asks for, None for none.
    :param poll: seconds between two looks at the deployment logs.
    """

    def __init__(
        self,
        store: Store,
        source: Source,
        recorder: Recorder,
        metrics: Metrics,
        machine: MachineLog,
        *,
        token: str | None = None,
        poll: float = 0.2,
    ) -> None:
        self._store = store
        self._machine = machine
        self._recorder = recorder
        self._metrics = metrics
        self._may_pass = TokenCheck(token)
        self._models: dict[str, AnsweringModel] = {}
        self._ids = Ids()
        self._live = 0
        self._follower = Follower(store, source, self._add, every=poll)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "lifespan":
            await self._live_and_die(receive, send)
        elif scope["type"] == "http":
            try:
                response = await self._respond(scope, receive)
            except DisconnectedError:
                return
            await response.send(send)

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        try:
            return await self._dispatch(scope, receive)
        except DisconnectedError:
            raise
        except RequestError as error:
            status = error.status if isinstance(error, RefusedError) else 400
            self._metrics.refused(status)
            return refusal_response(status, one_line(error, 1000))
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            self._metrics.refused(500)
            return refusal_response(500, "the server failed on this request; its log says why")

    async def _dispatch(self, scope: Scope, receive: Receive) -> Response:
        path: str = scope["path"]
        if path == "/ping":
            return Response(200, b"\n", "text/plain")
        if not self._may_pass(scope["headers"]):
            raise RefusedError(401, "token is missing or wrong", expected="Authorization: Bearer <token>")
        parts = path.split("/")
        if len(parts) == 4 and parts[1] == "endpoints":
            methods = _ENDPOINT_ROUTES.get(parts[3])
        elif len(parts) == 3 and parts[1] == "endpoints":
            methods = {"GET": EndpointApp._describe}
        else:
            methods = _ROUTES.get(path)
        if methods is None:
            raise RefusedError(404, "no such path", given=path[:100])
        route = methods.get(scope["method"])
        if route is None:
            raise RefusedError(
                405, f"{path[:100]} has another method", given=scope["method"], expected=" or ".join(methods)
            )
        return await route(self, parts[2] if len(parts) > 2 else "", dict(scope["headers"]), receive)

    async def _invoke(self, name: str, headers: dict[bytes, bytes], receive: Receive) -> Response:
        model = self._models.get(name)
        if model is None:
            raise self._unknown(name)
        self._live += 1
        try:
            inference_id = _inference_id(headers) or self._ids.next()
            content_type = accepted(_text(headers, b"accept"))
            body = await read_body(headers, receive)
            applied = model.applied()
            rows = parse_rows(body, _text(headers, b"content-type"), applied.contract)
            target = _text(headers, TARGET_VARIANT) or None
            answer = await model.answer(model.call(applied, rows, inference_id, target))
        finally:
            self._live -= 1
            if self._live == 0 and any(one.shadow.waits() for one in self._models.values()):
                asyncio.get_running_loop().call_soon(self._wake_shadows)
        return Response(
            200,
            answer_body(answer.predictions, content_type),
            content_type,
            ((INVOKED_VARIANT, answer.variant.encode()), (INFERENCE_ID, inference_id.encode())),
        )

    async def _ground_truth(self, name: str, headers: dict[bytes, bytes], receive: Receive) -> Response:
        if name not in self._models:
            raise self._unknown(name)
        records = parse_labels(await read_body(headers, receive))
        count = await asyncio.to_thread(append_ground_truth, self._store, name, records)
        return json_response({"accepted": count})

    async def _reconcile(self, name: str, headers: dict[bytes, bytes], receive: Receive) -> Response:
        await read_body(headers, receive)
        if not _NAME.match(name):
            raise self._unknown(name)
        try:
            await self._follower.look_at(name)
        except Exception as error:  # whatever the store raises
            raise RefusedError(503, "the deployment log can't be read", given=one_line(error)) from None
        return await self._describe(name, headers, receive)

    async def _describe(self, name: str, headers: dict[bytes, bytes], receive: Receive) -> Response:
        model = self._models.get(name)
        if model is None:
            raise self._unknown(name)
        store_error = self._follower.broken.get(name) or self._follower.store_error
        return json_response({**describe(model.state), "store_error": store_error})

    async def _resources(self, name: str, headers: dict[bytes, bytes], receive: Receive) -> Response:
        model = self._models.get(name)
        if model is None:
            raise self._unknown(name)
        used = self._machine.kept()
        return json_response(
            {
                "variants": [f"v{number}" for number in sorted(model.state.ready)],
                "at": [one.at for one in used],
                "memory": [one.memory for one in used],
                "cpu": [one.cpu for one in used],
            }
        )

    async def _list(self, name: str, headers: dict[bytes, bytes], receive: Receive) -> Response:
        return json_response({"endpoints": sorted(self._models)})

    async def _show_metrics(self, name: str, headers: dict[bytes, bytes], receive: Receive) -> Response:
        return Response(200, self._metrics.page(), self._metrics.content_type)

    def _unknown(self, name: str) -> RefusedError:
        known = ", ".join(sorted(self._models)[:10]) or "none yet: nothing was deployed"
        return RefusedError(404, "no such endpoint", given=name[:80], expected=known)

    def _add(self, state: State) -> None:
        self._models[state.model] = AnsweringModel(
            state, self._recorder.put, self._metrics, lambda: self._live == 0
        )

    def _wake_shadows(self) -> None:
        for model in self._models.values():
            model.shadow.wake()

    async def _live_and_die(self, receive: Receive, send: Send) -> None:
        await receive()
        self._recorder.start()
        self._machine.start()
        await self._follower.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        deadline = time.monotonic() + _DRAIN
        for model in self._models.values():
            await model.shadow.drain(max(0.0, deadline - time.monotonic()))
        self._machine.stop()
        await self._follower.stop()
        await asyncio.to_thread(self._recorder.stop)
        await send({"type": "lifespan.shutdown.complete"})


_ROUTES: dict[str, dict[str, _Route]] = {
    "/endpoints": {"GET": EndpointApp._list},
    "/metrics": {"GET": EndpointApp._show_metrics},
}
_ENDPOINT_ROUTES: dict[str, dict[str, _Route]] = {
    "invocations": {"POST": EndpointApp._invoke},
    "ground-truth": {"POST": EndpointApp._ground_truth},
    "reconcile": {"POST": EndpointApp._reconcile},
    "resources": {"GET": EndpointApp._resources},
}


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def _inference_id(headers: dict[bytes, bytes]) -> str | None:
    """The caller's inference id, if there is one."""
    given = headers.get(INFERENCE_ID)
    if given is None:
        return None
    text = given.decode("latin-1")
    if not _INFERENCE_ID.fullmatch(text):
        raise RequestError(
            "inference id is not allowed", given=text[:80], expected="1 to 64 printable characters"
        )
    return text
