"""The hook behind the ``mlops`` connection type."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_mlops.core.errors import MlopsError, PlatformError
from airflow_mlops.hooks.aws import AirflowAws
from airflow_mlops.hooks.query import run_on_connection
from airflow_mlops.platform import Platform


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
        aws = AirflowAws(str(fields["aws_conn_id"])) if fields.get("aws_conn_id") else None
        return Platform.from_fields(
            fields,
            home=home(),
            token=connection.password or None,
            s3=(lambda: aws.client("s3")) if aws else None,
            aws=(lambda: aws) if aws else None,
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

        try:
            platform = self.get_conn()
            found = _found_on_aws(platform)
            store = platform.store()
            probe(store)
        except MlopsError as error:
            return False, str(error)
        return True, "; ".join((*found, f"{store.uri} keeps its promises: one of many writers wins"))


def _found_on_aws(platform: Platform) -> list[str]:
    """What the AWS connection reaches, in words; nothing without one."""
    from airflow_mlops.core.aws import finding
    from airflow_mlops.core.aws.s3_options import S3Options
    from airflow_mlops.core.aws.settings import SageMaker

    if platform.aws is None:
        return []
    aws = platform.aws()
    said, region = [finding.found_account(aws)], None
    options = platform.s3_options or S3Options.of_environment()
    for uri in dict.fromkeys((platform.data_uri, platform.store_uri)):  # the store's region is the last
        if uri.startswith("s3://"):
            words, region = finding.found_bucket(aws.client("s3"), uri, options.of(urlsplit(uri).netloc))
            said.append(words)
    if platform.on_sagemaker:
        said.append(finding.found_sagemaker(aws, platform.sagemaker or SageMaker(), region))
    return list(dict.fromkeys(said))


def home() -> Path:
    """The folder of the local platform: ``[mlops] home``, by default ``$AIRFLOW_HOME/mlops``."""
    configured = conf.get("mlops", "home", fallback="")
    return Path(configured or f"{os.environ.get('AIRFLOW_HOME', '~/airflow')}/mlops").expanduser()
