"""What AWS and botocore say, in one line that tells what to do; nobody else maps codes."""

from __future__ import annotations

from airflow_mlops.core.aws.causes import Cause
from airflow_mlops.core.aws.diagnosis import diagnose
from airflow_mlops.core.aws.said import code, message, quoted, status, told
from airflow_mlops.core.aws.wording import by_text
from airflow_mlops.core.errors import (
    EndpointError,
    MlopsError,
    PlatformError,
    ServiceUnavailable,
    SourceUnavailable,
    StoreError,
)

__all__ = [
    "code",
    "exists_already",
    "explain",
    "explain_reason",
    "is_missing",
    "message",
    "passes",
    "status",
]

#: Kinds that say by themselves that another try may succeed.
_RETRIED = (EndpointError, SourceUnavailable, StoreError)


def exists_already(error: Exception) -> bool:
    """Whether a create was refused because the name is taken: SageMaker says so in two ways."""
    return code(error) == "ResourceInUse" or (
        code(error) == "ValidationException" and "already exist" in message(error).lower()
    )


def is_missing(error: Exception) -> bool:
    """Whether what was asked for is not there: SageMaker says so in three ways."""
    said = message(error).lower()
    return (
        code(error) in ("ResourceNotFound", "ResourceNotFoundException", "ObjectNotFoundException")
        or (code(error) == "ValidationException" and "could not find" in said)
        or (code(error) in ("ValidationError", "ValidationException") and "not found" in said)
    )


def passes(error: Exception) -> bool:
    """Whether a later try may succeed: throttled, overloaded, no capacity, network, expired credentials."""
    cause = diagnose(error)
    return cause is not None and cause.nature == "passing"


def explain(error: Exception, action: str, kind: type[MlopsError] = PlatformError) -> MlopsError:
    """The error to raise for an error of botocore.

    What may pass is of a kind that tasks try again: ``kind`` itself where it is one, else
    :class:`~airflow_mlops.core.errors.ServiceUnavailable`. What somebody has to correct in the account, a role or the
    connection is a :class:`~airflow_mlops.core.errors.PlatformError`. All else is of ``kind``.

    :param action: what was tried, as ``create training job x``.
    :param kind: of the error, where the cause says nothing better.
    """
    return _made(diagnose(error), f"can't {action}", quoted(error), kind)


def explain_reason(
    reason: str, problem: str, kind: type[MlopsError] = PlatformError, remedy: str | None = None
) -> MlopsError:
    """The error to raise for the reason that a job or an endpoint gives of its failure.

    :param reason: SageMaker's own words, as ``FailureReason`` has them.
    :param problem: what failed, as ``training job x failed``.
    :param remedy: where the reason says none.
    """
    return _made(by_text(reason), problem, told(reason), kind, remedy)


def _made(
    cause: Cause | None, problem: str, given: str, kind: type[MlopsError], remedy: str | None = None
) -> MlopsError:
    if cause is None:
        return kind(problem, given=given, remedy=remedy)
    if cause.nature == "passing" and not issubclass(kind, _RETRIED):
        kind = ServiceUnavailable
    elif cause.nature == "platform":
        kind = PlatformError
    return kind(f"{problem}: {cause.says}", given=given, remedy=cause.remedy)
