"""Requests to Airflow's REST API: logged in, retried where that is safe, with errors that fit on one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from airflow_mlops.core.errors import MlopsError

_ATTEMPTS = 6
_TEXT_LIMIT = 600


class RestError(MlopsError):
    """Airflow refused a request or could not be reached.

    :param problem: what was asked and what came back, on one line.
    :param status: the HTTP status; 0 when there was no answer.
    """

    def __init__(self, problem: str, *, status: int = 0) -> None:
        super().__init__(problem)
        self.status = status


class Transport:
    """A logged-in HTTP connection to one Airflow.

    :param url: address of its API server.
    :param username: who.
    :param password: never printed.
    :param timeout: seconds for one request.
    """

    def __init__(self, url: str, username: str, password: str, *, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._login = {"username": username, "password": password}
        # A proxy of the environment is not for this machine's own address.
        self._client = httpx.Client(base_url=self.url, timeout=timeout, trust_env=False)
        self._token: str | None = None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def reachable(self, path: str) -> bool:
        """Whether a plain GET of a public page succeeds."""
        try:
            return self._client.get(path).is_success
        except httpx.TransportError:
            return False

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        repeatable: bool | None = None,
        attempts: int = _ATTEMPTS,
    ) -> Any:
        """Send a request and return the decoded answer.

        A request that may be repeated without harm is repeated after a broken connection or a 5xx answer; any
        other one only if it never reached Airflow.

        :param method: GET, POST, PATCH ...
        :param path: path below ``/api/v2``, with its leading slash.
        :param params: query parameters; those that are None are left out.
        :param json: body.
        :param repeatable: whether it may be repeated; by default all but POST may.
        :param attempts: how often to try in all.
        :raises RestError: for any answer that is not a success, and for none.
        """
        harmless = method != "POST" if repeatable is None else repeatable
        retrying = Retrying(
            retry=retry_if_exception(lambda error: _repeat(error, harmless)),
            wait=wait_exponential(multiplier=0.2, max=3),
            stop=stop_after_attempt(attempts),
            reraise=True,
        )
        query = {name: value for name, value in (params or {}).items() if value is not None}
        what = f"{method} {path}"
        try:
            return retrying(self._send, method, path, query, json).json()
        except httpx.HTTPStatusError as error:
            raise RestError(
                f"{what}: {_reason(error.response)}", status=error.response.status_code
            ) from error
        except httpx.TransportError as error:
            raise RestError(f"{what}: no answer from {self.url} ({_text(error)})") from error
        except ValueError as error:
            raise RestError(f"{what}: the answer is not JSON", status=200) from error

    def _send(self, method: str, path: str, query: dict[str, Any], body: Any) -> httpx.Response:
        response = self._authorised(method, path, query, body)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            # The token is too old; a fresh one is refused only if we really may not.
            self._token = None
            response = self._authorised(method, path, query, body)
        return response.raise_for_status()

    def _authorised(self, method: str, path: str, query: dict[str, Any], body: Any) -> httpx.Response:
        if self._token is None:
            answer = self._client.post("/auth/token", json=self._login).raise_for_status()
            self._token = str(answer.json()["access_token"])
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        return self._client.request(method, f"/api/v2{path}", params=query, json=body, headers=headers)


def _text(error: Exception) -> str:
    # Some errors of httpx have no text.
    return str(error) or type(error).__name__


def _repeat(error: BaseException, harmless: bool) -> bool:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return True
    if not harmless:
        return False
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError)


def _reason(response: httpx.Response) -> str:
    """Status and message of an error answer; its ``detail`` is a text, an object or a list of problems."""
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.text
    if isinstance(detail, list):
        detail = "; ".join(_problem(item) for item in detail)
    elif isinstance(detail, dict):
        detail = detail.get("message") or detail.get("reason") or detail
    text = " ".join(str(detail).split())
    return f"{response.status_code} {response.reason_phrase}: {text[:_TEXT_LIMIT]}"


def _problem(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    place = ".".join(str(part) for part in item.get("loc", ()))
    return f"{place}: {item.get('msg', item)}" if place else str(item.get("msg", item))
