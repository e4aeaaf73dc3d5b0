"""Clients from boto3's own environment: for the command line, the endpoint server and notebooks."""

from __future__ import annotations

import threading
from contextlib import AbstractAsyncContextManager
from typing import Any

from airflow_mlops.core.aws.clients import Clients
from airflow_mlops.core.aws.errors import explain
from airflow_mlops.core.errors import PlatformError


class EnvironmentAws:
    """An :class:`~airflow_mlops.core.aws.session.Aws` as boto3 finds it.

    ``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, ``~/.aws/config``, the role of an instance or a container;
    ``AWS_DEFAULT_REGION``; ``AWS_ENDPOINT_URL_S3``. It is looked for at the first use.
    """

    def __init__(self) -> None:
        self._found: Clients | None = None
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """See :attr:`Aws.region`."""
        return self._clients().region

    def client(self, service: str) -> Any:
        """See :meth:`Aws.client`."""
        return self._clients().client(service)

    def endpoint_url(self, service: str) -> str | None:
        """See :meth:`Aws.endpoint_url`."""
        return self._clients().endpoint_url(service)

    def async_client(self, service: str) -> AbstractAsyncContextManager[Any]:
        """See :meth:`AsyncAws.async_client`."""
        return self._clients().async_client(service)

    def _clients(self) -> Clients:
        with self._lock:
            if self._found is None:
                self._found = _find()
            return self._found


def _find() -> Clients:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise PlatformError("AWS needs boto3", remedy="pip install 'airflow-mlops[amazon]'") from None
    try:
        return Clients(boto3.session.Session(), place="boto3's environment")
    except BotoCoreError as error:
        raise explain(error, "use boto3's environment") from error
