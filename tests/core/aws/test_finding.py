"""What a test of a connection finds on AWS, and what it says when something is not as it should be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.parsers import ResponseParserError

from airflow_mlops.core.aws.finding import found_account, found_bucket, found_sagemaker
from airflow_mlops.core.aws.s3_options import S3Options
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import MlopsError, PlatformError

ACCOUNT = "123456789012"
NO_OPTIONS = S3Options().of("models")


def refusal(code: str, message: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Ask"
    )


class FakeAws:
    """Answers, or raises, what it is told, by operation."""

    region = "eu-central-1"

    def __init__(self, s3_url: str | None = None, **answers: Any) -> None:
        self.answers, self.s3_url = answers, s3_url

    def endpoint_url(self, service: str) -> str | None:
        return self.s3_url

    def client(self, service: str) -> Any:
        return SimpleNamespace(**{name: self._answer(answer) for name, answer in self.answers.items()})

    def _answer(self, answer: Any) -> Any:
        def method(**_: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return method


def test_who_we_are() -> None:
    aws = FakeAws(
        get_caller_identity={"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/airflow/w"}
    )
    assert found_account(aws) == f"account {ACCOUNT} (assumed-role/airflow/w), region eu-central-1"


@pytest.mark.parametrize(
    "error",
    [EndpointConnectionError(endpoint_url="http://sts"), ResponseParserError("no XML"), refusal("Odd", "?")],
)
def test_a_place_without_sts_is_no_fault(error: Exception) -> None:
    assert found_account(FakeAws(get_caller_identity=error)).startswith("account not known")


@pytest.mark.parametrize(
    "error", [NoCredentialsError(), refusal("InvalidClientTokenId", "The security token is invalid", 403)]
)
def test_credentials_that_are_no_good_are(error: Exception) -> None:
    with pytest.raises(PlatformError, match=r"can't ask STS who we are: .*credentials"):
        found_account(FakeAws(get_caller_identity=error))


def test_the_bucket_and_its_region() -> None:
    listed = {"ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": "us-east-1"}}}
    client = FakeAws(list_objects_v2=listed).client("s3")
    assert found_bucket(client, "s3://models/p", NO_OPTIONS) == ("bucket models in us-east-1", "us-east-1")
    silent = FakeAws(list_objects_v2={}).client("s3")
    assert found_bucket(silent, "s3://models/p", NO_OPTIONS) == ("bucket models", None)


@pytest.mark.parametrize(
    "error, says",
    [
        (
            refusal("NoSuchBucket", "The specified bucket does not exist", 404),
            "can't use s3://models/p: there is no such bucket",
        ),
        (
            refusal("AccessDenied", "Access Denied", 403),
            "can't use s3://models/p: access is denied.*s3:ListBucket",
        ),
        (
            refusal("301", "Moved Permanently", 301),
            "can't use s3://models/p: the bucket is in another region",
        ),
    ],
)
def test_a_bucket_that_cant_be_used_is_named(error: Exception, says: str) -> None:
    with pytest.raises(PlatformError, match=says):
        found_bucket(FakeAws(list_objects_v2=error).client("s3"), "s3://models/p", NO_OPTIONS)


def test_a_bucket_of_another_account_is_named() -> None:
    class Guarded:
        def list_objects_v2(self, ExpectedBucketOwner: str | None = None, **_: Any) -> dict[str, Any]:  # noqa: N803
            if ExpectedBucketOwner:
                raise refusal("403", "Forbidden", 403)
            return {}

    requests = S3Options(bucket_owner=ACCOUNT).of("models")
    with pytest.raises(
        PlatformError, match=f"bucket models is not of account {ACCOUNT}; correct bucket_owner"
    ):
        found_bucket(Guarded(), "s3://models/p", requests)


MISSING = refusal(
    "ValidationException", 'Could not find endpoint "arn:aws:sagemaker:r:1:endpoint/mlops-no-such-model".'
)
DENIED = refusal(
    "AccessDeniedException",
    f"User: arn:aws:iam::{ACCOUNT}:user/airflow is not authorized to perform: sagemaker:DescribeEndpoint on resource: "
    f"arn:aws:sagemaker:eu-central-1:{ACCOUNT}:endpoint/mlops-no-such-model",
)


def test_sagemaker_answers() -> None:
    assert (
        found_sagemaker(FakeAws(describe_endpoint=MISSING), SageMaker(), "eu-central-1")
        == "SageMaker answers"
    )
    # A server that is not AWS may call its region as it likes.
    elsewhere = FakeAws("http://127.0.0.1:9000", describe_endpoint=MISSING)
    assert found_sagemaker(elsewhere, SageMaker(), "default") == "SageMaker answers"


@pytest.mark.parametrize(
    "error, region, says",
    [
        (DENIED, "eu-central-1", "sagemaker:DescribeEndpoint on arn:aws:sagemaker:.* is not allowed"),
        (
            MISSING,
            "us-east-1",
            "another region than SageMaker.*bucket in us-east-1, SageMaker in eu-central-1",
        ),
        (
            EndpointConnectionError(endpoint_url="https://api.sagemaker.x.amazonaws.com"),
            None,
            "AWS can't be reached",
        ),
    ],
)
def test_sagemaker_that_cant_be_used_is_told(error: Exception, region: str | None, says: str) -> None:
    with pytest.raises(MlopsError, match=says):
        found_sagemaker(FakeAws(describe_endpoint=error), SageMaker(), region)
