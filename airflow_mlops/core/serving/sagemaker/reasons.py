"""Why an endpoint did not become what was asked for, in SageMaker's own words, and what to do."""

from __future__ import annotations

import re

from airflow_mlops.core.aws.wording import by_text
from airflow_mlops.core.errors import DeploymentFailed, DeploymentPending, DeploymentRolledBack
from airflow_mlops.core.registry.deployments import Desired
from airflow_mlops.core.serving.wording import in_words

_ALARM = (
    "look at the version's errors and latency around that time; limits are in sagemaker.hosting.guardrail"
)
#: How a reason names the variant of a version.
_VARIANT = re.compile(r"\bv([1-9][0-9]*)\b")
_LOOK = "read the container's log: group /aws/sagemaker/Endpoints/{name} in CloudWatch Logs"


def remedy_for(reason: str, name: str) -> str:
    """What helps against a failure. :param name: of the endpoint."""
    cause = by_text(reason)
    if cause is not None:
        return cause.remedy
    return _ALARM if "alarm" in reason.lower() else _LOOK.format(name=name)


def blamed(reason: str, desired: Desired) -> tuple[int, ...]:
    """The versions whose container did not come up, by SageMaker's reason; none for any other reason."""
    if "health check" not in reason.lower():
        return ()
    named = tuple(int(number) for number in _VARIANT.findall(reason))
    return named or ((desired.champion,) if desired.champion is not None else ())


def rolled_back(name: str, reason: str, serves: Desired, desired: Desired) -> DeploymentRolledBack:
    """The endpoint serves its old configuration again."""
    return DeploymentRolledBack(
        f"endpoint {name} went back by itself: {reason or 'SageMaker gives no reason'}",
        versions=blamed(reason, desired),
        given=in_words(serves),
        expected=in_words(desired),
        remedy=remedy_for(reason, name),
    )


def failed(name: str, reason: str, desired: Desired) -> DeploymentFailed:
    """The endpoint could not be made, and serves nothing."""
    return DeploymentFailed(
        f"endpoint {name} has failed and serves nothing: {reason or 'SageMaker gives no reason'}",
        versions=blamed(reason, desired),
        expected=in_words(desired),
        remedy=f"{remedy_for(reason, name)}; the next try makes the endpoint anew",
    )


def stuck(name: str, reason: str, desired: Desired) -> DeploymentFailed:
    """``UpdateRollbackFailed``: old and new machines answer side by side, and no call changes that."""
    return DeploymentFailed(
        f"endpoint {name} is in UpdateRollbackFailed, a mix of two configurations that SageMaker does not leave by "
        f"itself: {reason or 'no reason given'}",
        expected=in_words(desired),
        remedy=f"delete it (aws sagemaker delete-endpoint --endpoint-name {name}), then run this again: it is made "
        "anew from the deployment log; or ask AWS Support to repair it while it goes on answering",
    )


def overtaken(name: str, newest: Desired, desired: Desired) -> DeploymentFailed:
    """Somebody decided anew meanwhile."""
    return DeploymentFailed(
        f"endpoint {name}: deployment {newest.number} came after it",
        given=in_words(newest),
        expected=in_words(desired),
    )


def too_slow(name: str, status: str, serves: Desired, desired: Desired, seconds: float) -> DeploymentFailed:
    """A change takes longer than any may."""
    return DeploymentFailed(
        f"endpoint {name} does not serve what was asked for: still {status} after {seconds:g} s",
        given=in_words(serves),
        expected=in_words(desired),
        remedy="look at the endpoint in the console; sagemaker.hosting.slowest_change is how long a change may take",
    )


def pending(name: str, status: str, desired: Desired) -> DeploymentPending:
    """A change is under way."""
    return DeploymentPending(f"endpoint {name} is {status}", expected=in_words(desired))
