"""What the endpoint was proved to serve, and which change of it is under way: both outlive whoever asked for it."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timezone
from typing import Any

from airflow_mlops.core.errors import LogConflict
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.deployments import Desired
from airflow_mlops.core.serving.served import Served, served_log
from airflow_mlops.core.store import Log, Store


class Change(Record):
    """One change that SageMaker has accepted, or the end of one that came to nothing.

    :param number: of the deployment that it is for.
    :param served: number of the newest proof at that time: a later proof says that the change is through.
    :param target: what was asked for: the name of a configuration, or weights.
    :param modified: when SageMaker last changed the endpoint, as it said before the change.
    :param reason: what SageMaker said of an earlier failure before the change.
    :param ended: why it came to nothing; None while that is open.
    :param scaling: targets and policies of the variant that answered, for its successor.
    """

    number: int
    served: int
    target: str
    modified: datetime | None = None
    reason: str = ""
    at: datetime
    ended: str | None = None
    scaling: tuple[dict[str, Any], ...] = ()


class History:
    """Proofs and changes of one model's endpoint."""

    def __init__(self, store: Store, model: str) -> None:
        self._served = served_log(store, model)
        self._changes: Log[Change] = Log(store, f"endpoints/{model}/changes", Change)
        self._proofs: list[Served] = []
        self._starts: list[datetime] = []

    def newest(self) -> tuple[int, Desired | None]:
        """The number of the newest proof and what it says; 0 and None when nothing was ever proved."""
        proofs = self.proofs()
        return len(proofs), proofs[-1].desired if proofs else None

    def proofs(self) -> list[Served]:
        """All proofs, oldest first; those that were seen before are not read again."""
        for number, entry in self._served.entries(len(self._proofs)):
            if number == len(self._proofs) + 1:
                self._proofs.append(entry)
                begun = _second(entry.at)
                # Those who prove have clocks of their own: what was proved later holds later.
                self._starts.append(max(begun, self._starts[-1]) if self._starts else begun)
        return self._proofs

    def prove(self, desired: Desired, now: datetime) -> None:
        """Note that ``desired`` is what serves, unless the newest proof says so, or a newer one was given."""
        while True:
            number, newest = self.newest()
            if newest is not None and (newest == desired or newest.number > desired.number):
                return
            try:
                self._served.append(Served(desired=desired, at=now), after=number)
                return
            except LogConflict:
                continue

    def previous_champion(self, champion: int | None) -> int | None:
        """The last version that was champion beside ``champion``, None when there was none."""
        before = (proof.desired.champion for proof in reversed(self.proofs()))
        return next((one for one in before if one is not None and one != champion), None)

    def champion_since(self, version: int) -> datetime | None:
        """Since when ``version`` has answered as champion without a break, by the proofs; None if it does not."""
        since = None
        for proof in reversed(self.proofs()):
            if proof.desired.mode == "fallback" or proof.desired.champion != version:
                break
            since = proof.at
        return since

    def serving(self, at: datetime, variant: str | None = None) -> Desired | None:
        """What was served at a moment, by the proofs that were read by now.

        SageMaker tells times by whole seconds: a proof holds for all of its second.

        :param variant: with one, the newest deployment up to then that gave it a place, if any did.
        """
        upto = bisect_right(self._starts, at)
        before = (proof.desired for proof in reversed(self._proofs[:upto]))
        if variant is None:
            return next(before, None)
        return next((one for one in before if _has_place(one, variant)), None)

    def change(self) -> tuple[int, Change | None]:
        """The newest change with its number in its log."""
        newest = self._changes.newest()
        return newest if newest is not None else (0, None)

    def open_change(self, desired: Desired) -> Change | None:
        """The change for ``desired`` that was accepted, and neither proved nor ended."""
        change = self.change()[1]
        if change is None or change.number != desired.number or change.ended is not None:
            return None
        return change if change.served == self.newest()[0] else None

    def note(self, change: Change) -> None:
        """Write a change down; somebody else's newer one does not hinder it."""
        while True:
            try:
                self._changes.append(change, after=self.change()[0])
                return
            except LogConflict:
                continue


def _second(at: datetime) -> datetime:
    return at.astimezone(timezone.utc).replace(microsecond=0)


def _has_place(desired: Desired, variant: str) -> bool:
    if variant == "fallback":
        return desired.mode == "fallback"
    return variant in (f"v{desired.champion}", f"v{desired.challenger}")
