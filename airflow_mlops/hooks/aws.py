"""Clients of an Airflow AWS connection: made once in a process, however many tasks and triggers use it."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from airflow_mlops.core.aws.clients import Clients
from airflow_mlops.core.aws.errors import explain
from airflow_mlops.core.aws.lazy import LazyAws
from airflow_mlops.core.errors import PlatformError

#: As everywhere in Airflow, this one may be missing: boto3's own environment is used then.
DEFAULT = "aws_default"


class AirflowAws(LazyAws):
    """An :class:`~airflow_mlops.core.aws.session.Aws` of a connection, by Airflow's Amazon provider.

    It honours what the connection says of credentials, profile, assumed roles, region, ``endpoint_url``,
    ``service_config``, ``config_kwargs`` and ``verify``. The connection is read once, at the first use; clients are
    shared by all that use the same connection with the same content.

    :param aws_conn_id: the connection.
    :param field: of the ``mlops`` connection that names it, for error messages.
    """

    def __init__(self, aws_conn_id: str, field: str = "aws_conn_id") -> None:
        super().__init__(lambda: _SHARED.of(aws_conn_id, field))
        self.aws_conn_id = aws_conn_id


class _Shared:
    """The clients of this process, by connection and content."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, tuple[str, Clients]] = {}

    def of(self, conn_id: str, field: str) -> Clients:
        connection = _read(conn_id, field)
        content = _content(connection)
        with self._lock:
            known = self._made.get(conn_id)
            if known is None or known[0] != content:
                known = self._made[conn_id] = (content, _make(conn_id, field, connection))
            return known[1]


_SHARED = _Shared()


def _forget() -> None:
    """A child process begins with no clients: sockets and locks of its parent are not its own."""
    global _SHARED  # noqa: PLW0603
    _SHARED = _Shared()


os.register_at_fork(after_in_child=_forget)


def _read(conn_id: str, field: str) -> Any:
    """The connection. :raises PlatformError: if there is none, or it is of another kind."""
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        if conn_id == DEFAULT:
            return None
        raise PlatformError(
            f"Airflow has no connection {conn_id}",
            remedy=f"add it, or correct field {field} of the mlops connection",
        ) from None
    if connection.conn_type != "aws":
        raise PlatformError(
            f"connection {conn_id} is none to AWS",
            given=f"type {connection.conn_type}",
            expected="type aws",
            remedy=f"correct field {field} of the mlops connection",
        )
    return connection


def _content(connection: Any) -> str:
    """A hash of all that makes a difference to clients; no secret can be read from it."""
    fields = ("login", "password", "host", "schema", "port", "extra")
    said = [getattr(connection, name, None) for name in fields] if connection else []
    environment = sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))
    return hashlib.sha256(json.dumps([said, environment], default=str).encode()).hexdigest()


def _make(conn_id: str, field: str, connection: Any) -> Clients:
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import SessionFactory
        from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise PlatformError(
            f"{field} of the mlops connection needs Airflow's Amazon provider",
            given=conn_id,
            remedy="pip install 'airflow-mlops[amazon]'",
        ) from None
    try:
        wrapped = AwsConnectionWrapper(conn=connection)
        session = SessionFactory(
            conn=wrapped, region_name=wrapped.region_name, config=wrapped.botocore_config
        ).create_session()
    except (BotoCoreError, ClientError) as error:  # profiles are read and roles are assumed here
        raise explain(error, f"use AWS connection {conn_id}") from error
    except (AirflowException, NotImplementedError, TypeError, ValueError, KeyError) as error:
        raise PlatformError(
            f"AWS connection {conn_id} can't be used",
            given=" ".join(str(error).split())[:300],
            remedy="correct the connection's extra",
        ) from None
    return Clients(
        session,
        place=f"AWS connection {conn_id}",
        endpoint_url=wrapped.get_service_endpoint_url,
        config=wrapped.botocore_config,
        verify=wrapped.verify,
    )
