"""SageMaker Runtime: which variant answers a request, and what becomes of its answer.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.testing.sagemaker.api import ApiError
from airflow_mlops.testing.sagemaker.capture import Capture, Exchange
from airflow_mlops.testing.sagemaker.hosting import Endpoint, Fleet, Hosting, Variant
from airflow_mlops.testing.sagemaker.keepalive import Connections, NoAnswerError, Reply, TooSlowError
from airflow_mlops.testing.sagemaker.metrics import Key, Metrics, key_of

if TYPE_CHECKING:
    from airflow_mlops.testing.sagemaker.simulator import Simulator

#: Status, headers and body, as the server takes them.
Answer = tuple[int, dict[str, str], bytes]

_VARIANT = "x-amzn-sagemaker-target-variant"
_MODEL = "x-amzn-sagemaker-target-model"
_INFERENCE_ID = "x-amzn-sagemaker-inference-id"
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
#: Headers that the container gets, too.
_PASSED = ("content-type", "accept", _ATTRIBUTES)
NAMESPACE = "AWS/SageMaker"
_METRICS = (
    "Invocations",
    "InvocationsPerInstance",
    "Invocation4XXErrors",
    "Invocation5XXErrors",
    "ModelLatency",
    "OverheadLatency",
)
_HTML = "text/html"
#: What the container's own nginx says while the model's server does not run.
_BAD_GATEWAY = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>\r\n"
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)


@dataclass(frozen=True)
class Choice:
    """Who answers a request, and who sees a copy."""

    endpoint: Endpoint
    fleet: Fleet
    variant: Variant
    shadow: Variant | None
    capture: bool


class Router:
    """Answers ``/endpoints/<name>/...``; runs in the server's event loop."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._hosting = simulator.room(Hosting)
        self._metrics = simulator.room(Metrics)
        self._capture = simulator.room(Capture)
        self._connections: dict[int, Connections] = {}
        self._copies: set[asyncio.Task[None]] = set()

    async def __call__(self, name: str, action: str, headers: dict[str, str], body: bytes) -> Answer:
        """See ``server.Runtime``."""
        began = time.perf_counter()
        try:
            if action != "invocations":
                raise ApiError("UnknownOperationException", f"{action} is not simulated", 404)
            if self._simulator.faults.waiting:
                self._simulator.faults.refuse("InvokeEndpoint")
            choice = self._choose(name, headers)
        except ApiError as error:
            return _refusal(error)
        at = self._simulator.clock.now()
        if choice.shadow is not None:
            copy = asyncio.create_task(self._copy(choice, choice.shadow, headers, body, at))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)
        reply, latency = await self._ask(choice, choice.variant, headers, body)
        self._record(choice, choice.variant, reply, latency, at)
        self._keep(choice, choice.variant, headers, body, reply, at)
        overhead = time.perf_counter() - began - latency
        keys = self._keys_of(choice, choice.variant)["OverheadLatency"]
        self._metrics.record(((key, overhead * 1e6, "Microseconds") for key in keys), at)
        if not 200 <= reply.status < 300:
            return self._model_error(choice, reply)
        out = {
            "content-type": reply.headers.get("content-type", "application/octet-stream"),
            "x-Amzn-Invoked-Production-Variant": choice.variant.name,
        }
        if _ATTRIBUTES in reply.headers:
            out["X-Amzn-SageMaker-Custom-Attributes"] = reply.headers[_ATTRIBUTES]
        return 200, out, reply.body

    def _choose(self, name: str, headers: dict[str, str]) -> Choice:
        """Who answers. :raises ApiError: if nobody does."""
        endpoint = self._hosting.endpoints.get(name)
        if endpoint is None or not endpoint.routes:
            raise _unknown(self._simulator, name)
        if _MODEL in headers:
            raise ApiError(
                "ValidationError",
                f"Endpoint {name} is not a multi-model endpoint and does not support target model header.",
            )
        draw = self._hosting.random.random
        with endpoint.gate:
            routes = endpoint.routes
            if not routes:
                raise _unknown(self._simulator, name)
            fleet = routes[-1][1]
            if len(routes) > 1 and draw() < routes[0][0]:
                fleet = routes[0][1]
            variant = self._variant(endpoint, fleet, headers.get(_VARIANT))
            shadow = self._shadow(fleet, variant)
            variant.container.in_flight += 1
            if shadow is not None:
                shadow.container.in_flight += 1
        capture = fleet.capture is not None and self._capture.samples(fleet, draw())
        for _ in range((1 if shadow is None else 2) if capture else 0):
            self._capture.expect()
        return Choice(endpoint, fleet, variant, shadow, capture)

    def _variant(self, endpoint: Endpoint, fleet: Fleet, target: str | None) -> Variant:
        if target is not None:
            found = fleet.variant(target)
            if found is None:
                raise ApiError(
                    "ValidationError", f"Variant {target} of endpoint {endpoint.name} was not found."
                )
            return found
        production = [one for one in fleet.variants if not one.shadow]
        if len(production) == 1:
            return production[0]
        mark = self._hosting.random.random() * sum(one.weight for one in production)
        for one in production:
            mark -= one.weight
            if mark < 0:
                return one
        return max(production, key=lambda one: one.weight)

    def _shadow(self, fleet: Fleet, variant: Variant) -> Variant | None:
        """The shadow, for its weight's share of the production variant's requests."""
        for one in fleet.variants:
            if one.shadow:
                share = one.weight / variant.weight if variant.weight else 1.0
                return one if share >= 1 or self._hosting.random.random() < share else None
        return None

    async def _ask(
        self, choice: Choice, variant: Variant, headers: dict[str, str], body: bytes
    ) -> tuple[Reply, float]:
        """A variant's answer, and how long it took in seconds."""
        began, container = time.perf_counter(), variant.container
        try:
            reply = await self._post(container.port, headers, body)
        except NoAnswerError:
            reply = Reply(502, {"content-type": _HTML}, _BAD_GATEWAY)
        except TooSlowError:
            reply = Reply(0, {}, _TIMED_OUT.encode())
        finally:
            with choice.endpoint.gate:
                container.in_flight -= 1
        return reply, time.perf_counter() - began

    async def _post(self, port: int | None, headers: dict[str, str], body: bytes) -> Reply:
        if port is None:
            raise NoAnswerError
        if port not in self._connections:
            self._connections[port] = Connections(port)
        passed = {name: headers[name] for name in _PASSED if name in headers}
        limit = self._simulator.timing.invocation.total_seconds()
        return await self._connections[port].post("/invocations", passed, body, limit)

    async def _copy(
        self, choice: Choice, shadow: Variant, headers: dict[str, str], body: bytes, at: datetime
    ) -> None:
        """The shadow's answer is captured and counted, and else nobody sees it."""
        reply, latency = await self._ask(choice, shadow, headers, body)
        self._record(choice, shadow, reply, latency, at)
        self._keep(choice, shadow, headers, body, reply, at)

    def _keep(
        self,
        choice: Choice,
        variant: Variant,
        headers: dict[str, str],
        body: bytes,
        reply: Reply,
        at: datetime,
    ) -> None:
        """Capture what was answered; an error is no inference and has no line."""
        if not choice.capture:
            return
        exchange = None
        if 200 <= reply.status < 300:
            exchange = Exchange(
                choice.endpoint.name,
                variant.name,
                (headers.get("content-type", ""), body),
                (reply.headers.get("content-type", ""), reply.body),
                at,
                headers.get(_INFERENCE_ID),
                headers.get(_ATTRIBUTES),
            )
        self._capture.arrived(choice.fleet, exchange)

    def _record(self, choice: Choice, variant: Variant, reply: Reply, latency: float, at: datetime) -> None:
        values = (
            ("Invocations", 1.0, "Count"),
            ("InvocationsPerInstance", 1.0 / max(1, variant.instances), "Count"),
            ("Invocation4XXErrors", float(400 <= reply.status < 500), "Count"),
            ("Invocation5XXErrors", float(reply.status >= 500 or reply.status == 0), "Count"),
            ("ModelLatency", latency * 1e6, "Microseconds"),
        )
        keys = self._keys_of(choice, variant)
        self._metrics.record(((key, value, unit) for name, value, unit in values for key in keys[name]), at)

    @staticmethod
    def _keys_of(choice: Choice, variant: Variant) -> dict[str, list[Key]]:
        """A variant's metrics: of the endpoint, and of the endpoint with this configuration.

        https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
        """
        if not variant.metrics:
            where = (("EndpointName", choice.endpoint.name), ("VariantName", variant.name))
            more = (*where, ("EndpointConfigName", choice.fleet.config_name))
            variant.metrics = {
                name: [key_of(NAMESPACE, name, where), key_of(NAMESPACE, name, more)] for name in _METRICS
            }
        return variant.metrics

    def _model_error(self, choice: Choice, reply: Reply) -> Answer:
        region, account = self._simulator.region, self._simulator.account
        who = "client" if 400 <= reply.status < 500 else "server"
        said = reply.body.decode("utf-8", "replace")
        group = f"/aws/sagemaker/Endpoints/{choice.endpoint.name}"
        message = (
            f'Received {who} error ({reply.status}) from primary with message "{said}". See '
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group} in "
            f"account {account} for more information."
        )
        return _refusal(
            ApiError(
                "ModelError",
                message,
                424,
                OriginalStatusCode=reply.status,
                OriginalMessage=said,
                LogStreamArn=f"arn:aws:logs:{region}:{account}:log-group:{group}",
            )
        )


def _unknown(simulator: Simulator, name: str) -> ApiError:
    return ApiError("ValidationError", f"Endpoint {name} of account {simulator.account} not found.")


def _refusal(error: ApiError) -> Answer:
    body = {"Message": error.message, "message": error.message, **error.fields}
    headers = {"content-type": "application/json", "x-amzn-errortype": error.code}
    return error.status, headers, json.dumps(body).encode()
