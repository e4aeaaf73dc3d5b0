"""One call to AWS, whose errors are in our terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_mlops.core.aws.errors import explain
from airflow_mlops.core.errors import MlopsError, PlatformError


def call(
    method: Callable[..., dict[str, Any]],
    request: dict[str, Any],
    action: str,
    *,
    kind: type[MlopsError] = PlatformError,
    unless: Callable[[Exception], bool] | None = None,
) -> dict[str, Any] | None:
    """What ``method``, a method of a boto3 client, answers to ``request``.

    :param action: what is tried, for the error: ``create training job x``.
    :param kind: of the error to raise, where the cause says nothing better.
    :param unless: for which errors of the service None is returned instead, e.g.
        :func:`~airflow_mlops.core.aws.errors.is_missing`.
    :raises MlopsError: of ``kind``, with what the service said.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return method(**request)
    except ClientError as error:
        if unless is not None and unless(error):
            return None
        raise explain(error, action, kind) from error
    except BotoCoreError as error:
        raise explain(error, action, kind) from error
