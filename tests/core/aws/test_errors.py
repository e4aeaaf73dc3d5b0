"""What we make of AWS's own words: one line with the cause and the remedy, of the right kind, without secrets.

The texts are AWS's and botocore's, as people have met them; each names where, as repository#number. Names of accounts
are as they stand there or shortened.
"""

# ruff: noqa: E501, ISC004 - whole sentences of other people

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as botocore_errors
from botocore.exceptions import ClientError

from airflow_mlops.core.aws.errors import exists_already, explain, explain_reason, is_missing, passes
from airflow_mlops.core.errors import (
    DeploymentFailed,
    EndpointError,
    MlopsError,
    PlatformError,
    ServiceUnavailable,
    StoreError,
    TrainingError,
)

FINAL, PASSING, OURS = PlatformError, ServiceUnavailable, TrainingError


def answer(
    code: str, message: str, operation: str = "CreateTrainingJob", status: int = 400, **more: Any
) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message, **more.pop("error", {})},
        "ResponseMetadata": {"HTTPStatusCode": status, **more},
    }
    return ClientError(response, operation)


CASES: list[tuple[str, Exception, type[MlopsError], list[str]]] = [
    # aws/amazon-sagemaker-feedback#61
    (
        "pass_role",
        answer(
            "AccessDeniedException",
            "User: arn:aws:sts::994669122466:assumed-role/sagemaker-immersion-day-SageMakerExecutionRole-9zz8Vn2LZg9h"
            "/SageMaker is not authorized to perform: iam:PassRole on resource: arn:aws:iam::994669122466:role/"
            "sagemaker-immersion-day-SageMakerExecutionRole-9zz8Vn2LZg9h because no identity-based policy allows the "
            "iam:PassRole action",
        ),
        FINAL,
        [
            "iam:PassRole on arn:aws:iam::994669122466:role/sagemaker-immersion-day-SageMakerExecutionRole-9zz8Vn2LZg9h "
            "is not allowed",
            "iam:PassedToService sagemaker.amazonaws.com",
            "docs/iam/airflow.json",
        ],
    ),
    # aws-samples/aws-modern-application-workshop#253
    (
        "explicit_deny",
        answer(
            "AccessDeniedException",
            "User: arn:aws:sts::395190607265:assumed-role/MysfitsNotebookRole/SageMaker is not authorized to perform: "
            "sagemaker:CreateTrainingJob on resource: arn:aws:sagemaker:us-east-1:395190607265:training-job/"
            "knn-2021-04-20-19-44-27-275 with an explicit deny",
        ),
        FINAL,
        [
            "sagemaker:CreateTrainingJob on arn:aws:sagemaker:us-east-1:395190607265:training-job/knn",
            "denies it outright",
        ],
    ),
    # aws/amazon-sagemaker-examples#2499
    (
        "denied_to_a_job",
        answer(
            "AccessDenied",
            "User: arn:aws:sts::521695447989:assumed-role/ReleaseBuildRole/SageMaker is not authorized to perform: "
            "iam:CreateRole on resource: arn:aws:iam::521695447989:role/allow_invoke",
            "CreateRole",
            403,
        ),
        FINAL,
        [
            "iam:CreateRole on arn:aws:iam::521695447989:role/allow_invoke is not allowed",
            "docs/iam/training.json",
        ],
    ),
    # aws-ia/terraform-aws-bedrock#41: quoted resource
    (
        "denied_to_airflow",
        answer(
            "AccessDenied",
            "User: arn:aws:sts::123456789012:assumed-role/airflow/worker-1 is not authorized to perform: s3:GetObject on "
            'resource: "arn:aws:s3:::test-s3-docs/report.pdf" because no identity-based policy allows the s3:GetObject '
            "action",
            "GetObject",
            403,
        ),
        FINAL,
        [
            "s3:GetObject on arn:aws:s3:::test-s3-docs/report.pdf is not allowed",
            "assumed-role/airflow/worker-1",
        ],
    ),
    # awslabs/predictive-maintenance-using-machine-learning#3
    (
        "role_not_assumed",
        answer(
            "ValidationException",
            "Could not assume role arn:aws:iam::XXX:role/PredictiveMaintenance-NotebookInstanceExecutionRol-YVBYTBKPP92H. "
            "Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com' to assume the role.",
            "CreateTransformJob",
        ),
        FINAL,
        [
            "SageMaker can't assume role arn:aws:iam::XXX:role/PredictiveMaintenance-NotebookInstanceExecutionRol-"
            "YVBYTBKPP92H;",
            "sts:AssumeRole to sagemaker.amazonaws.com",
            "role_arn",
        ],
    ),
    # philschmid/llm-sagemaker-sample#2
    (
        "model_data",
        answer(
            "ValidationException",
            "Could not access model data at s3://bucket/huggingface-qlora/output/model/. Please ensure that the role "
            '"arn:aws:iam::123456789012:role/x" exists and that its trust relationship policy allows the action '
            '"sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure that the role has '
            '"s3:GetObject" permissions and that the object is located in eu-west-1.',
            "CreateModel",
        ),
        FINAL,
        [
            "can't read the model at s3://bucket/huggingface-qlora/output/model/;",
            "s3:GetObject",
            "same region",
        ],
    ),
    # aws-ia/ecs-blueprints#223
    (
        "no_model_data",
        answer(
            "ValidationException",
            "Could not find model data at s3://jumpstart/artifacts/v2.0.0/.",
            "CreateModel",
        ),
        FINAL,
        ["can't read the model at s3://jumpstart/artifacts/v2.0.0/;"],
    ),
    # awsdocs/amazon-sagemaker-developer-guide#70
    (
        "quota_of_endpoints",
        answer(
            "ResourceLimitExceeded",
            "The account-level service limit 'ml.m4.xlarge for endpoint usage' is 0 Instances, with current utilization "
            "of 0 Instances and a request delta of 1 Instances. Please contact AWS support to request an increase for "
            "this limit.",
            "CreateEndpoint",
        ),
        FINAL,
        [
            "quota 'ml.m4.xlarge for endpoint usage' is 0: 0 in use, 1 more asked for",
            "Service Quotas",
            "another instance_type than ml.m4.xlarge",
        ],
    ),
    # data-science-on-aws/data-science-on-aws#200
    (
        "quota_of_all_jobs",
        answer(
            "ResourceLimitExceeded",
            "The account-level service limit 'Number of instances across all processing jobs' is 4 Instances, with "
            "current utilization of 0 Instances and a request delta of 11 Instances. Please contact AWS support to "
            "request an increase for this limit.",
        ),
        FINAL,
        [
            "quota 'Number of instances across all processing jobs' is 4: 0 in use, 11 more",
            "ask for less at once",
        ],
    ),
    # aws/sagemaker-python-sdk#645
    ("throttled", answer("ThrottlingException", "Rate exceeded"), PASSING, ["too many requests", "later"]),
    # the list of error codes in the API reference of Amazon S3
    (
        "slow_down",
        answer("SlowDown", "Please reduce your request rate.", "PutObject", 503),
        PASSING,
        ["overloaded", "again later"],
    ),
    # SuperCowPowers/workbench#384
    (
        "job_name_taken",
        answer(
            "ResourceInUse",
            "Training job names must be unique within an AWS account and region, and a training job with this name "
            "already exists (arn:aws:sagemaker:us-west-2:507740646243:training-job/wine-classification-2024-01-11)",
        ),
        FINAL,
        ["the name is taken", "wine-classification-2024-01-11", "another prefix"],
    ),
    # aws/sagemaker-python-sdk#101
    (
        "endpoint_name_taken",
        answer(
            "ValidationException",
            'Cannot create already existing endpoint "arn:aws:sagemaker:eu-west-1:166488713907:endpoint/iris".',
            "CreateEndpoint",
        ),
        FINAL,
        ["the name is taken", "endpoint/iris"],
    ),
    # aws/sagemaker-python-sdk#4147
    (
        "endpoint_changing",
        answer(
            "ValidationException",
            'Cannot update in-progress endpoint "arn:aws:sagemaker:us-west-2:729646638167:endpoint/endpoint-1696".',
            "UpdateEndpoint",
        ),
        PASSING,
        ["the endpoint is still changing", "when it has settled"],
    ),
    # aws/amazon-sagemaker-examples#2402
    (
        "endpoint_deleted",
        answer(
            "ValidationException",
            'Could not find endpoint "arn:aws:sagemaker:us-west-2:521695447989:endpoint/ipinsights-2021-05-11".',
            "DescribeEndpoint",
        ),
        FINAL,
        [
            "there is no endpoint ipinsights-2021-05-11 in region us-west-2, account 521695447989",
            "region_name",
            "prefix",
        ],
    ),
    # hashicorp/terraform-provider-aws#40048
    (
        "configuration_deleted",
        answer(
            "ValidationException",
            'Could not find endpoint configuration "arn:aws:sagemaker:us-west-2:521695447989:endpoint-config/demo".',
            "UpdateEndpoint",
        ),
        FINAL,
        ["there is no endpoint configuration demo in region us-west-2"],
    ),
    # aws/amazon-sagemaker-examples#559
    (
        "invoked_after_deletion",
        answer(
            "ValidationError",
            "Endpoint driving-endpoint of account 127310796078 not found.",
            "InvokeEndpoint",
            400,
        ),
        FINAL,
        ["there is no endpoint driving-endpoint", "promote a version"],
    ),
    # aws/amazon-sagemaker-examples#2236
    (
        "wrong_value",
        answer(
            "ValidationException",
            "1 validation error detected: Value 'ENTER MODEL NAME' at 'productionVariants.1.member.modelName' failed to "
            "satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9])*",
            "CreateEndpointConfig",
        ),
        OURS,
        ["productionVariants.1.member.modelName is wrong", "ENTER MODEL NAME"],
    ),
    # yuyasugano/terraform-sagemaker-sample-1#1
    (
        "no_image",
        answer(
            "ValidationException",
            "Please make sure all images included in the model for the production variant variant-1 exist, and that the "
            "execution role used to create the model has permissions to access them.",
            "CreateEndpoint",
        ),
        FINAL,
        ["container image can't be read", "ecr:BatchGetImage"],
    ),
    # aws/aws-cli#4507
    (
        "no_key",
        answer("KMS.NotFoundException", "Invalid keyId aws/s3", "PutObject"),
        FINAL,
        ["there is no such KMS key", "kms_key"],
    ),
    # fugue/credstash#86; localstack/localstack#8422 has S3's code for it
    (
        "key_disabled",
        answer(
            "KMS.DisabledException",
            "arn:aws:kms:us-east-1:123456789012:key/deadbeef-3786-dead-beef-deadbeef7056 is disabled.",
            "PutObject",
        ),
        FINAL,
        [
            "KMS key arn:aws:kms:us-east-1:123456789012:key/deadbeef-3786-dead-beef-deadbeef7056 is disabled",
            "enable the key",
        ],
    ),
    # hashicorp/terraform-provider-aws#1496 has EC2's wording of the same code
    (
        "no_capacity",
        answer("InsufficientInstanceCapacity", "Insufficient capacity.", "CreateTrainingJob", 500),
        PASSING,
        ["no such machines free", "instance_type"],
    ),
    # versity/versitygw#1751
    (
        "no_object_lock",
        answer("InvalidRequest", "Bucket is missing ObjectLockConfiguration", "PutObject"),
        FINAL,
        ["made without Object Lock", "object_lock"],
    ),
    # JuliaCloud/AWSS3.jl#25
    (
        "other_region_redirect",
        answer(
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all "
            "future requests to this endpoint.",
            "GetObject",
            301,
            HTTPHeaders={"x-amz-bucket-region": "ap-southeast-2"},
        ),
        FINAL,
        ["the bucket is in another region, ap-southeast-2", "region_name"],
    ),
    # scality/cloudserver#1431 names the code; the wording is S3's
    (
        "other_region_signed",
        answer(
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'us-east-2'",
            "ListObjectsV2",
        ),
        FINAL,
        ["in another region, us-east-2, not us-east-1"],
    ),
    # awslabs/amazon-dynamodb-tools#73
    (
        "expired",
        answer(
            "ExpiredTokenException",
            "The security token included in the request is expired",
            "DescribeEndpoint",
        ),
        PASSING,
        ["credentials have expired", "renew them"],
    ),
    # boto/boto3#3577
    (
        "unknown_key",
        answer("UnrecognizedClientException", "The security token included in the request is invalid."),
        FINAL,
        ["not known", "access key"],
    ),
    # mintel/pytest-localstack#27
    (
        "unknown_token",
        answer(
            "InvalidClientTokenId", "The security token included in the request is invalid", "AssumeRole", 403
        ),
        FINAL,
        ["not known", "access key"],
    ),
    # m0ngr31/kanzi#270
    (
        "clock",
        answer(
            "InvalidSignatureException",
            "Signature expired: 20180707T233021Z is now earlier than 20180710T071214Z (20180710T071714Z - 5 min.)",
        ),
        FINAL,
        ["clock is wrong", "set the clock"],
    ),
    ("broken", answer("InternalFailure", "", "DescribeEndpoint", 500), PASSING, ["overloaded or broken"]),
    # boto/boto3#4119
    (
        "sso_token",
        botocore_errors.TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
        FINAL,
        ["SSO session has", "aws sso login"],
    ),
    ("sso_session", botocore_errors.UnauthorizedSSOTokenError(), FINAL, ["SSO session has", "aws sso login"]),
    (
        "no_credentials",
        botocore_errors.NoCredentialsError(),
        FINAL,
        ["no complete credentials", "AWS_ACCESS_KEY_ID"],
    ),
    ("no_profile", botocore_errors.ProfileNotFound(profile="prod"), FINAL, ["prod", "AWS connection"]),
    ("no_region", botocore_errors.NoRegionError(), FINAL, ["no region", "region_name"]),
    # zoph-io/instance-watcher#35
    (
        "no_such_endpoint",
        botocore_errors.EndpointConnectionError(
            endpoint_url="https://api.sagemaker.ap-northeast-3.amazonaws.com/"
        ),
        PASSING,
        ["AWS can't be reached", "region_name", "ap-northeast-3"],
    ),
    (
        "no_such_server",
        botocore_errors.EndpointConnectionError(endpoint_url="http://127.0.0.1:9/"),
        PASSING,
        ["can't be reached", "endpoint_url"],
    ),
    # Miserlou/Zappa#1638
    (
        "private_subnet",
        botocore_errors.ConnectTimeoutError(endpoint_url="https://bucket.s3.eu-west-1.amazonaws.com/key"),
        PASSING,
        ["does not answer", "VPC endpoint"],
    ),
    # aws/amazon-sagemaker-examples#1054
    (
        "closed",
        botocore_errors.ConnectionClosedError(
            endpoint_url="https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/x/invocations"
        ),
        PASSING,
        ["can't be reached"],
    ),
    # boto/boto3#3560
    (
        "wrong_parameter",
        botocore_errors.ParamValidationError(
            report='Unknown parameter in AlgorithmSpecification: "ContainerEntrypoint", must be one of: TrainingImage\n'
            'Unknown parameter in AlgorithmSpecification: "ContainerArguments", must be one of: TrainingImage'
        ),
        OURS,
        ["not valid", "ContainerEntrypoint"],
    ),
    (
        "unheard_of",
        answer("TeapotException", "I'm a teapot", "Brew", 418),
        OURS,
        ["I'm a teapot (TeapotException of Brew)"],
    ),
]


@pytest.mark.parametrize("error, kind, says", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_line_with_cause_and_remedy(error: Exception, kind: type[MlopsError], says: list[str]) -> None:
    told = explain(error, "create training job x", TrainingError)
    text = str(told)
    assert type(told) is kind
    assert text.startswith("can't create training job x")
    assert "\n" not in text
    for each in says:
        assert each in text
    if kind is not TrainingError:
        assert told.remedy


@pytest.mark.parametrize("kind", [EndpointError, StoreError])
def test_what_may_pass_keeps_a_kind_that_is_tried_again(kind: type[MlopsError]) -> None:
    assert type(explain(answer("ThrottlingException", "Rate exceeded"), "ask", kind)) is kind
    assert (
        type(explain(answer("ThrottlingException", "Rate exceeded"), "ask", DeploymentFailed))
        is ServiceUnavailable
    )
    assert issubclass(ServiceUnavailable, EndpointError)


def test_what_passes_is_told_from_what_stays() -> None:
    assert passes(answer("ThrottlingException", "Rate exceeded"))
    assert passes(answer("Odd", "", status=502))
    assert not passes(answer("AccessDenied", "Access Denied", status=403))
    assert not passes(answer("NotImplemented", "", status=501))
    assert not passes(answer("TeapotException", "", status=418))


@pytest.mark.parametrize(
    "reason, kind, says",
    [
        # DIAGNijmegen/rse-grand-challenge#2631
        (
            "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance "
            "type.",
            ServiceUnavailable,
            "no such machines free",
        ),
        # aws/sagemaker-python-sdk#43
        (
            "ClientError: SageMaker was unable to assume the role 'arn:aws:iam::123456789012:role/AmazonSageMaker-X'",
            PlatformError,
            "SageMaker can't assume role arn:aws:iam::123456789012:role/AmazonSageMaker-X;",
        ),
        # astronomer/docs#1695
        (
            "ClientError: TrainingHostAgent Initialization failed:InvalidInputException: SageMaker is unable to perform: "
            "sts:AssumeRole on the role. Check if you have a trust relationship for 'sagemaker.amazonaws.com'",
            PlatformError,
            "can't assume the execution role",
        ),
        ("AlgorithmError: ExecuteUserScriptError: exit code 1", TrainingError, "exit code 1"),
    ],
)
def test_the_reason_that_a_job_gives(reason: str, kind: type[MlopsError], says: str) -> None:
    told = explain_reason(reason, "training job x failed", TrainingError)
    assert type(told) is kind
    assert str(told).startswith("training job x failed")
    assert says in str(told)


SECRETS = [
    # The form of AWS's answer to a request with a wrong signature: aws/aws-sdk-js#254 and many more.
    answer(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
        "and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should "
        "have been\n'POST\n/\n\nhost:api.sagemaker.eu-west-1.amazonaws.com\nx-amz-security-token:FwoGZXIvYXdzECR-SECRET\n\n"
        "host;x-amz-date\nSECRET'\n",
    ),
    answer("AccessDenied", "not allowed. Encoded authorization failure message: SECRETxxSECRET", status=403),
    botocore_errors.ConnectTimeoutError(
        endpoint_url="https://b.s3.amazonaws.com/k?X-Amz-Credential=SECRET&X-Amz-Signature=SECRET&X-Amz-Security-Token=SECRET"
    ),
    answer("InvalidAccessKeyId", "The AWS Access Key Id AKIASECRETSECRET0000 does not exist", status=403),
    answer(
        "IncompleteSignature",
        "Authorization: AWS4-HMAC-SHA256 Credential=SECRET/x, Signature=SECRET",
        status=403,
    ),
]


@pytest.mark.parametrize("error", SECRETS)
def test_no_secret_and_no_signature_is_told(error: Exception) -> None:
    text = str(explain(error, "ask"))
    assert "SECRET" not in text
    assert "\n" not in text


def test_a_long_message_is_cut() -> None:
    assert len(str(explain(answer("Odd", "word " * 10_000), "ask"))) < 600


def test_taken_and_missing_are_told_in_each_of_sagemakers_ways() -> None:
    by_name = {name: error for name, error, *_ in CASES}
    assert all(exists_already(by_name[name]) for name in ("job_name_taken", "endpoint_name_taken"))
    for name in ("endpoint_deleted", "configuration_deleted", "invoked_after_deletion"):
        assert is_missing(by_name[name])
        assert not exists_already(by_name[name])
    assert not is_missing(by_name["role_not_assumed"])
    assert not exists_already(by_name["endpoint_changing"])
