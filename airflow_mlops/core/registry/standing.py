"""How a version stands: what the deployment log has to say of it, as a model registry asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import keep_first, read_kept

#: Approval states, in the words of SageMaker's model registry.
Approval = Literal["PendingManualApproval", "Approved", "Rejected"]


class Standing(Record):
    """Whether a version may serve, and why."""

    approval: Approval
    reason: str


PENDING = Standing(approval="PendingManualApproval", reason="registered")


class Refusal(Record):
    """Why a release ended before its version came to the traffic."""

    reason: str


def standing(entries: Iterable[Deployment], version: int) -> Standing:
    """How ``version`` stands after these entries, oldest first.

    Approved is what was promoted or gone back to, also when a later champion has followed it. Rejected is what was
    taken out of shadow or canary, and the champion that was rolled back from or that the fallback rule stands in for.
    """
    found, before = PENDING, None
    for entry in entries:
        found = _after(entry, before, version) or found
        before = entry
    return found


def note_refusal(store: Store, model: str, version: int, reason: str) -> None:
    """Remember why a release refused a version that the deployment log may know nothing of; the first reason stays."""
    keep_first(store, _key(model, version), Refusal(reason=reason))


def refusal_of(store: Store, model: str, version: int) -> str | None:
    """Why the release of a version ended, None while it did not or when it promoted it."""
    found = read_kept(store, _key(model, version), Refusal)
    return found.reason if found else None


def _key(model: str, version: int) -> str:
    return f"models/{model}/refused/{version:010d}.json"


def _after(entry: Deployment, before: Deployment | None, version: int) -> Standing | None:
    """What one entry changes for a version, None for nothing."""
    served = before is not None and before.champion == version and before.action != "fallback"
    in_place = before is not None and before.challenger == version
    serves = entry.champion == version and entry.action != "fallback"
    if serves and not served:
        return Standing(approval="Approved", reason=entry.why)
    if served and not serves and entry.action != "promote":
        return Standing(approval="Rejected", reason=entry.why)
    if entry.challenger == version:
        return Standing(approval="PendingManualApproval", reason=entry.why)
    if in_place and entry.challenger != version and not serves:
        ended = entry.why if entry.challenger is None else "its place in the traffic ended undecided"
        return Standing(approval="Rejected", reason=ended)
    return None
