"""What an AWS account needs for a connection: buckets, roles, log groups. Planned here, created by nobody here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from airflow_mlops.core.aws.permissions import GRANTS, Role
from airflow_mlops.core.aws.policies import document, grants_of, trust
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import PlatformError

_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_SAGEMAKER = "sagemaker.amazonaws.com"
_GROUPS = ("TrainingJobs", "TransformJobs")
#: Parts of a multipart upload that nobody completed.
_ABANDONED_DAYS = 7


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    :param store: URI of the store, ``s3://bucket/prefix``.
    :param data: URI of the source data; None when it lies in the bucket of the store.
    :param airflow: who runs Airflow: a service such as ``ec2.amazonaws.com``, or the ARN of a role or user.
    :param models: whose endpoints' log groups are prepared.
    """

    region: str
    store: str
    data: str | None = None
    account: str = "<account>"
    airflow: str = "ec2.amazonaws.com"
    settings: SageMaker = field(default_factory=SageMaker)
    models: tuple[str, ...] = ()
    log_days: int = 30

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

    :raises PlatformError: if a URI is none of S3.
    """
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
        "roles": [_role(wish, role, values) for role in GRANTS],
        "log_groups": [{"name": name, "retention_days": wish.log_days} for name in _log_groups(wish)],
        "connections": _connections(wish),
    }


def split_uri(what: str, uri: str) -> tuple[str, str]:
    """Bucket and prefix of an S3 URI. :raises PlatformError: if it is none."""
    found = _S3.fullmatch(uri.rstrip("/"))
    if not found:
        raise PlatformError(f"{what} is not on S3", given=uri, expected="s3://bucket/prefix")
    return found[1], found[2] or ""


def role_name(settings: SageMaker, role: Role) -> str:
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


def _role(wish: Wish, role: Role, values: dict[str, str]) -> dict[str, Any]:
    settings = wish.settings
    grants = grants_of(
        role,
        scaling=settings.hosting.scaling is not None,
        guardrail=settings.hosting.strategy == "guardrail",
        key=settings.kms_key is not None,
        network=settings.network is not None,
    )
    principal = wish.airflow if role == "airflow" else _SAGEMAKER
    return {
        "role": role,
        "name": values[f"{role}-role"],
        "for": {
            "airflow": "who runs Airflow",
            "training": "training jobs",
            "serving": "endpoints and transforms",
        }[role],
        "trust": trust(principal),
        "policy": document(grants, values, partition=wish.partition),
    }


def _log_groups(wish: Wish) -> list[str]:
    from airflow_mlops.core.aws.names import endpoint_name

    endpoints = [f"Endpoints/{endpoint_name(wish.settings.prefix, model)}" for model in wish.models]
    return [f"/aws/sagemaker/{name}" for name in (*_GROUPS, *endpoints)]


def _connections(wish: Wish) -> dict[str, dict[str, Any]]:
    """Both connections, as ``airflow connections add --conn-json`` takes them."""
    base = f"arn:{wish.partition}:iam::{wish.account}:role"
    given: dict[str, Any] = wish.settings.model_dump(mode="json", exclude_defaults=True)
    roles = {
        "training": {"role_arn": f"{base}/{role_name(wish.settings, 'training')}"},
        "hosting": {"role_arn": f"{base}/{role_name(wish.settings, 'serving')}"},
    }
    sagemaker = {**given, **{name: {**given.get(name, {}), **role} for name, role in roles.items()}}
    return {
        "aws_mlops": {"conn_type": "aws", "extra": {"region_name": wish.region}},
        "mlops_default": {
            "conn_type": "mlops",
            "extra": {
                "store": wish.store,
                "data": wish.data or wish.store,
                "aws_conn_id": "aws_mlops",
                "trainer": "sagemaker",
                "endpoint": "sagemaker",
                "sagemaker": sagemaker,
            },
        },
    }
