"""POST an alert as JSON to an address that a connection holds."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from airflow.sdk import BaseHook, BaseNotifier

from airflow_mlops.core.errors import PlatformError

_TIMEOUT = 10.0


class WebhookNotifier(BaseNotifier):
    """Sends JSON by POST: to a chat's incoming webhook, an incident tool, or a service of your own.

    The address stands in the connection, since with most chats it is a secret: ``host`` is the whole address
    (``https://hooks.example.com/services/T0/B0/x``), or a name beside ``schema``, ``port`` and, in the extra fields,
    ``path``. A ``password`` is sent as a bearer token, not over http:// except to this machine. Redirects are not
    followed: they would carry the token elsewhere.

    :param conn_id: the connection, of any type. (templated)
    :param payload: what is sent; without one all of ``mlops_alert``, which has a field ``text``. (templated)
    :param timeout: seconds.
    """

    template_fields: Sequence[str] = ("conn_id", "payload")

    def __init__(
        self,
        *,
        conn_id: str = "mlops_webhook",
        payload: Mapping[str, Any] | None = None,
        timeout: float = _TIMEOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id
        self.payload = dict(payload) if payload is not None else None
        self.timeout = timeout

    def notify(self, context: Any) -> None:
        """Send it.

        :raises PlatformError: if the connection has no usable address, or the other side refuses; the message never
            holds the address.
        """
        import httpx

        address, headers = self._target()
        payload = self.payload if self.payload is not None else context.get("mlops_alert")
        if payload is None:
            raise PlatformError(
                "nothing to send",
                given="no payload, and no alert in the context",
                remedy="give WebhookNotifier a payload",
            )
        try:
            # A proxy of the environment is not for this machine's own address.
            proxied = not _this_machine(urlsplit(address).hostname or "")
            answer = httpx.post(
                address, json=payload, headers=headers, timeout=self.timeout, trust_env=proxied
            )
        except httpx.HTTPError as error:
            # The error's own text may hold the address.
            raise PlatformError(
                f"the webhook of connection {self.conn_id} can't be reached", given=type(error).__name__
            ) from None
        if not answer.is_success:
            raise PlatformError(
                f"the webhook of connection {self.conn_id} refused",
                given=f"status {answer.status_code}",
                expected="2xx",
            )

    def _target(self) -> tuple[str, dict[str, str]]:
        connection = BaseHook.get_connection(self.conn_id)
        address = _address(connection)
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PlatformError(
                f"connection {self.conn_id} holds no address of a webhook",
                expected="http:// or https:// and a host, in the field host",
            )
        if not connection.password:
            return address, {}
        if parts.scheme == "http" and not _this_machine(parts.hostname):
            raise PlatformError(
                f"connection {self.conn_id} would send its password over http://",
                remedy="use https://, or leave the password out",
            )
        return address, {"Authorization": f"Bearer {connection.password}"}


def _address(connection: Any) -> str:
    host = connection.host or ""
    if "://" in host:
        return str(host)
    port = f":{connection.port}" if connection.port else ""
    extra = connection.extra_dejson
    path = str(extra.get("path", "") if isinstance(extra, dict) else "").lstrip("/")
    return f"{connection.schema or 'https'}://{host}{port}/{path}"


def _this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
