"""The period of one look, and who was the champion in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.deployments import Deployment, DeploymentLog
from airflow_mlops.core.store import Store


class Period(Record):
    """Captured traffic of a model, since <= t < until.

    :param champion: version that the deployment log's newest entry before ``until`` names; None before the first one.
    """

    since: datetime
    until: datetime
    champion: int | None


def period_of(store: Store, model: str, *, until: datetime, window: timedelta) -> Period:
    """The period of so long that ends at ``until``. The same whenever it is asked for.

    :raises SpecError: if ``until`` has no time zone.
    """
    if until.tzinfo is None:
        raise SpecError("the end of a period has no time zone", given=until.isoformat(), expected="e.g. a Z")
    entries = (entry for _, entry in DeploymentLog(store, model).log.entries())
    return Period(since=until - window, until=until, champion=champion_at(entries, until))


def champion_at(entries: Iterable[Deployment], moment: datetime) -> int | None:
    """The champion right before a moment, while the fallback rule answers the one that it stands in for.

    :param entries: of the deployment log, oldest first.
    """
    champion = None
    for entry in entries:
        if entry.at >= moment:
            break
        champion = entry.champion
    return champion
