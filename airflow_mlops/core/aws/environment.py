"""Clients from boto3's own environment: for the command line, the endpoint server and notebooks."""

from __future__ import annotations

from airflow_mlops.core.aws.clients import Clients
from airflow_mlops.core.aws.errors import explain
from airflow_mlops.core.aws.lazy import LazyAws
from airflow_mlops.core.errors import PlatformError


class EnvironmentAws(LazyAws):
    """An :class:`~airflow_mlops.core.aws.session.Aws` as boto3 finds it.

    ``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, ``~/.aws/config``, the role of an instance or a container;
    ``AWS_DEFAULT_REGION``; ``AWS_ENDPOINT_URL_S3``. It is looked for at the first use.
    """

    def __init__(self) -> None:
        super().__init__(_find)


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
