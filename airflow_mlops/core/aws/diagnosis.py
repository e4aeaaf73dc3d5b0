"""Why AWS refuses: one table for all services, by what they say, by their codes, by the class of an error."""

from __future__ import annotations

from airflow_mlops.core.aws.causes import (
    AIRFLOW,
    CLOCK,
    KEY_UNUSABLE,
    NO_KEY,
    OTHER_REGION,
    REGION,
    Cause,
)
from airflow_mlops.core.aws.client_config import is_aws
from airflow_mlops.core.aws.said import code, message, part, status
from airflow_mlops.core.aws.wording import by_text

_CREDENTIALS = (
    "correct the access key, its secret and the session token of the AWS connection, and the endpoint URL"
)
_EXPIRED = Cause(
    "the credentials have expired",
    "renew them; credentials of a role or of an instance renew themselves: run it again",
    "passing",
)
_LOGIN = Cause(
    "the credentials have expired, as the SSO session has",
    "renew them: aws sso login, with the profile of the AWS connection; a server should use a role instead",
)
_BUSY = Cause("the server is overloaded or broken", "run it again later", "passing")
_THROTTLED = Cause(
    "too many requests",
    "run it again later; where it lasts, let fewer tasks run at once or raise the rate in Service Quotas",
    "passing",
)
_DENIED = Cause(
    "access is denied",
    "allow s3:GetObject and s3:PutObject on the store's objects and s3:ListBucket on its bucket, and with a KMS key "
    f"kms:GenerateDataKey and kms:Decrypt: see {AIRFLOW}",
)
_UNKNOWN_KEY = Cause("the credentials are not known to the server", _CREDENTIALS)
_UNREACHABLE = Cause(
    "the server can't be reached",
    "check the endpoint URL (endpoint_url of the AWS connection, AWS_ENDPOINT_URL_S3), the network and the proxy",
    "passing",
)
_NO_SUCH_PLACE = Cause(
    "AWS can't be reached",
    f"check the region, it is a part of the address: {REGION}; then the network and the proxy",
    "passing",
)
_NO_CREDENTIALS = Cause(
    "there are no complete credentials",
    "give the AWS connection a login and password, a profile or a role; or set AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY",
)
_ENVIRONMENT = Cause(
    "the configuration of AWS can't be used",
    "correct the AWS connection, the AWS_... environment variables or ~/.aws/config",
)
_BUCKET_NAME = Cause("the request is not valid", "correct the bucket's name in the store's URI", "request")

_BY_CODE = {
    "NoSuchBucket": Cause("there is no such bucket", "make the bucket, or correct the store's URI"),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "403"), _DENIED),
    "AccessDeniedException": Cause(
        "access is denied", f"allow the call to the role of the AWS connection: {AIRFLOW}"
    ),
    **dict.fromkeys(
        (
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "InvalidToken",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "IncompleteSignature",
            "AuthFailure",
        ),
        _UNKNOWN_KEY,
    ),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"), _EXPIRED
    ),
    "RequestTimeTooSkewed": CLOCK,
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"),
        OTHER_REGION,
    ),
    "SlowDown": _BUSY,
    **dict.fromkeys(
        (
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "RequestThrottled",
        ),
        _THROTTLED,
    ),
    "ResourceLimitExceeded": Cause(
        "a quota of the account is used up", "raise it in Service Quotas, service Amazon SageMaker"
    ),
    "KMS.DisabledException": Cause("the KMS key is disabled", KEY_UNUSABLE),
    "KMS.KMSInvalidStateException": Cause("the KMS key can't be used in its state", KEY_UNUSABLE),
    "KMS.NotFoundException": NO_KEY,
    "OptInRequired": Cause("the account has not opted in to the region", REGION),
}
#: By the class of an error that has no answer, the nearest first.
_BY_CLASS = {
    "NoCredentialsError": _NO_CREDENTIALS,
    "PartialCredentialsError": _NO_CREDENTIALS,
    "CredentialRetrievalError": _NO_CREDENTIALS,
    "NoAuthTokenError": _NO_CREDENTIALS,
    "SSOError": _LOGIN,
    "TokenRetrievalError": _LOGIN,
    "LoginError": Cause(
        "the login has expired", "renew it: aws login, with the profile of the AWS connection"
    ),
    "NoRegionError": Cause("no region is set", REGION),
    "InvalidRegionError": Cause("there is no such region", REGION),
    "UnknownRegionError": Cause("there is no such region", REGION),
    "UnknownEndpointError": Cause("the service is not in that region", REGION),
    "EndpointProviderError": Cause("the service is not in that region", REGION),
    "SSLError": Cause(
        "the server's certificate is not trusted",
        "set verify of the AWS connection, or AWS_CA_BUNDLE, to the bundle of who signed it",
    ),
    "ConnectTimeoutError": Cause(
        "the server can't be reached: it does not answer",
        "check the network and the region; a private subnet needs a VPC endpoint: a gateway of S3, an interface of "
        "SageMaker (sagemaker.api, sagemaker.runtime) and of CloudWatch (logs, monitoring)",
        "passing",
    ),
    "ConnectionError": _UNREACHABLE,
    "HTTPClientError": _UNREACHABLE,
    "IncompleteReadError": _UNREACHABLE,
    "ProfileNotFound": _ENVIRONMENT,
    "ConfigParseError": _ENVIRONMENT,
    "ConfigNotFound": _ENVIRONMENT,
    "InvalidConfigError": _ENVIRONMENT,
    "MissingDependencyException": Cause(
        "a package is missing", "pip install 'airflow-mlops[amazon]' 'botocore[crt]'"
    ),
    "ParamValidationError": _BUCKET_NAME,
    "CapacityNotAvailableError": _THROTTLED,
    "ValueError": _ENVIRONMENT,
}


def diagnose(error: Exception) -> Cause | None:
    """Why a call of botocore failed, None where nothing is known."""
    found = by_text(f"{code(error)}: {message(error)}") if code(error) else None
    if found is None and not code(error):
        found = _of_class(error)
    return found or _of_code(error)


def _of_code(error: Exception) -> Cause | None:
    known = _BY_CODE.get(code(error))
    if known is OTHER_REGION:
        return _region_of(error)
    if known is None and status(error) == 429:
        return _THROTTLED
    if known is None and status(error) >= 500 and status(error) != 501:
        return _BUSY
    return known


def _region_of(error: Exception) -> Cause:
    """The region that S3 says the bucket is in."""
    headers = part(error, "ResponseMetadata").get("HTTPHeaders") or {}
    right = part(error, "Error").get("Region") or headers.get("x-amz-bucket-region")
    if not right:
        return OTHER_REGION
    return Cause(f"{OTHER_REGION.says}, {right}", OTHER_REGION.remedy)


def _of_class(error: Exception) -> Cause | None:
    names = (each.__name__ for each in type(error).__mro__)
    known = next((_BY_CLASS[name] for name in names if name in _BY_CLASS), None)
    if known is _UNREACHABLE and is_aws(str(getattr(error, "kwargs", {}).get("endpoint_url", ""))):
        return _NO_SUCH_PLACE
    if known is _BUCKET_NAME and "bucket name" not in str(error).lower():
        return Cause(
            "the request is not valid",
            "correct what it names in field sagemaker of the mlops connection",
            "request",
        )
    return known
