"""The local endpoint server, seen by the lifecycle."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import DeploymentFailed, EndpointError
from airflow_mlops.core.gates import MACHINE
from airflow_mlops.core.registry.deployments import NOTHING, Desired
from airflow_mlops.core.serving.base import Prediction, Resources, Series
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.hours import Cursor
from airflow_mlops.core.serving.wording import in_words
from airflow_mlops.core.store import Store

if TYPE_CHECKING:
    import httpx

_POLL = 0.02
_SLOWEST_POLL = 1.0
_TIMEOUT = 30.0
_SLOWEST = timedelta(minutes=2)
_MISSING = 404


class LocalEndpoint:
    """One model at a server that was started with ``airflow-mlops serve``. Implements the protocol
    ``Endpoint``, and ``Instruments``.

    :param base_url: of the server, e.g. ``http://127.0.0.1:8765``.
    :param store: the store that the server follows.
    :param token: bearer token of the server.
    """

    def __init__(self, base_url: str, model: str, store: Store, token: str | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._model = model
        self._store = store
        self._token = token

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"{self._base_url}/endpoints/{self._model}/invocations"

    @property
    def page(self) -> str:
        """What the server says of the model."""
        return f"{self._base_url}/endpoints/{self._model}"

    @property
    def slowest(self) -> timedelta:
        """See :attr:`Endpoint.slowest`."""
        return _SLOWEST

    def certain_until(self, now: datetime) -> datetime:
        """See :meth:`Endpoint.certain_until`: failures are captured as answers are."""
        return now

    def reconcile(self, desired: Desired, timeout: timedelta) -> None:
        """See :meth:`Endpoint.reconcile`. The server follows the deployment log by itself; this one waits for
        it.

        :raises EndpointError: if the server can't be reached or refuses the token.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        self._call("POST", "/reconcile", missing=True)
        pause = _POLL
        while _serves(state := self._state()) != desired:
            self._give_up(state, desired)
            if time.monotonic() >= deadline:
                seconds = timeout.total_seconds()
                raise self._failed(state, desired, f"not within {seconds:g} s")
            time.sleep(pause)
            pause = min(pause * 1.2, _SLOWEST_POLL)

    def describe(self) -> Desired:
        """See :meth:`Endpoint.describe`. A model that was never deployed is served by nothing:
        ``NOTHING``.
        """
        return _serves(self._state())

    def invoke(
        self, rows: list[dict[str, Any]], *, inference_id: str | None = None, variant: str | None = None
    ) -> Prediction:
        """See :meth:`Endpoint.invoke`."""
        headers = {}
        if inference_id is not None:
            headers["X-Amzn-SageMaker-Inference-Id"] = inference_id
        if variant is not None:
            headers["X-Amzn-SageMaker-Target-Variant"] = variant
        response = self._call("POST", "/invocations", json={"instances": rows}, headers=headers)
        return Prediction(
            predictions=tuple(response.json()["predictions"]),
            variant=response.headers["x-amzn-invoked-production-variant"],
            inference_id=response.headers["x-amzn-sagemaker-inference-id"],
        )

    def captures(self, since: datetime, cursor: Cursor | None = None) -> Iterator[CaptureRecord]:
        """See :meth:`Endpoint.captures`. Answers come to the store about a second (S3: five) after they were
        given.
        """
        return read_captures(self._store, self._model, since, cursor=cursor)

    def resources(self, since: datetime, until: datetime) -> Resources:
        """See :meth:`Instruments.resources`. All variants are in one process, so all have its values."""
        answer = self._call("GET", "/resources").json()
        times = [datetime.fromtimestamp(at, timezone.utc) for at in answer["at"]]

        def series(metric: str) -> Series:
            pairs = zip(times, answer[metric], strict=True)
            return tuple((at, float(value)) for at, value in pairs if since <= at <= until)

        found = {metric: series(metric) for metric in sorted(MACHINE)}
        return {metric: dict.fromkeys(answer["variants"], values) for metric, values in found.items()}

    def send_ground_truth(self, labels: list[GroundTruth]) -> None:
        """Hand labels to the server. :raises EndpointError: if it can't be reached or refuses them."""
        records = [label.model_dump(mode="json") for label in labels]
        self._call("POST", "/ground-truth", json={"records": records})

    def _state(self) -> dict[str, Any] | None:
        response = self._call("GET", "", missing=True)
        if response.status_code == _MISSING:
            return None
        state: dict[str, Any] = response.json()
        return state

    def _give_up(self, state: dict[str, Any] | None, desired: Desired) -> None:
        """Stop waiting for what can't come: a newer deployment, or a version that can't be loaded."""
        if state is None:
            return
        asked = Desired.model_validate(state["asked"])
        if asked.number > desired.number:
            raise self._failed(state, desired, f"deployment {asked.number} came after it")
        if asked.number == desired.number and state["error"] and not state["loading"]:
            raise self._failed(state, desired, state["error"])

    def _failed(self, state: dict[str, Any] | None, desired: Desired, why: str) -> DeploymentFailed:
        details = [why]
        if state is not None:
            details += [
                str(state[name]) for name in ("error", "store_error") if state[name] and state[name] != why
            ]
        return DeploymentFailed(
            f"{self._base_url} does not serve what was asked for {self._model}: {'; '.join(details)}",
            versions=tuple(state.get("failed", ())) if state else (),
            given=in_words(_serves(state)),
            expected=in_words(desired),
            remedy=None if state else f"does the server follow this store, {self._store.uri}?",
        )

    def _call(self, method: str, path: str, *, missing: bool = False, **arguments: Any) -> httpx.Response:
        """The answer; one of 404 only if ``missing`` allows it."""
        import httpx

        try:
            response = _CONNECTIONS.of(self._token).request(
                method, f"{self._base_url}/endpoints/{self._model}{path}", **arguments
            )
        except httpx.ConnectError:
            raise EndpointError(
                f"no endpoint server answers at {self._base_url}",
                remedy=f"start it with: airflow-mlops serve --store {self._store.uri}",
            ) from None
        except httpx.HTTPError as error:
            raise EndpointError(
                f"endpoint server at {self._base_url} did not answer",
                given=str(error) or type(error).__name__,
            ) from None
        if response.status_code == _MISSING and missing:
            return response
        if response.status_code == 401:
            raise EndpointError(
                f"endpoint server at {self._base_url} refuses the token",
                given="a token" if self._token else "no token",
                remedy="set the token of the server as password of the mlops connection",
            )
        if response.is_error:
            raise EndpointError(f"{self._model} answers {response.status_code}: {_message(response)}")
        return response


class _Connections:
    """One HTTP client for each token: hundreds of endpoints in a process (a triggerer) share its connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str | None, httpx.Client] = {}

    def of(self, token: str | None) -> httpx.Client:
        import httpx

        with self._lock:
            if token not in self._made:
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                # Proxies of the environment are for the world outside, and would see the token.
                self._made[token] = httpx.Client(headers=headers, timeout=_TIMEOUT, trust_env=False)
            return self._made[token]


_CONNECTIONS = _Connections()


def _forget() -> None:
    """A child process has none of its parent's connections."""
    global _CONNECTIONS  # noqa: PLW0603
    _CONNECTIONS = _Connections()


os.register_at_fork(after_in_child=_forget)


def _serves(state: dict[str, Any] | None) -> Desired:
    return NOTHING if state is None else Desired.model_validate(state)


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(response.text.split())[:200]
