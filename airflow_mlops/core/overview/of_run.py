"""What one run of Airflow did to a model, from the model's logs: they name the run, Airflow need not be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, TypeVar

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.monitoring.look import Look, monitoring_log
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.approvals import ApprovalRecord, approval_log
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.releases import ReleaseEvent, release_log
from airflow_mlops.core.registry.version import RunRef
from airflow_mlops.core.reproduction.record import Reproduction, reproduction_log
from airflow_mlops.core.store import Log, Store

E = TypeVar("E", bound=Record)
#: Entries of a log that are looked through, the newest first: people look at runs of these days.
_MOST: Final = 300


class _Version(Record):
    """Of a model version, who registered it and when: the rest of its record is not read."""

    run: RunRef | None
    created_at: datetime


class Deed(Record):
    """One thing that a run did.

    :param version: what it is about, None where no version is.
    """

    at: datetime
    said: str
    version: int | None = None


class RunDeeds(Record):
    """What a run did, in the order in which it did it.

    :param version: what the run registered, None if nothing.
    :param model_known: whether the store knows anything of the model.
    """

    run: str
    model_known: bool
    version: int | None
    deeds: tuple[Deed, ...]


def deeds_of(store: Store, model: str, run: str) -> RunDeeds:
    """What the run ``<dag_id>/<run_id>`` did to the model.

    :raises StoreError: if the store can't be reached.
    """
    versions = Log(store, f"models/{model}/versions", _Version)
    releases = release_log(store, model)
    deployments = DeploymentLog(store, model).log
    found = [
        *_found(versions, _registered, lambda one: one.run is not None and one.run.key == run),
        *_found(releases, _release, lambda one: one.run == run),
        *_found(deployments, _deployed, lambda one: run in (one.run, one.control)),
        *_found(approval_log(store, model), _approval, lambda one: one.run == run),
        *_found(monitoring_log(store, model), _look, lambda one: one.run == run),
        *_found(reproduction_log(store, model), _reproduced, lambda one: one.run == run),
    ]
    return RunDeeds(
        run=run,
        model_known=any(log.last_number() for log in (versions, releases, deployments)),
        version=next((one.version for one in found if one.said.startswith("registered")), None),
        deeds=tuple(sorted(found, key=lambda one: one.at)),
    )


def _found(log: Log[E], tell: Callable[[int, E], Deed], is_of_run: Callable[[E], bool]) -> Iterator[Deed]:
    """The run's entries; one that can't be read tells nothing."""
    last = log.last_number()
    for number in range(last, max(0, last - _MOST), -1):
        try:
            entry = log.read(number)
        except StoreError:
            continue
        if is_of_run(entry):
            yield tell(number, entry)


def _registered(number: int, entry: _Version) -> Deed:
    return Deed(at=entry.created_at, said=f"registered version {number}", version=number)


def _release(number: int, entry: ReleaseEvent) -> Deed:
    if entry.begins:
        return Deed(at=entry.at, said="the release began")
    how = "the release ended: promoted" if entry.event == "promoted" else "the release was refused"
    return Deed(at=entry.at, said=f"{how}; {entry.reason}" if entry.reason else how, version=entry.version)


def _deployed(number: int, entry: Deployment) -> Deed:
    words = {
        "shadow": f"version {entry.challenger} went into shadow",
        "canary": f"version {entry.challenger} took {entry.weight:.0%} of the requests",
        "promote": f"version {entry.champion} became the champion",
        "rollback": f"version {entry.champion} answers alone",
        "fallback": "the fallback rule answers",
    }
    held = "; held" if entry.held else ""
    version = entry.challenger if entry.challenger is not None else entry.champion
    return Deed(
        at=entry.at, said=f"entry {number}: {words[entry.action]}{held}; {entry.why}", version=version
    )


def _approval(number: int, entry: ApprovalRecord) -> Deed:
    said = f"approval: {entry.outcome}; {entry.reason}".replace("_", " ", 1)
    return Deed(at=entry.at, said=said, version=entry.version)


def _look(number: int, entry: Look) -> Deed:
    return Deed(at=entry.at, said=f"look {number}: {entry.decision.said}", version=entry.champion)


def _reproduced(number: int, entry: Reproduction) -> Deed:
    return Deed(
        at=entry.at,
        said=f"version {entry.version} built again: {entry.outcome}; {entry.reason}",
        version=entry.version,
    )
