"""Challengers whose time is over and whose release never said so, and rollouts that somebody holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.audit.verifying import models_of
from airflow_mlops.core.doctor.finding import Finding, ok, warning
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployment import Deployment, is_live
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.wording import counted, second

if TYPE_CHECKING:
    from airflow_mlops.core.store import Store


def check_leases(store: Store) -> Iterator[Finding]:
    """Look at the newest entry of each deployment log."""
    now, live = utc_now(), 0
    quiet = True
    for model in models_of(store):
        newest = DeploymentLog(store, model).log.newest()
        if newest is None or newest[1].challenger is None:
            continue
        finding = _judged(model, newest[1], now)
        if finding is None:
            live += 1
        else:
            quiet = False
            yield finding
    if quiet:
        yield ok("rollouts", f"{counted(live, 'rollout', zero='no')} in progress, and none left behind")


def _judged(model: str, entry: Deployment, now: datetime) -> Finding | None:
    until = f"{second(entry.lease_until)} UTC" if entry.lease_until else "the end"
    if not is_live(entry, now):
        return warning(
            "rollouts",
            f"{model}: the time of version {entry.challenger} in {entry.action} was over {until}, and its release "
            f"({entry.run}) did not conclude",
            "a rollout that ends by a verdict",
            "the champion answers alone; look why the run ended, then release again",
        )
    if entry.held:
        found = f"{model}: version {entry.challenger} is held in {entry.action} by {entry.who} until {until}"
        return warning("rollouts", found, remedy=f"{model}.rollout resumes or aborts it")
    return None
