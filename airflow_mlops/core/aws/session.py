"""Where clients of AWS come from."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Aws(Protocol):
    """Credentials, region and endpoints of one AWS connection.

    Its clients are made once and may be shared by threads.
    """

    @property
    def region(self) -> str:
        """The region, e.g. ``eu-central-1``. :raises PlatformError: if none is set."""
        ...

    def client(self, service: str) -> Any:
        """A boto3 client, e.g. of ``sagemaker``, ``sagemaker-runtime``, ``s3``, ``logs`` or ``cloudwatch``.

        :raises PlatformError: if the credentials or the configuration can't be used.
        """
        ...

    def endpoint_url(self, service: str) -> str | None:
        """Where the service is, when it is not AWS itself."""
        ...


class AsyncAws(Aws, Protocol):
    """An :class:`Aws` that also has clients for event loops, as triggers need them."""

    def async_client(self, service: str) -> AbstractAsyncContextManager[Any]:
        """An aiobotocore client, shared by all who use it on the running loop.

        :raises PlatformError: if the credentials or the configuration can't be used.
        """
        ...
