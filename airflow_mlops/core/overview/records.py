"""How a model stands, in one record for each model; what the page and the terminal show is this and nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.deployment import Mode

#: ``unknown``: nobody has looked, or too little is known. The order is that of the worst first.
Mood = Literal["bad", "warning", "unknown", "good"]


class Sign(Record):
    """One sign of a model's health.

    :param name: ``drift``, ``performance``, ``freshness``, ``fallback`` or ``endpoint``.
    :param said: one line in words.
    :param at: when it was found, None where nobody has looked.
    """

    name: str
    mood: Mood
    said: str
    at: datetime | None = None


class RolloutNow(Record):
    """A rollout in progress.

    :param stage: ``shadow`` or ``canary``.
    :param weight: the challenger's share of live requests, 0 in shadow.
    :param run: key of the Airflow run that holds the place.
    :param entry: number of the entry in the deployment log.
    :param until: when the challenger's place ends by itself.
    """

    stage: Literal["shadow", "canary"]
    champion: int | None
    challenger: int
    weight: float
    held: bool
    run: str | None
    entry: int
    since: datetime
    until: datetime | None


class LastRelease(Record):
    """How the newest release ended, or that it goes on.

    :param outcome: None while it goes on.
    """

    run: str
    outcome: Literal["promoted", "refused"] | None
    version: int | None
    reason: str
    began: datetime
    ended: datetime | None


class ModelOverview(Record):
    """How one model stands.

    :param versions: how many are registered.
    :param champion_since: when it became the champion.
    :param signs: of its health, the worst first; ``mood`` is that of the worst.
    :param waits_for: what people are asked now, in a line; empty when nobody is.
    :param broken: what of its records can't be read, in a line each; the rest is told all the same.
    """

    model: str
    description: str
    owner: str
    team: str
    contact: str
    mode: Mode
    versions: int
    champion: int | None
    champion_since: datetime | None
    rollout: RolloutNow | None
    last_release: LastRelease | None
    mood: Mood
    signs: tuple[Sign, ...]
    waits_for: str = ""
    broken: tuple[str, ...] = ()
