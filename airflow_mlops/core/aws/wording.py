"""Causes by the words of AWS's messages: they say more than codes, which several causes share.

The wording is in no specification; the tests cite where each was seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from airflow_mlops.core.aws.causes import (
    AIRFLOW,
    CAPACITY,
    CLOCK,
    EXECUTION,
    KEY_UNUSABLE,
    NO_KEY,
    OTHER_REGION,
    Cause,
)

_TRUST = (
    "make the role, or let its trust policy allow sts:AssumeRole to sagemaker.amazonaws.com; it is role_arn of field "
    "sagemaker"
)


def by_text(text: str) -> Cause | None:
    """Why, by the words alone: of an error, or of the reason that a job or an endpoint gives."""
    for pattern, cause in _BY_TEXT:
        match = pattern.search(text)
        if match:
            return cause(match)
    return None


def _not_authorized(found: re.Match[str]) -> Cause:
    action, resource = found["action"], (found["resource"] or "").strip("\"'.,")
    says = f"{action} on {resource} is not allowed" if resource else f"{action} is not allowed"
    if "explicit deny" in found.string:
        return Cause(
            says,
            "a policy denies it outright: ask whoever owns that policy; allowing it elsewhere does not help",
        )
    if action == "iam:PassRole":
        return Cause(
            says,
            f"allow iam:PassRole on that role, with iam:PassedToService sagemaker.amazonaws.com: {AIRFLOW}",
        )
    if action.startswith("kms:"):
        return Cause(says, f"allow it in the key's policy, and to {_who(found)}: {_policy(found)}")
    return Cause(says, f"allow it to {_who(found)}: {_policy(found)}")


def _who(found: re.Match[str]) -> str:
    return found["who"].rpartition(":")[2]


def _policy(found: re.Match[str]) -> str:
    """The policy of the one who asked: jobs and containers call themselves SageMaker."""
    return EXECUTION if found["who"].endswith("/SageMaker") else AIRFLOW


def _quota(found: re.Match[str]) -> Cause:
    says = f"quota '{found['quota']}' is {found['limit']}: {found['used']} in use, {found['more']} more asked for"
    kind = re.match(r"ml\.[\w.-]+", found["quota"])
    other = (
        f", or set another instance_type than {kind[0]} in field sagemaker"
        if kind
        else ", or ask for less at once"
    )
    return Cause(says, f"raise it in Service Quotas, service Amazon SageMaker{other}")


def _missing(found: re.Match[str]) -> Cause:
    where = found["arn"] or found["name"] or ""
    pieces = where.split(":")
    place = f" in region {pieces[3]}, account {pieces[4]}" if len(pieces) > 5 else ""
    name = where.rpartition("/")[2]
    kind = (found["kind"] or "endpoint").strip()
    return Cause(
        f"there is no {kind} {name}{place}",
        "it was deleted, or is elsewhere: check region_name of the AWS connection and prefix of field sagemaker; "
        "promote a version to make an endpoint anew",
    )


def _wrong_value(found: re.Match[str]) -> Cause:
    return Cause(
        f"{found['field']} is wrong", "correct it in field sagemaker of the mlops connection", "request"
    )


def _role(found: re.Match[str]) -> Cause:
    return Cause(f"SageMaker can't assume role {found['role'].rstrip('.')}", _TRUST)


def _untrusted(found: re.Match[str]) -> Cause:
    return Cause("SageMaker can't assume the execution role", _TRUST)


def _model_data(found: re.Match[str]) -> Cause:
    return Cause(
        f"SageMaker can't read the model at {found['uri']}",
        "let the execution role read it (s3:GetObject, s3:ListBucket, kms:Decrypt of its key: "
        f"{EXECUTION}), in a bucket of the same region",
    )


def _region(found: re.Match[str]) -> Cause:
    return Cause(f"{OTHER_REGION.says}, {found['right']}, not {found['wrong']}", OTHER_REGION.remedy)


def _key(found: re.Match[str]) -> Cause:
    return Cause(f"KMS key {found['key']} is {found['state']}", KEY_UNUSABLE)


def _changing(found: re.Match[str]) -> Cause:
    return Cause(f"the {found['kind']} is still changing", "run it again when it has settled", "passing")


def _always(cause: Cause) -> Callable[[re.Match[str]], Cause]:
    return lambda found: cause


_TAKEN = Cause(
    "the name is taken",
    "it was made with other settings, or by somebody else: delete it, or set another prefix in field sagemaker",
)
_NO_LOCK = Cause(
    "the bucket was made without Object Lock",
    "enable Object Lock on the bucket, or leave object_lock out of field s3",
)
_LOCKED = Cause("Object Lock protects the object", "wait until its retention has ended")
_NO_IMAGE = Cause(
    "the container image can't be read",
    "correct image in field sagemaker; it has to be in the same region, and the execution role needs "
    f"ecr:BatchGetImage and ecr:GetDownloadUrlForLayer: {EXECUTION}",
)
_KEY_OF_OBJECT = Cause("the KMS key of the object can't be used", KEY_UNUSABLE)

#: The first that fits.
_WORDING: tuple[tuple[str, Callable[[re.Match[str]], Cause]], ...] = (
    (
        r"(?P<who>\S+) is not authorized to perform:? (?P<action>[\w-]+:[\w*]+)(?: on resource:? (?P<resource>\S+))?",
        _not_authorized,
    ),
    (r"(?:could not assume role|unable to assume the role) '?(?P<role>arn:[^\s']+)", _role),
    (r"unable to perform: sts:AssumeRole on the role", _untrusted),
    (r"could not (?:access|find) model data at (?P<uri>s3://\S+?)\.?(?:\s|$)", _model_data),
    (
        r"limit '(?P<quota>[^']+)' is (?P<limit>\d+)\D*?utilization of (?P<used>\d+)\D*?delta of (?P<more>\d+)",
        _quota,
    ),
    (r"CapacityError|Insufficient(?:Instance)?Capacity", _always(CAPACITY)),
    (r"unable to provision requested (?:ML )?compute capacity", _always(CAPACITY)),
    (r"is temporarily unavailable in supported availability zones", _always(CAPACITY)),
    (r"the region '(?P<wrong>[\w-]+)' is wrong; expecting '(?P<right>[\w-]+)'", _region),
    (r"signature (?:expired|not yet current)", _always(CLOCK)),
    (r"(?P<key>arn:aws[\w-]*:kms:\S+) is (?P<state>disabled|pending deletion|pending import)", _key),
    (r"Invalid keyId|Failed to retrieve the actual key", _always(NO_KEY)),
    (r"key '?arn:aws[\w-]*:kms:[^\s']+'? (?:is not found|does not exist)", _always(NO_KEY)),
    (r"the ciphertext refers to a customer master key that does not exist", _always(_KEY_OF_OBJECT)),
    (r"cannot update in-progress (?P<kind>[a-z ]+?) \"", _changing),
    (r"cannot create already existing|already exists|names must be unique", _always(_TAKEN)),
    (
        r"could not find (?P<kind>[a-z ]+?) \"(?P<arn>[^\"]+)\"|endpoint (?P<name>\S+) of account \S+ not found",
        _missing,
    ),
    (r"bucket is missing object ?lock ?configuration", _always(_NO_LOCK)),
    (r"object protected by object lock", _always(_LOCKED)),
    (r"requested image \S+ not found", _always(_NO_IMAGE)),
    (r"make sure all images included in the model .*? exist", _always(_NO_IMAGE)),
    (r"at '(?P<field>[\w.]+)' failed to satisfy constraint", _wrong_value),
)
_BY_TEXT = tuple((re.compile(pattern, re.I), cause) for pattern, cause in _WORDING)
