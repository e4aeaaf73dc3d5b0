"""The model registry: groups of model packages, and their versions."""

from __future__ import annotations

import copy
from typing import Any

from airflow_mlops.testing.sagemaker.api import ApiError, invalid, operation
from airflow_mlops.testing.sagemaker.listing import chosen, only, page
from airflow_mlops.testing.sagemaker.records import Record, Records
from airflow_mlops.testing.sagemaker.simulator import Simulator
from airflow_mlops.testing.sagemaker.tags import Tags

_GROUP_SUMMARY = (
    "ModelPackageGroupName",
    "ModelPackageGroupArn",
    "ModelPackageGroupDescription",
    "CreationTime",
    "ModelPackageGroupStatus",
)
#: A versioned package has no name of its own here, although the API's model says that every summary may have one:
#: https://github.com/aws/sagemaker-python-sdk/issues/5606
_SUMMARY = (
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
)
_UPDATED = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
)


class Packages:
    """The room: groups by name, packages by ARN, and what was asked for with a client token."""

    def __init__(self, simulator: Simulator) -> None:
        self.groups = Records(simulator)
        self.packages = Records(simulator)
        self.tokens: dict[str, tuple[Record, str]] = {}
        #: The newest version that a group ever had: numbers are not used twice.
        self.newest: dict[str, int] = {}


@operation("sagemaker", "CreateModelPackageGroup")
def create_model_package_group(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A group of versions."""
    room, name = simulator.room(Packages), params["ModelPackageGroupName"]
    arn = simulator.arn("model-package-group", name)
    if name in room.groups:
        # Airflow's hook knows this error by how its message begins
        raise invalid(f"Model Package Group already exists: {arn}")
    simulator.room(Tags).register(arn, params.get("Tags"))
    room.groups.put(
        name,
        {
            **only(params, "ModelPackageGroupName", "ModelPackageGroupDescription", "ManagedConfiguration"),
            "ModelPackageGroupArn": arn,
            "CreationTime": simulator.clock.now(),
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
        },
    )
    return {"ModelPackageGroupArn": arn}


@operation("sagemaker", "DescribeModelPackageGroup")
def describe_model_package_group(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """One group, by its name or ARN."""
    name = _last(params["ModelPackageGroupName"])
    found = simulator.room(Packages).groups.seen(name)
    if found is None:
        raise _no_group(simulator, name)
    return found


@operation("sagemaker", "ListModelPackageGroups")
def list_model_package_groups(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of groups."""
    found = chosen(simulator.room(Packages).groups.all_seen(), params, name="ModelPackageGroupName")
    shown, more = page(found, params, lambda one: only(one, *_GROUP_SUMMARY))
    return {"ModelPackageGroupSummaryList": shown, **more}


@operation("sagemaker", "DeleteModelPackageGroup")
def delete_model_package_group(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Only a group without packages."""
    room, name = simulator.room(Packages), _last(params["ModelPackageGroupName"])
    group = room.groups.get(name)
    if group is None:
        raise _no_group(simulator, name)
    if any(one.get("ModelPackageGroupName") == name for one in room.packages):
        raise ApiError(
            "ConflictException",
            f"Model Package Group {name} cannot be deleted because it still contains Model Packages.",
        )
    room.groups.remove(name)
    simulator.room(Tags).forget(group["ModelPackageGroupArn"])
    return {}


@operation("sagemaker", "CreateModelPackage")
def create_model_package(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A version in a group, or a package of its own; the same client token gives the same package again."""
    room = simulator.room(Packages)
    request = copy.deepcopy(params)
    token = request.pop("ClientToken", None)
    if token in room.tokens:
        before, arn = room.tokens[token]
        if before != request:
            raise invalid(f"ClientToken {token} was used before with other parameters.")
        return {"ModelPackageArn": arn}
    record = _record(simulator, room, request)
    arn = record["ModelPackageArn"]
    simulator.room(Tags).register(arn, request.get("Tags"))
    room.packages.put(arn, record)
    if token:
        room.tokens[token] = (request, arn)
    return {"ModelPackageArn": arn}


@operation("sagemaker", "DescribeModelPackage")
def describe_model_package(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """One package, by its ARN, its name, or group and version."""
    arn = _arn(simulator, params["ModelPackageName"])
    found = simulator.room(Packages).packages.seen(arn)
    if found is None:
        raise _no_package(arn)
    return found


@operation("sagemaker", "UpdateModelPackage")
def update_model_package(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Approve or reject a version, or change what it says of itself."""
    room, arn = simulator.room(Packages), params["ModelPackageArn"]
    record = room.packages.get(arn)
    if record is None:
        raise _no_package(arn)
    record |= only(params, *_UPDATED)
    properties = {
        **record.get("CustomerMetadataProperties", {}),
        **params.get("CustomerMetadataProperties", {}),
    }
    for name in params.get("CustomerMetadataPropertiesToRemove", ()):
        properties.pop(name, None)
    if properties or "CustomerMetadataProperties" in record:
        record["CustomerMetadataProperties"] = properties
    if added := params.get("AdditionalInferenceSpecificationsToAdd"):
        record["AdditionalInferenceSpecifications"] = [
            *record.get("AdditionalInferenceSpecifications", ()),
            *added,
        ]
    record |= {"LastModifiedTime": simulator.clock.now(), "LastModifiedBy": {}}
    room.packages.put(arn, record)
    return {"ModelPackageArn": arn}


@operation("sagemaker", "ListModelPackages")
def list_model_packages(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of packages: a group's versions; without a group, those that are no versions."""
    packages = simulator.room(Packages).packages.all_seen()
    group = _last(params.get("ModelPackageGroupName", ""))
    kind = "Versioned" if group else params.get("ModelPackageType", "Unversioned")
    approval = params.get("ModelApprovalStatus")
    wanted = [
        {**one, "_name": one.get("ModelPackageGroupName") or one["ModelPackageName"]}
        for one in packages
        if (not group or one.get("ModelPackageGroupName") == group)
        and (approval is None or one.get("ModelApprovalStatus") == approval)
        and (kind == "Both" or ("ModelPackageVersion" in one) is (kind == "Versioned"))
    ]
    shown, more = page(chosen(wanted, params, name="_name"), params, lambda one: only(one, *_SUMMARY))
    return {"ModelPackageSummaryList": shown, **more}


@operation("sagemaker", "DeleteModelPackage")
def delete_model_package(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Its version number is gone with it."""
    room, arn = simulator.room(Packages), _arn(simulator, params["ModelPackageName"])
    if arn not in room.packages:
        raise _no_package(arn)
    room.packages.remove(arn)
    simulator.room(Tags).forget(arn)
    return {}


def _record(simulator: Simulator, room: Packages, request: Record) -> Record:
    group, name = _last(request.get("ModelPackageGroupName", "")), request.get("ModelPackageName")
    if group and name:
        raise invalid(
            "Both ModelPackageName and ModelPackageGroupName are provided in the input. "
            "Cannot determine which one to use."
        )
    if group:
        identity = _versioned(simulator, room, group, request)
    elif name:
        arn = simulator.arn("model-package", name)
        if arn in room.packages:
            raise invalid(f"ModelPackage already exists: {arn}")
        identity = {"ModelPackageName": name, "ModelPackageArn": arn}
    else:
        raise invalid("Missing ARN.")
    now = simulator.clock.now()
    return {
        "CertifyForMarketplace": False,
        **{key: value for key, value in request.items() if key not in {"Tags", "ModelPackageGroupName"}},
        **identity,
        "CreationTime": now,
        "LastModifiedTime": now,
        "CreatedBy": {},
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
    }


def _versioned(simulator: Simulator, room: Packages, group: str, request: Record) -> Record:
    if group not in room.groups:
        raise _no_group(simulator, group)
    if request.get("Tags"):
        raise invalid("Tags are not allowed on versioned model packages: tag the model package group.")
    number = room.newest.get(group, 0) + 1
    room.newest[group] = number
    return {
        "ModelPackageGroupName": group,
        "ModelPackageVersion": number,
        "ModelPackageArn": f"{simulator.arn('model-package', group)}/{number}",
        "ModelApprovalStatus": request.get("ModelApprovalStatus", "PendingManualApproval"),
    }


def _arn(simulator: Simulator, name: str) -> str:
    """The ARN of a package from whatever a request names it by."""
    return name if name.startswith("arn:") else simulator.arn("model-package", name)


def _last(name: str) -> str:
    """The name in a name or ARN."""
    return name.rpartition("/")[2]


def _no_group(simulator: Simulator, name: str) -> ApiError:
    # https://github.com/getmoto/moto/pull/7246
    return invalid(f"ModelPackageGroup {simulator.arn('model-package-group', name)} does not exist.")


def _no_package(arn: str) -> ApiError:
    return invalid(f"ModelPackage {arn} does not exist.")
