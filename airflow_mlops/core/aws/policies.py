"""IAM policies: from calls to the actions they need, and from grants to documents.

.. code-block:: console

    python -m airflow_mlops.core.aws.policies docs/iam
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from airflow_mlops.core.aws.permissions import (
    GRANTS,
    GUARDRAIL,
    KEY,
    NETWORK,
    PARTS,
    QUEUE,
    SCALING,
    Grant,
    Part,
    Role,
)

#: Calls whose action has another name: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html says, for
#: each of them, which permission it needs.
_S3 = {
    "CompleteMultipartUpload": ("s3:PutObject",),
    "CreateMultipartUpload": ("s3:PutObject",),
    "DeleteObjects": ("s3:DeleteObject",),
    "GetObjectAttributes": ("s3:GetObject",),
    "HeadBucket": ("s3:ListBucket",),
    "HeadObject": ("s3:GetObject",),
    "ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "ListObjectVersions": ("s3:ListBucketVersions",),
    "ListObjects": ("s3:ListBucket",),
    "ListObjectsV2": ("s3:ListBucket",),
    "ListParts": ("s3:ListMultipartUploadParts",),
    "UploadPart": ("s3:PutObject",),
    "CopyObject": ("s3:GetObject", "s3:PutObject"),
}
#: With a version these are actions of their own.
_VERSIONED = {"s3:GetObject": "s3:GetObjectVersion", "s3:DeleteObject": "s3:DeleteObjectVersion"}
#: boto3's names of services whose actions have another prefix.
_SERVICES = {"sagemaker-runtime": "sagemaker"}
_ROLES = frozenset({"RoleArn", "ExecutionRoleArn"})
#: Anybody may.
_FREE = frozenset({"sts:GetCallerIdentity"})


def actions_of(service: str, operation: str, given: Iterable[str]) -> frozenset[str]:
    """The IAM actions that one call needs.

    :param service, operation: as boto3 names them.
    :param given: names of the call's parameters: a role, tags or a version are actions of their own.
    """
    names = frozenset(given)
    if service == "s3":
        found = _S3.get(operation, (f"s3:{operation}",))
        if "VersionId" in names:
            found = tuple(_VERSIONED.get(action, action) for action in found)
        return frozenset(found)
    if service == "sqs":
        operation = operation.removesuffix("Batch")
    actions = {f"{_SERVICES.get(service, service)}:{operation}"}
    if service == "sagemaker":
        if names & _ROLES:
            actions.add("iam:PassRole")
        if "Tags" in names and operation.startswith("Create"):
            actions.add("sagemaker:AddTags")
    return frozenset(actions - _FREE)


def document(
    grants: Iterable[Grant], values: Mapping[str, str] | None = None, *, partition: str = "aws"
) -> dict[str, Any]:
    """The policy of these grants.

    :param values: what to put for placeholders, e.g. ``{"bucket": "acme-mlops"}``; others stay.
    :param partition: of AWS: ``aws-cn`` in China, ``aws-us-gov`` in GovCloud.
    """
    statements = [_statement(grant) for grant in grants]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    for name, value in (values or {}).items():
        if not value:
            text = text.replace(f"<{name}>/", "")
        text = text.replace(f"<{name}>", json.dumps(value)[1:-1])
    whole: dict[str, Any] = json.loads(text.replace("arn:aws:", f"arn:{partition}:"))
    return whole


def trust(principal: str) -> dict[str, Any]:
    """The trust policy of a role.

    :param principal: who takes it on: a service of AWS, e.g. ``sagemaker.amazonaws.com``, or the ARN of a role or user.
    """
    kind = "AWS" if principal.startswith("arn:") else "Service"
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {kind: principal}, "Action": "sts:AssumeRole"}],
    }


def grants_of(
    role: Role | Part,
    *,
    scaling: bool = True,
    guardrail: bool = True,
    key: bool = False,
    network: bool = False,
) -> tuple[Grant, ...]:
    """All grants of a role, or of a part of the one that runs Airflow.

    :param scaling, guardrail, key, network: whether the connection asks for it.
    """
    deploys, executes = role in ("airflow", "deployer"), role in ("training", "serving")
    ours = (*(SCALING if scaling else ()), *(GUARDRAIL if guardrail else ())) if deploys else ()
    private = NETWORK if network and executes else ()
    own = next(grants for name, grants in (*GRANTS.items(), *PARTS.items()) if name == role)
    return (*own, *ours, *private, *(KEY if key else ()))


def write_documents(folder: Path) -> list[Path]:
    """Write the policy of each role and part, and of a queue, with placeholders; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    policies: dict[str, tuple[Grant, ...]] = {role: grants_of(role) for role in (*GRANTS, *PARTS)}
    for name, grants in {**policies, "queue": QUEUE}.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(document(grants), indent=2) + "\n")
        files.append(path)
    return files


def _statement(grant: Grant) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Sid": grant.name,
        "Effect": "Allow",
        "Action": sorted(grant.actions),
        "Resource": list(grant.resources),
    }
    return {**found, **({"Condition": dict(grant.condition)} if grant.condition else {})}


if __name__ == "__main__":
    for written in write_documents(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/iam")):
        sys.stdout.write(f"{written}\n")
