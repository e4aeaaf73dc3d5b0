"""What each role may do: who runs Airflow, and as what jobs and endpoints run.

Names in angle brackets are placeholders. Tests hold this against the calls that a release really makes: nothing that is
called is missing, and nothing is allowed that is not called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: Who runs Airflow, and as what jobs and endpoints run.
Role = Literal["airflow", "training", "serving"]
#: Who runs Airflow, in parts: one for each AWS connection that the ``mlops`` connection can name.
Part = Literal["store", "data-reader", "trainer", "deployer"]
Condition = Mapping[str, Mapping[str, Any]]

#: Who may not list a bucket hears 403 of a key that is not there, and not 404:
#: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html. A condition on the prefix would have the same
#: effect, as such a request has none; so whoever reads the store may list the names in its bucket.
_STORE = "arn:aws:s3:::<bucket>"
_OBJECTS = "arn:aws:s3:::<bucket>/<path>/*"
_SOURCE = "arn:aws:s3:::<data-bucket>"
_SOURCES = "arn:aws:s3:::<data-bucket>/<data-path>/*"
_LOGS = "arn:aws:logs:<region>:<account>:log-group:/aws/sagemaker"
_ALARMS = "arn:aws:cloudwatch:<region>:<account>:alarm:<prefix>-*"
#: SageMaker's own container images are in accounts of AWS.
_IMAGES = "arn:aws:ecr:<region>:*:repository/sagemaker-xgboost"
_SCALING_ROLE = (
    "arn:aws:iam::*:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)


@dataclass(frozen=True)
class Grant:
    """One statement.

    :param service: who makes the calls that need it: ``ours``, or ``sagemaker`` itself, on behalf of the role; the
        latter is not seen by anybody else, and stands in AWS's documentation.
    """

    name: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Condition = field(default_factory=dict)
    service: Literal["ours", "sagemaker"] = "ours"


def _own(*kinds: str) -> tuple[str, ...]:
    """Resources of SageMaker that are ours, by their names."""
    return tuple(f"arn:aws:sagemaker:<region>:<account>:{kind}/<prefix>-*" for kind in kinds)


def _pass(kind: Literal["Training", "Serving"]) -> Grant:
    """Handing an execution role to SageMaker."""
    return Grant(
        f"Pass{kind}Role",
        ("iam:PassRole",),
        (f"arn:aws:iam::<account>:role/<{kind.lower()}-role>",),
        {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    )


#: Of who runs Airflow, by what is done; a connection for each can have its own role.
STORE = (
    Grant(
        "Store", ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"), (_OBJECTS,)
    ),
    Grant("StoreList", ("s3:ListBucket",), (_STORE,)),
)
DATA_READER = (
    Grant("Source", ("s3:GetObject", "s3:GetObjectVersion"), (_SOURCES,)),
    Grant("SourceList", ("s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketVersions"), (_SOURCE,)),
)
TRAINER = (
    Grant(
        "TrainingJobs",
        (
            "sagemaker:AddTags",
            "sagemaker:CreateTrainingJob",
            "sagemaker:DescribeTrainingJob",
            "sagemaker:StopTrainingJob",
        ),
        _own("training-job"),
    ),
    _pass("Training"),
    Grant(
        "Logs",
        ("logs:DescribeLogStreams", "logs:GetLogEvents"),
        (f"{_LOGS}/TrainingJobs:*",),
    ),
)
DEPLOYER = (
    Grant(
        "TransformJobs",
        (
            "sagemaker:CreateTransformJob",
            "sagemaker:DescribeTransformJob",
            "sagemaker:StopTransformJob",
        ),
        _own("transform-job", "model"),
    ),
    Grant(
        "Endpoints",
        (
            "sagemaker:CreateModel",
            "sagemaker:DescribeModel",
            "sagemaker:DeleteModel",
            "sagemaker:CreateEndpointConfig",
            "sagemaker:DescribeEndpointConfig",
            "sagemaker:DeleteEndpointConfig",
            "sagemaker:CreateEndpoint",
            "sagemaker:DescribeEndpoint",
            "sagemaker:UpdateEndpoint",
            "sagemaker:UpdateEndpointWeightsAndCapacities",
            "sagemaker:DeleteEndpoint",
            "sagemaker:InvokeEndpoint",
        ),
        _own("model", "endpoint-config", "endpoint"),
    ),
    Grant(
        "Registry",
        (
            "sagemaker:CreateModelPackageGroup",
            "sagemaker:CreateModelPackage",
            "sagemaker:UpdateModelPackage",
            "sagemaker:CreateModelCard",
            "sagemaker:DescribeModelCard",
            "sagemaker:UpdateModelCard",
        ),
        (*_own("model-package-group", "model-card"), *_own("model-package")),
    ),
    Grant("Tags", ("sagemaker:AddTags",), ("arn:aws:sagemaker:<region>:<account>:*/<prefix>-*",)),
    Grant("Lists", ("sagemaker:ListEndpointConfigs", "sagemaker:ListModels"), ("*",)),
    _pass("Serving"),
    Grant("Metrics", ("cloudwatch:GetMetricData",), ("*",)),
)
#: All of it, where one connection does everything.
AIRFLOW = (*STORE, *DATA_READER, *TRAINER, *DEPLOYER)

#: What the containers of a role and SageMaker around them need, whatever runs in them:
#: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
_CONTAINER = (
    Grant(
        "Image",
        ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
        (_IMAGES,),
        service="sagemaker",
    ),
    Grant("ImageLogin", ("ecr:GetAuthorizationToken",), ("*",), service="sagemaker"),
    Grant(
        "ContainerLogs",
        ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
        (f"{_LOGS}/*",),
        service="sagemaker",
    ),
    Grant(
        "ContainerMetrics",
        ("cloudwatch:PutMetricData",),
        ("*",),
        {"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "aws/sagemaker/*"]}},
        service="sagemaker",
    ),
)

TRAINING = (
    Grant("Store", ("s3:GetObject", "s3:PutObject"), (_OBJECTS,)),
    Grant("Uploads", ("s3:AbortMultipartUpload",), (_OBJECTS,), service="sagemaker"),
    Grant("StoreList", ("s3:ListBucket",), (_STORE,), service="sagemaker"),
    Grant("Source", ("s3:GetObject", "s3:GetObjectVersion"), (_SOURCES,)),
    *_CONTAINER,
)

SERVING = (
    Grant("Model", ("s3:GetObject",), (f"{_STORE}/<path>/sagemaker/*",)),
    Grant("ModelList", ("s3:ListBucket",), (_STORE,)),
    Grant(
        "Answers",
        ("s3:PutObject",),
        (f"{_STORE}/<path>/captures/*", f"{_STORE}/<path>/sagemaker/transform/*"),
    ),
    *_CONTAINER,
)

GRANTS: dict[Role, tuple[Grant, ...]] = {"airflow": AIRFLOW, "training": TRAINING, "serving": SERVING}
PARTS: dict[Part, tuple[Grant, ...]] = {
    "store": STORE,
    "data-reader": DATA_READER,
    "trainer": TRAINER,
    "deployer": DEPLOYER,
}

#: Only where the connection asks for it: https://docs.aws.amazon.com/autoscaling/application/userguide/
SCALING = (
    Grant(
        "Scaling",
        (
            "application-autoscaling:DeregisterScalableTarget",
            "application-autoscaling:PutScalingPolicy",
            "application-autoscaling:RegisterScalableTarget",
        ),
        ("arn:aws:application-autoscaling:<region>:<account>:scalable-target/*",),
    ),
    # These know no resources.
    Grant(
        "ScalingLists",
        (
            "application-autoscaling:DescribeScalableTargets",
            "application-autoscaling:DescribeScalingPolicies",
        ),
        ("*",),
    ),
    Grant(
        "ScalingRole",
        ("iam:CreateServiceLinkedRole",),
        (_SCALING_ROLE,),
        {"StringLike": {"iam:AWSServiceName": "sagemaker.application-autoscaling.amazonaws.com"}},
        service="sagemaker",
    ),
)
#: Only where field ``s3`` of the connection names a queue. One that is encrypted also needs ``kms:Decrypt`` on its key.
QUEUE = (
    Grant(
        "NewData",
        ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"),
        ("arn:aws:sqs:<region>:<account>:<queue>",),
    ),
)
#: What volumes, buckets and captures under a key of one's own need.
KEY = (
    Grant(
        "Key",
        ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"),
        ("<kms-key>",),
        service="sagemaker",
    ),
)
#: What machines in a private network need.
NETWORK = (
    Grant(
        "Network",
        (
            "ec2:CreateNetworkInterface",
            "ec2:CreateNetworkInterfacePermission",
            "ec2:DeleteNetworkInterface",
            "ec2:DeleteNetworkInterfacePermission",
            "ec2:DescribeDhcpOptions",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        ),
        ("*",),
        service="sagemaker",
    ),
)
GUARDRAIL = (
    Grant(
        "Alarms",
        ("cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"),
        (_ALARMS,),
    ),
)
