"""The log of a model's policy: each spec that a release began with, when it was not the one before."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.results import keep, recall

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec


class SpecText(Record):
    """A spec as JSON values."""

    fields: dict[str, object]


class PolicyChange(Record):
    """The spec is another one from here on.

    :param spec: reference of the stored :class:`SpecText`.
    :param run: key of the run that brought it.
    """

    spec: str
    run: str
    who: str
    at: datetime


def policy_log(store: Store, model: str) -> Log[PolicyChange]:
    """The log of all specs of a model."""
    return Log(store, f"models/{model}/policy", PolicyChange)


def note_policy(store: Store, spec: ModelSpec, *, run: str, who: str, at: datetime) -> bool:
    """Write down the spec that a release begins with, unless it is the newest one; return whether it was new.

    A retry finds what its first try wrote, also when another run has changed the spec since.
    """
    log = policy_log(store, spec.name)
    ref = keep(store, SpecText(fields=spec.to_dict()))
    newest = log.newest()
    if newest is not None and newest[1].spec == ref:
        return False
    change = PolicyChange(spec=ref, run=run, who=who, at=at)
    return log.append_once(change, lambda other: (other.run, other.spec) == (run, ref))[1] == change


def policy_at(store: Store, model: str, moment: datetime) -> dict[str, object] | None:
    """The fields of the spec that held at a moment; None before the first."""
    held = [change for _, change in policy_log(store, model).entries() if change.at <= moment]
    return recall(store, held[-1].spec, SpecText).fields if held else None
