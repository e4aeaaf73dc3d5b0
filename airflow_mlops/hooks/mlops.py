"""The hook behind the ``mlops`` connection type."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_mlops.core.errors import MlopsError, PlatformError
from airflow_mlops.hooks.aws import AirflowAws
from airflow_mlops.hooks.query import run_on_connection
from airflow_mlops.platform import AWS_FIELDS, Platform


class MlopsHook(BaseHook):
    """Builds the :class:`~airflow_mlops.platform.Platform` that a connection describes.

    :param mlops_conn_id: the connection; when the default one does not exist, the platform is local, below
        ``[mlops] home`` (``$AIRFLOW_HOME/mlops``).
    """

    conn_name_attr = "mlops_conn_id"
    default_conn_name = "mlops_default"
    conn_type = "mlops"
    hook_name = "MLOps"

    def __init__(self, mlops_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mlops_conn_id = mlops_conn_id

    def get_conn(self) -> Platform:
        """The platform.

        :raises AirflowNotFoundException: if a connection other than the default one does not exist.
        :raises PlatformError: if the connection's fields are wrong.
        """
        try:
            connection = self.get_connection(self.mlops_conn_id)
        except AirflowNotFoundException:
            if self.mlops_conn_id != self.default_conn_name:
                raise
            return replace(Platform.local(home()), query=run_on_connection)
        fields = self._fields(connection)
        aws = _way(fields, "aws_conn_id")
        own = {purpose: way for purpose, field in AWS_FIELDS.items() if (way := _way(fields, field))}
        return Platform.from_fields(
            fields,
            home=home(),
            token=connection.password or None,
            s3=(lambda: aws().client("s3")) if aws else None,
            aws=aws,
            own_aws=own,
            query=run_on_connection,
        )

    def _fields(self, connection: Any) -> dict[str, Any]:
        """The extra fields; Airflow reads what is no JSON as no fields, which would mean the local platform."""
        fields = connection.extra_dejson
        if not isinstance(fields, dict) or (
            not fields and (connection.extra or "").strip() not in ("", "{}")
        ):
            raise PlatformError(
                f"extra of connection {self.mlops_conn_id} is no JSON object",
                expected='e.g. {"store": "s3://bucket/prefix"}',
            )
        return fields

    def test_connection(self) -> tuple[bool, str]:
        """Say what is reached on AWS, open the store and race a few writers on it: the button in the Airflow UI."""
        from airflow_mlops.core.store.probe import probe
        from airflow_mlops.hooks.reached import reached

        try:
            platform = self.get_conn()
            found = reached(platform)
            store = platform.store()
            probe(store)
        except MlopsError as error:
            return False, str(error)
        return True, "; ".join((*found, f"{store.uri} keeps its promises: one of many writers wins"))


def _way(fields: Mapping[str, Any], field: str) -> Callable[[], AirflowAws] | None:
    """To the clients of the AWS connection that a field names; the connection is read when they are used."""
    if not fields.get(field):
        return None
    aws = AirflowAws(str(fields[field]), field)
    return lambda: aws


def home() -> Path:
    """The folder of the local platform: ``[mlops] home``, by default ``$AIRFLOW_HOME/mlops``."""
    configured = conf.get("mlops", "home", fallback="")
    return Path(configured or f"{os.environ.get('AIRFLOW_HOME', '~/airflow')}/mlops").expanduser()
