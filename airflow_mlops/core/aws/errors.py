"""What AWS and botocore say, in one line that tells what to do."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.errors import MlopsError, PlatformError


def code(error: Exception) -> str:
    """The error code of a ``ClientError``, empty for an error without an answer."""
    return str(_part(error).get("Code", ""))


def message(error: Exception) -> str:
    """What the service said, on one line."""
    return " ".join(str(_part(error).get("Message") or error).split())


def exists_already(error: Exception) -> bool:
    """Whether a create was refused because the name is taken: SageMaker says so in two ways."""
    return code(error) == "ResourceInUse" or (
        code(error) == "ValidationException" and "already exist" in message(error).lower()
    )


def is_missing(error: Exception) -> bool:
    """Whether what was asked for is not there: SageMaker says so in two ways."""
    return code(error) == "ResourceNotFound" or (
        code(error) == "ValidationException" and "could not find" in message(error).lower()
    )


def explain(error: Exception, action: str, kind: type[MlopsError] = PlatformError) -> MlopsError:
    """The error to raise for an error of botocore.

    :param action: what was tried, as ``create training job x``.
    :param kind: of the error, where the cause says nothing better.
    """
    return kind(f"can't {action}", given=message(error)[:300])


def _part(error: Exception) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    part: dict[str, Any] = answer.get("Error") or {}
    return part
