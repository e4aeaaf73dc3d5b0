"""A blueprint for people, and as commands of the AWS CLI."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

_BLOCKED = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def as_text(plan: dict[str, Any]) -> str:
    """What would be created, line by line."""
    lines = [
        f"In account {plan['account']}, region {plan['region']}; nothing is created by this command.",
        "",
    ]
    for bucket in plan["buckets"]:
        lines += [f"bucket {bucket['name']} ({bucket['holds']})", *(f"  {line}" for line in _bucket(bucket))]
    for role in plan["roles"]:
        (who,) = role["trust"]["Statement"][0]["Principal"].values()
        lines += [f"role {role['name']} ({role['for']}), taken on by {who}"]
        for one in role["policy"]["Statement"]:
            lines.append(f"  {one['Sid']}: {', '.join(one['Action'])}")
            lines += [f"    on {resource}" for resource in one["Resource"]]
    lines += [f"log group {one['name']}, kept for {one['retention_days']} days" for one in plan["log_groups"]]
    for name, connection in plan["connections"].items():
        lines += ["", f"connection {name}:", json.dumps(connection, indent=2)]
    return "\n".join(lines)


def as_commands(plan: dict[str, Any]) -> str:
    """A shell script of AWS CLI and Airflow CLI commands that create it."""
    lines = ["#!/bin/sh", "set -eu", f"export AWS_DEFAULT_REGION={shlex.quote(plan['region'])}"]
    for bucket in plan["buckets"]:
        lines += ["", f"# {bucket['holds']}", *_bucket_commands(plan["region"], bucket)]
    made: set[str] = set()
    for role in plan["roles"]:
        lines += ["", f"# {role['for']}", *_role_commands(role, anew=role["name"] not in made)]
        made.add(role["name"])
    lines.append("")
    for group in plan["log_groups"]:
        name = shlex.quote(group["name"])
        lines += [
            f"aws logs create-log-group --log-group-name {name} || true",
            f"aws logs put-retention-policy --log-group-name {name} --retention-in-days {group['retention_days']}",
        ]
    lines.append("")
    for name, connection in plan["connections"].items():
        lines.append(f"airflow connections add {name} --conn-json {_json(connection)}")
    return "\n".join(lines)


def _role_commands(role: dict[str, Any], *, anew: bool) -> Iterator[str]:
    """:param anew: whether no other role before it has its name: jobs and endpoints may share one."""
    name, trust, policy = shlex.quote(role["name"]), _json(role["trust"]), _json(role["policy"])
    if anew:
        yield f"aws iam create-role --role-name {name} --assume-role-policy-document {trust}"
        # Machines of EC2 get a role by a profile around it.
        if role["trust"]["Statement"][0]["Principal"].get("Service", "").startswith("ec2."):
            yield f"aws iam create-instance-profile --instance-profile-name {name}"
            yield f"aws iam add-role-to-instance-profile --instance-profile-name {name} --role-name {name}"
    kind = f"airflow-mlops-{role['role']}"
    yield f"aws iam put-role-policy --role-name {name} --policy-name {kind} --policy-document {policy}"


def _bucket(bucket: dict[str, Any]) -> Iterator[str]:
    encryption = bucket["encryption"]
    yield f"encryption: {encryption['algorithm']} {encryption.get('key', '')}".rstrip()
    yield f"versioning: {'enabled' if bucket['versioning'] else 'off'}"
    yield f"public access: {bucket['public_access']}"
    yield f"incomplete uploads end after {bucket['abort_incomplete_uploads_days']} days"


def _bucket_commands(region: str, bucket: dict[str, Any]) -> Iterator[str]:
    name = shlex.quote(bucket["name"])
    # us-east-1 is the default and refuses to be named.
    where = "" if region == "us-east-1" else f" --create-bucket-configuration LocationConstraint={region}"
    blocked = dict.fromkeys(_BLOCKED, True)
    encryption = bucket["encryption"]
    default: dict[str, Any] = {"SSEAlgorithm": encryption["algorithm"]}
    if "key" in encryption:
        default["KMSMasterKeyID"] = encryption["key"]
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": "key" in encryption}
    lifecycle = {
        "ID": "incomplete-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": bucket["abort_incomplete_uploads_days"]},
    }
    yield f"aws s3api create-bucket --bucket {name}{where}"
    yield (
        f"aws s3api put-public-access-block --bucket {name} --public-access-block-configuration {_json(blocked)}"
    )
    yield (
        f"aws s3api put-bucket-encryption --bucket {name} "
        f"--server-side-encryption-configuration {_json({'Rules': [rule]})}"
    )
    yield (
        f"aws s3api put-bucket-lifecycle-configuration --bucket {name} "
        f"--lifecycle-configuration {_json({'Rules': [lifecycle]})}"
    )
    if bucket["versioning"]:
        yield f"aws s3api put-bucket-versioning --bucket {name} --versioning-configuration Status=Enabled"


def _json(value: Any) -> str:
    return shlex.quote(json.dumps(value))
