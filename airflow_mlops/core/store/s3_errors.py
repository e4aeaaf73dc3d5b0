"""What S3 and botocore say, in one line that tells what to do."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.errors import IntegrityError, StoreError, UnsafeStore

_NO_BUCKET = ("there is no such bucket", "make the bucket, or correct the store's URI")
_DENIED = (
    "access is denied",
    "allow s3:GetObject and s3:PutObject on the store's objects and s3:ListBucket on its bucket",
)
_UNKNOWN_KEY = (
    "the credentials are not known to the server",
    "correct the access key, its secret and the endpoint URL",
)
_EXPIRED = ("the credentials have expired", "renew them, then run it again")
_NO_CREDENTIALS = (
    "there are no complete credentials",
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role",
)
_REGION = (
    "the bucket is in another region",
    "set the bucket's region (AWS_DEFAULT_REGION or the AWS connection's region_name)",
)
_CLOCK = ("this machine's clock is wrong", "set the clock")
_BUSY = ("the server is overloaded or broken", "run it again later")
_UNREACHABLE = (
    "the server can't be reached",
    "check the endpoint URL (AWS_ENDPOINT_URL_S3), the network and the proxy",
)
_WRONG_CALL = ("the request is not valid", "correct the bucket's name in the store's URI")

_BY_CODE = {
    "NoSuchBucket": _NO_BUCKET,
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "403": _DENIED,
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": _UNKNOWN_KEY,
    "InvalidToken": _UNKNOWN_KEY,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "RequestTimeTooSkewed": _CLOCK,
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "301": _REGION,
    "SlowDown": _BUSY,
    "ServiceUnavailable": _BUSY,
    "InternalError": _BUSY,
    "500": _BUSY,
    "503": _BUSY,
}
_BY_CLASS = {
    "NoCredentialsError": _NO_CREDENTIALS,
    "PartialCredentialsError": _NO_CREDENTIALS,
    "CredentialRetrievalError": _NO_CREDENTIALS,
    "SSOError": _EXPIRED,
    "TokenRetrievalError": _EXPIRED,
    "ParamValidationError": _WRONG_CALL,
    "ConnectionError": _UNREACHABLE,
    "HTTPClientError": _UNREACHABLE,
    "IncompleteReadError": _UNREACHABLE,
}


def status(error: Exception) -> int:
    """The HTTP status of a ``ClientError``, 0 for an error without an answer."""
    return int(_part(error, "ResponseMetadata").get("HTTPStatusCode", 0))


def code(error: Exception) -> str:
    """S3's error code of a ``ClientError``, empty for an error without an answer."""
    return str(_part(error, "Error").get("Code", ""))


def is_missing(error: Exception) -> bool:
    """Whether the answer means that there is no such object (in a bucket that exists)."""
    return status(error) == 404 and code(error) != "NoSuchBucket"


def lost_race(error: Exception) -> bool:
    """Whether a conditional write was refused because of another writer: read again."""
    return status(error) in (409, 412) or is_missing(error)


def sent_twice(error: Exception) -> bool:
    """Whether botocore repeated the request, so that the refusal may be about our own first try."""
    return int(_part(error, "ResponseMetadata").get("RetryAttempts", 0)) > 0


def explain(error: Exception, action: str, place: str) -> StoreError:
    """The error to raise for an error of botocore.

    :param action: what was tried, as ``read x``.
    :param place: the store's URI.
    """
    problem = f"can't {action} in {place}"
    given = " ".join(str(error).split())[:300]
    if code(error) in ("NotImplemented", "501"):
        return UnsafeStore(
            problem,
            given=given,
            expected="a server that knows conditional writes (If-None-Match)",
            remedy="use AWS, another S3 server or a folder",
        )
    classes = [each.__name__ for each in type(error).__mro__]
    if "FlexibleChecksumError" in classes:
        return IntegrityError(
            f"{problem}: bytes were changed on the way or at rest", given=given, remedy="run it again"
        )
    known = _BY_CODE.get(code(error)) or next(
        (_BY_CLASS[name] for name in classes if name in _BY_CLASS), None
    )
    if known is None:
        return StoreError(problem, given=given)
    return StoreError(f"{problem}: {known[0]}", given=given, remedy=known[1])


def _part(error: Exception, name: str) -> dict[str, Any]:
    """One part of the answer that a ``ClientError`` carries."""
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    part: dict[str, Any] = answer.get(name) or {}
    return part
