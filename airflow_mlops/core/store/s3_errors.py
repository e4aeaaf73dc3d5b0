"""What S3's answers mean to a store."""

from __future__ import annotations

from airflow_mlops.core.aws.causes import Cause
from airflow_mlops.core.aws.diagnosis import diagnose
from airflow_mlops.core.aws.said import code, part, quoted, status
from airflow_mlops.core.errors import IntegrityError, StoreError, UnsafeStore


def is_missing(error: Exception) -> bool:
    """Whether the answer means that there is no such object (in a bucket that exists)."""
    return status(error) == 404 and code(error) != "NoSuchBucket"


def lost_race(error: Exception) -> bool:
    """Whether a conditional write was refused because of another writer: read again."""
    return status(error) in (409, 412) or is_missing(error)


def sent_twice(error: Exception) -> bool:
    """Whether botocore repeated the request, so that the refusal may be about our own first try."""
    return int(part(error, "ResponseMetadata").get("RetryAttempts", 0)) > 0


def explain(error: Exception, action: str, place: str, cause: Cause | None = None) -> StoreError:
    """The error to raise for an error of botocore.

    :param action: what was tried, as ``read x``.
    :param place: the store's URI.
    :param cause: where more is known of it than the error says.
    """
    problem = f"can't {action} in {place}"
    given = quoted(error)
    if code(error) in ("NotImplemented", "501"):
        return UnsafeStore(
            problem,
            given=given,
            expected="a server that knows conditional writes (If-None-Match)",
            remedy="use AWS, another S3 server or a folder",
        )
    if "FlexibleChecksumError" in (each.__name__ for each in type(error).__mro__):
        return IntegrityError(
            f"{problem}: bytes were changed on the way or at rest", given=given, remedy="run it again"
        )
    cause = cause or diagnose(error)
    if cause is None:
        return StoreError(problem, given=given)
    return StoreError(f"{problem}: {cause.says}", given=given, remedy=cause.remedy)
