"""Tags of all resources, by ARN."""

from __future__ import annotations

from typing import Any

from airflow_mlops.testing.sagemaker.api import ApiError, invalid, operation
from airflow_mlops.testing.sagemaker.listing import page
from airflow_mlops.testing.sagemaker.simulator import Simulator

#: https://docs.aws.amazon.com/general/latest/gr/aws_tagging.html
_MOST = 50


class Tags:
    """The room: who makes a resource registers it here, with or without tags, and takes it out when it goes."""

    def __init__(self, simulator: Simulator) -> None:
        self._tags: dict[str, dict[str, str]] = {}

    def register(self, arn: str, tags: list[dict[str, str]] | None = None) -> None:
        """A resource was made."""
        self._tags[arn] = _merged({}, tags or [])

    def forget(self, arn: str) -> None:
        """A resource is gone."""
        self._tags.pop(arn, None)

    def of(self, arn: str) -> dict[str, str]:
        """:raises ApiError: if there is no such resource."""
        if arn not in self._tags:
            raise invalid(f"Could not find resource {arn}.")
        return self._tags[arn]

    def add(self, arn: str, tags: list[dict[str, str]]) -> None:
        """Set tags; what is there under other keys stays."""
        self._tags[arn] = _merged(self.of(arn), tags)


def _merged(old: dict[str, str], tags: list[dict[str, str]]) -> dict[str, str]:
    keys = [tag["Key"] for tag in tags]
    if len(keys) != len(set(keys)):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if reserved := [key for key in keys if key.lower().startswith("aws:")]:
        raise invalid(f"Tag keys starting with 'aws:' are reserved: {', '.join(reserved)}")
    merged = {**old, **{tag["Key"]: tag["Value"] for tag in tags}}
    if len(merged) > _MOST:
        raise ApiError(
            "ResourceLimitExceeded", f"The resource would have {len(merged)} tags, more than {_MOST}."
        )
    return merged


def _shown(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@operation("sagemaker", "AddTags")
def add_tags(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """The tags that the resource has then."""
    tags = simulator.room(Tags)
    tags.add(params["ResourceArn"], params["Tags"])
    return {"Tags": _shown(tags.of(params["ResourceArn"]))}


@operation("sagemaker", "ListTags")
def list_tags(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of the tags of a resource."""
    found = _shown(simulator.room(Tags).of(params["ResourceArn"]))
    shown, more = page(found, params, dict, most=_MOST)
    return {"Tags": shown, **more}


@operation("sagemaker", "DeleteTags")
def delete_tags(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Tags that are not there are no error."""
    tags = simulator.room(Tags).of(params["ResourceArn"])
    for key in params["TagKeys"]:
        tags.pop(key, None)
    return {}
