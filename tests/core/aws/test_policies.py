"""IAM: the roles may do what a release does, and nothing else; the documents say so."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.aws.permissions import AIRFLOW, GRANTS, PARTS, Part, Role
from airflow_mlops.core.aws.policies import actions_of, document, grants_of, write_documents
from airflow_mlops.testing.calls import read_calls
from tests.core.aws import release as story

DOCS = Path(__file__).parents[3] / "docs" / "iam"
VALUES = {
    "bucket": story.BUCKET,
    "path": story.PATH,
    "data-bucket": story.SOURCE,
    "data-path": "",
    "region": "eu-central-1",
    "account": story.ACCOUNT,
    "prefix": story.PREFIX,
    **{f"{role}-role": f"{story.PREFIX}-{role}" for role in GRANTS},
}
#: What a parameter of SageMaker names.
_KINDS = {
    "TrainingJobName": "training-job",
    "TransformJobName": "transform-job",
    "ModelName": "model",
    "EndpointConfigName": "endpoint-config",
    "EndpointName": "endpoint",
    "ModelPackageGroupName": "model-package-group",
    "ModelCardName": "model-card",
}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every call of a release."""
    folder = tmp_path_factory.mktemp("release")
    path = folder / "calls.jsonl"
    with pytest.MonkeyPatch.context() as patch, story.recording(path, folder) as (sagemaker, aws):
        patch.setenv("AIRFLOW_MLOPS_CACHE", str(folder / "cache"))
        story.release(sagemaker, aws, folder)
    return read_calls(path)


#: Who makes calls in a release with a connection for each purpose.
CALLERS: tuple[Role | Part, ...] = (*PARTS, "training", "serving")


def role_of(call: dict[str, Any]) -> Role | Part | None:
    """Who made a call; None for the owner of the source. What SageMaker does for a role shows in the place."""
    for part, key in story.KEYS.items():
        if call["key_id"] == key:
            return part
    if call["key_id"] != story.ROLE:
        return None
    names = call["names"]
    place = names.get("Key") or names.get("Prefix") or ""
    serving = ("sagemaker/models/", "sagemaker/transform/", "captures/")
    return "serving" if place.startswith(tuple(f"{story.PATH}/{one}" for one in serving)) else "training"


def resources_of(call: dict[str, Any], action: str) -> list[str]:
    """The resources that a call is on, as far as its parameters name them."""
    names = call["names"]
    if action == "iam:PassRole":
        return [value for key, value in names.items() if key.endswith("RoleArn")]
    if call["service"] == "s3":
        whole = f"arn:aws:s3:::{names['Bucket']}"
        listing = action.startswith(("s3:List", "s3:GetBucket")) and action != "s3:ListMultipartUploadParts"
        return [whole if listing else f"{whole}/{names['Key']}"] if listing or "Key" in names else []
    arns = [value for key, value in names.items() if key in ("ModelPackageArn",)]
    base = f"arn:aws:sagemaker:eu-central-1:{story.ACCOUNT}"
    return [*arns, *(f"{base}:{_KINDS[key]}/{value}" for key, value in names.items() if key in _KINDS)]


def allows(role: Role | Part, action: str, resource: str | None) -> bool:
    for one in document(grants_of(role), VALUES)["Statement"]:
        covered = resource is None or any(fnmatchcase(resource, place) for place in one["Resource"])
        if action in one["Action"] and covered:
            return True
    return False


def needed(calls: Iterable[dict[str, Any]]) -> set[tuple[Role | Part, str, str | None]]:
    """Role, action and resource of every call."""
    found: set[tuple[Role | Part, str, str | None]] = set()
    for call in calls:
        role = role_of(call)
        for action in actions_of(call["service"], call["operation"], call["given"]):
            resources: list[str | None] = [*resources_of(call, action)]
            for resource in resources or [None]:
                if role is not None:
                    found.add((role, action, resource))
    return found


@pytest.mark.long
@pytest.mark.s3
def test_a_release_may_do_what_it_does(calls: list[dict[str, Any]]) -> None:
    refused = {
        (role, action, re.sub(r"[0-9a-f]{12,}", "*", resource or ""))
        for role, action, resource in needed(calls)
        if not allows(role, action, resource)
    }
    assert not refused, "\n".join(map(str, sorted(refused, key=str)))


@pytest.mark.long
@pytest.mark.s3
def test_nothing_is_allowed_that_a_release_does_not_do(calls: list[dict[str, Any]]) -> None:
    done = {(role, action) for role, action, _ in needed(calls)}
    ours = {
        (role, action)
        for role in CALLERS
        for grant in grants_of(role)
        if grant.service == "ours"
        for action in grant.actions
    }
    assert not ours - done, "\n".join(map(str, sorted(ours - done)))


@pytest.mark.long
@pytest.mark.s3
def test_calls_in_jobs_are_seen_too(calls: list[dict[str, Any]]) -> None:
    of_jobs = {call["operation"] for call in calls if role_of(call) == "training"}
    assert {"PutObject", "GetObject"} <= of_jobs


def test_the_documents_are_what_the_grants_say(tmp_path: Path) -> None:
    for path in write_documents(tmp_path):
        same = json.loads((DOCS / path.name).read_text()) == json.loads(path.read_text())
        assert same, "python -m airflow_mlops.core.aws.policies docs/iam writes them anew"


def test_no_part_may_do_what_another_is_for() -> None:
    """Who reads data can't write anything, who trains can't deploy, who deploys reads no data."""
    mine = {part: {action for grant in grants_of(part) for action in grant.actions} for part in PARTS}
    assert not any(
        action.partition(":")[2].startswith(("Put", "Delete", "Create")) for action in mine["data-reader"]
    )
    for part in ("trainer", "deployer"):
        assert not any(action.startswith("s3:") for action in mine[part])
    assert not any("Endpoint" in action or "Model" in action for action in mine["trainer"])
    assert not any("TrainingJob" in action for action in mine["deployer"])
    assert not any(action.startswith("sagemaker:") for action in mine["store"] | mine["data-reader"])
    passed = {part: [g.resources for g in grants_of(part) if "iam:PassRole" in g.actions] for part in PARTS}
    role = "arn:aws:iam::<account>:role"
    assert passed["trainer"] == [(f"{role}/<training-role>",)]
    assert passed["deployer"] == [(f"{role}/<serving-role>",)]
    assert passed["store"] == passed["data-reader"] == []


def test_one_role_for_all_is_the_sum_of_the_parts() -> None:
    assert sorted(AIRFLOW, key=repr) == sorted(itertools.chain(*PARTS.values()), key=repr)


@pytest.mark.parametrize("role", [*GRANTS, *PARTS])
def test_documents_fit_the_limits_of_iam(role: Role | Part) -> None:
    statements = document(grants_of(role, key=True, network=True), VALUES)["Statement"]
    sids = [one["Sid"] for one in statements]
    assert len(sids) == len(set(sids))
    assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)
    # The longest inline policy of a role, white space not counted:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert len(json.dumps(statements, separators=(",", ":"))) < 10_240


@pytest.mark.parametrize(
    "service, operation, given, actions",
    [
        ("s3", "ListObjectsV2", ["Bucket"], {"s3:ListBucket"}),
        ("s3", "HeadObject", ["Bucket", "Key"], {"s3:GetObject"}),
        ("s3", "GetObject", ["Bucket", "Key", "VersionId"], {"s3:GetObjectVersion"}),
        ("s3", "UploadPart", ["Bucket", "Key"], {"s3:PutObject"}),
        ("s3", "AbortMultipartUpload", ["Bucket", "Key"], {"s3:AbortMultipartUpload"}),
        ("sagemaker", "CreateModel", ["ExecutionRoleArn"], {"sagemaker:CreateModel", "iam:PassRole"}),
        ("sagemaker", "CreateEndpoint", ["Tags"], {"sagemaker:CreateEndpoint", "sagemaker:AddTags"}),
        ("sagemaker-runtime", "InvokeEndpoint", [], {"sagemaker:InvokeEndpoint"}),
        ("sqs", "DeleteMessageBatch", [], {"sqs:DeleteMessage"}),
        ("sts", "GetCallerIdentity", [], set()),
    ],
)
def test_actions_have_their_own_names(
    service: str, operation: str, given: list[str], actions: set[str]
) -> None:
    assert actions_of(service, operation, given) == actions
