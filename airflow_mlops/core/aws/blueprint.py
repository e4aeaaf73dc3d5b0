"""What an AWS account needs for a connection: buckets, roles, log groups. Planned here, created by nobody here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from airflow_mlops.core.aws.permissions import GRANTS, PARTS, Part, Role
from airflow_mlops.core.aws.policies import document, grants_of, trust
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import PlatformError

_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_SAGEMAKER = "sagemaker.amazonaws.com"
_GROUPS = ("TrainingJobs", "TransformJobs")
_FOR: dict[Role | Part, str] = {
    "airflow": "who runs Airflow",
    "store": "every task: the store",
    "data-reader": "tasks that read the source",
    "trainer": "tasks that train on SageMaker",
    "deployer": "tasks that release, roll back and watch",
    "training": "training jobs",
    "serving": "endpoints and transforms",
}
#: Fields of the mlops connection, by the role of the AWS connection that they name.
_FIELDS: dict[Part, str] = {
    "store": "aws_conn_id",
    "data-reader": "data_aws_conn_id",
    "trainer": "training_aws_conn_id",
    "deployer": "serving_aws_conn_id",
}
#: Parts of a multipart upload that nobody completed.
_ABANDONED_DAYS = 7


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    :param store: URI of the store, ``s3://bucket/prefix``.
    :param data: URI of the source data; None when it lies in the bucket of the store.
    :param airflow: who runs Airflow: a service such as ``ec2.amazonaws.com``, or the ARN of a role or user.
    :param models: whose endpoints' log groups are prepared.
    :param separate: a role and a connection for each of store, source data, training and deploying, instead of one for
        all; ``airflow`` is an ARN then, which may take them on.
    """

    region: str
    store: str
    data: str | None = None
    account: str = "<account>"
    airflow: str = "ec2.amazonaws.com"
    settings: SageMaker = field(default_factory=SageMaker)
    models: tuple[str, ...] = ()
    log_days: int = 30
    separate: bool = False

    @property
    def partition(self) -> str:
        """Of AWS, in ARNs."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"


def blueprint(wish: Wish) -> dict[str, Any]:
    """Everything that has to be there, as plain values.

    ``{"region", "account", "buckets", "roles", "log_groups", "connections"}``; whatever is not known stands in angle
    brackets.

    :raises PlatformError: if a URI is none of S3, or a service is to take on separate roles.
    """
    if wish.separate and not wish.airflow.startswith("arn:"):
        raise PlatformError(
            "separate roles are taken on by a role or user",
            given=f"airflow {wish.airflow}",
            expected="its ARN, e.g. arn:aws:iam::123456789012:role/worker",
            remedy="a service of AWS gives its machines one role alone",
        )
    bucket, path = split_uri("store", wish.store)
    data_bucket, data_path = split_uri("data", wish.data) if wish.data else (bucket, "")
    values = {
        "bucket": bucket,
        "path": path,
        "data-bucket": data_bucket,
        "data-path": data_path,
        "region": wish.region,
        "account": wish.account,
        "prefix": wish.settings.prefix,
        **_key(wish),
        **{f"{role}-role": role_name(wish.settings, role) for role in GRANTS},
    }
    return {
        "region": wish.region,
        "account": wish.account,
        "buckets": _buckets(wish, bucket, data_bucket),
        "roles": [_role(wish, role, values) for role in _roles(wish)],
        "log_groups": [{"name": name, "retention_days": wish.log_days} for name in _log_groups(wish)],
        "connections": _connections(wish),
    }


def split_uri(what: str, uri: str) -> tuple[str, str]:
    """Bucket and prefix of an S3 URI. :raises PlatformError: if it is none."""
    found = _S3.fullmatch(uri.rstrip("/"))
    if not found:
        raise PlatformError(f"{what} is not on S3", given=uri, expected="s3://bucket/prefix")
    return found[1], found[2] or ""


def _roles(wish: Wish) -> tuple[Role | Part, ...]:
    return (*PARTS, "training", "serving") if wish.separate else tuple(GRANTS)


def role_name(settings: SageMaker, role: Role | Part) -> str:
    """The name of a role: of the connection where it names one, else ``<prefix>-<role>``."""
    own = {"training": settings.training.role_arn, "serving": settings.hosting.role_arn}
    arn = own[role] or settings.role_arn if role in own else None
    return arn.rpartition("/")[2] if arn else f"{settings.prefix}-{role}"


def _key(wish: Wish) -> dict[str, str]:
    """The key's ARN, as policies name it; that of an alias is not known here."""
    key = wish.settings.kms_key
    if key is None or key.startswith("alias/"):
        return {}
    whole = key if key.startswith("arn:") else f"arn:aws:kms:{wish.region}:{wish.account}:key/{key}"
    return {"kms-key": whole}


def _buckets(wish: Wish, bucket: str, data_bucket: str) -> list[dict[str, Any]]:
    """The store's and the source's, once where they are one.

    The store's objects are never overwritten, so versions would be for nothing there; a source's are pinned by them.
    """
    key = wish.settings.kms_key
    common = {
        "encryption": {"algorithm": "aws:kms", "key": key} if key else {"algorithm": "AES256"},
        "public_access": "blocked",
        "abort_incomplete_uploads_days": _ABANDONED_DAYS,
    }
    found = [{"name": bucket, "holds": "store", "versioning": False, **common}]
    if data_bucket == bucket:
        return [{**found[0], "holds": "store and source data"}]
    return [*found, {"name": data_bucket, "holds": "source data", "versioning": True, **common}]


def _role(wish: Wish, role: Role | Part, values: dict[str, str]) -> dict[str, Any]:
    settings = wish.settings
    grants = grants_of(
        role,
        scaling=settings.hosting.scaling is not None,
        guardrail=settings.hosting.strategy == "guardrail",
        key=settings.kms_key is not None,
        network=settings.network is not None,
    )
    principal = _SAGEMAKER if role in ("training", "serving") else wish.airflow
    return {
        "role": role,
        "name": role_name(settings, role),
        "for": _FOR[role],
        "trust": trust(principal),
        "policy": document(grants, values, partition=wish.partition),
    }


def _log_groups(wish: Wish) -> list[str]:
    from airflow_mlops.core.aws.names import endpoint_name

    endpoints = [f"Endpoints/{endpoint_name(wish.settings.prefix, model)}" for model in wish.models]
    return [f"/aws/sagemaker/{name}" for name in (*_GROUPS, *endpoints)]


def _connections(wish: Wish) -> dict[str, dict[str, Any]]:
    """All connections, as ``airflow connections add --conn-json`` takes them."""
    base = f"arn:{wish.partition}:iam::{wish.account}:role"
    given: dict[str, Any] = wish.settings.model_dump(mode="json", exclude_defaults=True)
    roles = {
        "training": {"role_arn": f"{base}/{role_name(wish.settings, 'training')}"},
        "hosting": {"role_arn": f"{base}/{role_name(wish.settings, 'serving')}"},
    }
    sagemaker = {**given, **{name: {**given.get(name, {}), **role} for name, role in roles.items()}}
    region = {"region_name": wish.region}
    ways: dict[str, dict[str, Any]] = {"aws_mlops": region}
    fields: dict[str, str] = {"aws_conn_id": "aws_mlops"}
    if wish.separate:
        fields = {field: f"aws_mlops_{part.replace('-', '_')}" for part, field in _FIELDS.items()}
        ways = {
            fields[field]: {**region, "role_arn": f"{base}/{role_name(wish.settings, part)}"}
            for part, field in _FIELDS.items()
        }
    return {
        **{name: {"conn_type": "aws", "extra": extra} for name, extra in ways.items()},
        "mlops_default": {
            "conn_type": "mlops",
            "extra": {
                "store": wish.store,
                "data": wish.data or wish.store,
                **fields,
                "trainer": "sagemaker",
                "endpoint": "sagemaker",
                "sagemaker": sagemaker,
            },
        },
    }
