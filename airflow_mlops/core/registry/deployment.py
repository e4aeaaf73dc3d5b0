"""One entry of the deployment log, and what it asks an endpoint to serve."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow_mlops.core.record import Record

Action = Literal["shadow", "canary", "promote", "rollback", "fallback"]
Mode = Literal["champion", "shadow", "canary", "fallback"]


class Deployment(Record):
    """One decision about the traffic of a model.

    :param champion: version that answers, None when only the fallback rule may.
    :param challenger: version in shadow or canary.
    :param weight: the challenger's share of live requests, 0 in shadow.
    :param lease_until: when the challenger's place ends by itself.
    :param run: key of the Airflow run that holds the challenger's place.
    :param held: whether the rollout stays where it is until somebody resumes it.
    :param control: key of the run that held or resumed the rollout, where that is not ``run``.
    """

    action: Action
    champion: int | None
    challenger: int | None = None
    weight: float = 0.0
    lease_until: datetime | None = None
    who: str
    why: str
    run: str | None = None
    held: bool = False
    control: str | None = None
    at: datetime


class Desired(Record):
    """What an endpoint should serve: the newest entry of the log, its lease considered.

    :param number: the entry's number in the log; 0 when nothing was ever deployed.
    """

    number: int
    mode: Mode
    champion: int | None
    challenger: int | None = None
    weight: float = 0.0


NOTHING = Desired(number=0, mode="fallback", champion=None)


def effective(number: int, entry: Deployment, now: datetime) -> Desired:
    """What ``entry`` asks for at ``now``: an expired lease means the champion alone."""
    if entry.action == "fallback" or (entry.champion is None and entry.challenger is None):
        return Desired(number=number, mode="fallback", champion=None)
    if not is_live(entry, now) or entry.action not in ("shadow", "canary"):
        return Desired(number=number, mode="champion", champion=entry.champion)
    return Desired(
        number=number,
        mode="shadow" if entry.action == "shadow" else "canary",
        champion=entry.champion,
        challenger=entry.challenger,
        weight=entry.weight,
    )


def is_live(entry: Deployment, now: datetime) -> bool:
    """Whether a challenger has its place."""
    return entry.challenger is not None and (entry.lease_until is None or now < entry.lease_until)
