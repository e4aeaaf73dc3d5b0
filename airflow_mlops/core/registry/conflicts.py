"""What stands in the way of a decision: each function raises the conflict with the entry that causes it."""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.errors import DeploymentConflict, RolloutHeld
from airflow_mlops.core.registry.deployment import Deployment, is_live
from airflow_mlops.core.wording import second


def require_free(model: str, current: Deployment, run: str, now: datetime) -> None:
    """Nobody else's challenger has the place."""
    if current.run != run and is_live(current, now):
        raise DeploymentConflict(
            f"version {current.challenger} of {model} is in {current.action} by {current.run}",
            given=f"another challenger by {run}",
            remedy="wait for that release, or roll it back",
        )


def require_not_held(model: str, current: Deployment, run: str, now: datetime) -> None:
    """This run's challenger is not held, and no hold of it ran out.

    :raises RolloutHeld: while it is held.
    """
    if current.run != run or not current.held or current.challenger is None:
        return
    version, given = current.challenger, f"hold by {current.who}: {current.why}"
    if is_live(current, now):
        raise RolloutHeld(
            f"version {version} of {model} is held in {current.action}",
            stage="canary" if current.action == "canary" else "shadow",
            version=version,
            given=given,
            remedy="resume or abort the rollout",
        )
    raise DeploymentConflict(
        f"the hold of version {version} of {model} was over at {second(current.lease_until)} UTC",
        given=given,
        remedy="start a new release",
    )


def require_rival(model: str, current: Deployment, challenger: int) -> None:
    """There is another champion to compare ``challenger`` with."""
    if current.action == "fallback":
        raise DeploymentConflict(
            f"{model} is on its fallback rule: nothing to compare version {challenger} with",
            given=f"fallback by {current.who}: {current.why}",
            remedy="roll back to a version first",
        )
    if current.champion == challenger:
        raise DeploymentConflict(
            f"version {challenger} of {model} is the champion already",
            given=f"{current.action} by {current.who}: {current.why}",
            expected="another version as challenger",
        )


def require_in_place(model: str, current: Deployment, version: int, run: str, now: datetime) -> None:
    """``version`` is the challenger of ``run``, and its place is not over."""
    if (current.run, current.challenger) == (run, version):
        if is_live(current, now):
            return
        problem = f"the place of version {version} of {model} ended at {second(current.lease_until)} UTC"
    elif current.action == "fallback":
        problem = f"{model} is on its fallback rule: version {version} was compared with nothing"
    else:
        problem = f"version {version} of {model} is not the challenger of {run}"
    raise DeploymentConflict(
        problem,
        given=f"newest entry {current.action} by {current.who}: {current.why}",
        remedy="start a new release, or roll back to the version by its number",
    )


def require_rollout(model: str, current: Deployment | None, version: int | None = None) -> Deployment:
    """The entry of the challenger that is in the place.

    :param version: the only challenger that will do, None for any.
    """
    if current is None or current.challenger is None or version not in (None, current.challenger):
        of_version = f" with version {version}" if version is not None else ""
        raise DeploymentConflict(
            f"no rollout of {model} in progress{of_version}",
            given=f"newest entry {current.action} by {current.who}: {current.why}" if current else None,
            remedy="a release that has not come to its rollout is ended by marking its run as failed",
        )
    return current


def require_live(model: str, current: Deployment, now: datetime) -> None:
    """The challenger's place is not over."""
    if not is_live(current, now):
        raise DeploymentConflict(
            f"the place of version {current.challenger} of {model} ended at {second(current.lease_until)} UTC",
            given=f"newest entry {current.action} by {current.who}: {current.why}",
            remedy="start a new release",
        )
