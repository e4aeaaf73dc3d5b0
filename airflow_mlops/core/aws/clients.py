"""Clients of one boto3 session, made once: one of them takes 5 to 10 MB and a tenth of a second."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.aws.async_clients import AsyncClients
from airflow_mlops.core.aws.client_config import by_path, client_config, is_aws
from airflow_mlops.core.aws.errors import explain
from airflow_mlops.core.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3
    from botocore.config import Config


class Clients:
    """An :class:`~airflow_mlops.core.aws.session.Aws` of a boto3 session; threads may share it.

    :param session: whose credentials and region all clients have.
    :param place: for error messages, e.g. ``AWS connection aws_models``.
    :param endpoint_url: where a service is; None for what boto3's environment says.
    :param config: wins over ours, field by field.
    :param verify: of TLS certificates: False, or a bundle's path.
    """

    def __init__(
        self,
        session: boto3.session.Session,
        *,
        place: str,
        endpoint_url: Callable[[str], str | None] = lambda service: None,
        config: Config | None = None,
        verify: bool | str | None = None,
    ) -> None:
        self._session = session
        self._place = place
        self._endpoint_url = endpoint_url
        self._config = config
        self._verify = verify
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()  # making clients is not thread-safe in boto3, using them is
        self._async = AsyncClients(session, self._arguments)

    @property
    def region(self) -> str:
        """See :attr:`Aws.region`."""
        region = self._session.region_name
        if not region:
            raise PlatformError(
                f"{self._place} has no region",
                expected="e.g. eu-central-1",
                remedy="set region_name in the AWS connection's extra, or AWS_DEFAULT_REGION",
            )
        return region

    def client(self, service: str) -> Any:
        """See :meth:`Aws.client`."""
        found = self._made.get(service)
        if found is not None:
            return found
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]

    def endpoint_url(self, service: str) -> str | None:
        """See :meth:`Aws.endpoint_url`."""
        url = str(self.client(service).meta.endpoint_url)
        return None if is_aws(url) else url

    @asynccontextmanager
    async def async_client(self, service: str) -> AsyncIterator[Any]:
        """See :meth:`AsyncAws.async_client`."""
        async with self._async.client(service) as client:
            yield client

    def _make(self, service: str) -> Any:
        from botocore.exceptions import BotoCoreError

        given = self._arguments(service)
        try:
            client = self._session.client(service, **given)  # type: ignore[call-overload]
            if service == "s3" and not is_aws(client.meta.endpoint_url):
                config = by_path(given["config"])
                if config is not given["config"]:
                    client = self._session.client(service, **{**given, "config": config})  # type: ignore[call-overload]
        except (BotoCoreError, ValueError) as error:
            raise explain(error, f"make a client of {service} from {self._place}") from error
        return client

    def _arguments(self, service: str) -> dict[str, Any]:
        return {
            "endpoint_url": self._endpoint_url(service),
            "config": client_config(service, self._config),
            "verify": self._verify,
        }
