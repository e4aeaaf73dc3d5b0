"""The deployment log: what should serve, who said so, and why. Rollback is one entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from airflow_mlops.core.errors import DeploymentConflict, LogConflict, RegistryError, SpecError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.conflicts import (
    require_free,
    require_in_place,
    require_live,
    require_not_held,
    require_rival,
    require_rollout,
)
from airflow_mlops.core.registry.deployment import (
    NOTHING,
    Action,
    Deployment,
    Desired,
    Mode,
    effective,
    is_live,
)
from airflow_mlops.core.registry.version import version_log
from airflow_mlops.core.store import Log, Store

__all__ = ["NOTHING", "Action", "Deployment", "DeploymentLog", "Desired", "Mode", "effective"]

#: Older entries that a log remembers: a place in the traffic rarely goes back further.
_KEPT = 8


class DeploymentLog:
    """The decisions about one model, and the only way to make one.

    ``run`` names one decision maker, e.g. an Airflow run. Every method is idempotent for it: a retry finds
    the entry that its first try wrote, even when others have written since, and does not decide a second
    time. So two rollbacks are two runs.
    """

    def __init__(self, store: Store, model: str) -> None:
        self.model = model
        self.log: Log[Deployment] = Log(store, f"models/{model}/deployments", Deployment)
        self._older: dict[int, Deployment] = {}
        self._versions = version_log(store, model)

    def desired(self, now: datetime | None = None) -> Desired:
        """What should serve now."""
        newest = self.log.newest()
        return effective(*newest, now or utc_now()) if newest else NOTHING

    def desired_before(self, moment: datetime) -> Desired:
        """What should have served right before ``moment``, by the newest entry that is older."""
        for number, entry in self.backwards():
            if entry.at < moment:
                return effective(number, entry, moment)
        return NOTHING

    def champion(self) -> int | None:
        """The version that answers now, None when there is none."""
        return self.desired().champion

    def backwards(self) -> Iterator[tuple[int, Deployment]]:
        """The entries with their numbers, newest first, each read when it is asked for.

        Entries never change: those behind the newest are read once and kept, a few of them.
        """
        newest = self.log.newest()
        if newest is None:
            return
        yield newest
        for number in range(newest[0] - 1, 0, -1):
            entry = self._older.get(number)
            if entry is None:
                entry = self._older[number] = self.log.read(number)
                if len(self._older) > _KEPT:
                    del self._older[next(iter(self._older))]
            yield number, entry

    def challenge(
        self, challenger: int, *, weight: float, lease: timedelta, who: str, why: str, run: str
    ) -> int:
        """Put ``challenger`` in shadow (weight 0) or in canary at ``weight``; return the entry's number.

        A retry keeps the lease of its first try, as long as that is not over.

        :raises DeploymentConflict: if another run's challenger holds the place and its lease is not over, if
            somebody took this run's challenger out, if ``challenger`` is the champion, if the fallback rule
            answers, or if a hold of this run's challenger ran out.
        :raises RolloutHeld: while this run's challenger is held in another stage, or at another weight.
        :raises RegistryError: if there is no such version, or no champion to compare it with.
        :raises SpecError: if ``weight`` is no share below 1.
        """
        if not 0 <= weight < 1:
            raise SpecError(
                "weight of a challenger", given=weight, expected="0 for shadow, or a share below 1"
            )
        self._require_version(challenger)
        action: Action = "canary" if weight > 0 else "shadow"

        def decide(current: Deployment | None) -> Deployment | None:
            now = utc_now()
            if current is None or current.champion is None:
                raise RegistryError(f"{self.model} has no champion to compare version {challenger} with")
            self._require_not_dismissed(current, run)
            require_free(self.model, current, run, now)
            require_rival(self.model, current, challenger)
            asked = (current.run, current.action, current.challenger, current.weight)
            if asked == (run, action, challenger, weight) and is_live(current, now):
                return None
            require_not_held(self.model, current, run, now)
            return Deployment(
                action=action,
                champion=current.champion,
                challenger=challenger,
                weight=weight,
                lease_until=now + lease,
                who=who,
                why=why,
                run=run,
                at=now,
            )

        return self._append(decide)[0]

    def promote(self, version: int, *, who: str, why: str, run: str) -> int:
        """Make ``version`` the champion: the first one, or the challenger that this run has in place.

        Whether there is evidence for it is not asked here: see :mod:`airflow_mlops.core.rollout`.

        :raises DeploymentConflict: if ``version`` is not the challenger that this run has in place, or its
            lease is over.
        :raises RolloutHeld: while it is held.
        :raises RegistryError: if there is no such version.
        """
        self._require_version(version)

        def decide(current: Deployment | None) -> Deployment | None:
            now = utc_now()
            if current is not None and current.champion is not None:
                if current.champion == version and self._promoted(version, run):
                    return None
                require_in_place(self.model, current, version, run, now)
                require_not_held(self.model, current, run, now)
            return Deployment(action="promote", champion=version, who=who, why=why, run=run, at=now)

        return self._append(decide)[0]

    def undo_promotion(self, version: int, *, who: str, why: str, run: str) -> None:
        """Go back to the champion before, if this run's promotion of ``version`` is the newest entry.

        A first version has none before it: its promotion stays, for the next try.
        """

        def decide(current: Deployment | None) -> Deployment | None:
            if current is None or (current.action, current.champion, current.run) != (
                "promote",
                version,
                run,
            ):
                return None
            entries = [entry for _, entry in self.log.entries()]
            if len(entries) > 1 and entries[-2].action == "fallback":
                before = entries[-2].champion
                return Deployment(action="fallback", champion=before, who=who, why=why, run=run, at=utc_now())
            champions = _standing(entries)
            if len(champions) < 2:
                return None
            return Deployment(
                action="rollback", champion=champions[-2], who=who, why=why, run=run, at=utc_now()
            )

        self._append(decide)

    def withdraw(self, *, who: str, why: str, run: str) -> int | None:
        """End this run's shadow or canary: the champion alone. None when this run holds no place."""

        def decide(current: Deployment | None) -> Deployment | None:
            if current is None or current.challenger is None or current.run != run:
                return None
            return Deployment(
                action="rollback", champion=current.champion, who=who, why=why, run=run, at=utc_now()
            )

        number, written = self._append(decide)
        return number if written else None

    def hold(self, *, lease: timedelta, who: str, why: str, run: str, challenger: int | None = None) -> int:
        """Keep the challenger where it is until somebody resumes or aborts, or ``lease`` is over.

        While it is held, nothing changes: the first hold stays.

        :param run: of who decides: the challenger's own, or another one.
        :param challenger: the only version to hold; None for any.
        :raises DeploymentConflict: if there is no challenger, or its place is over.
        """
        return self._mark(True, lease, who, why, run, challenger)

    def resume(self, *, lease: timedelta, who: str, why: str, run: str, challenger: int | None = None) -> int:
        """Let a held rollout go on for as long as ``lease``; what is not held goes on as it did.

        :raises DeploymentConflict: if there is no challenger, or its place is over.
        """
        return self._mark(False, lease, who, why, run, challenger)

    def _mark(
        self, held: bool, lease: timedelta, who: str, why: str, run: str, challenger: int | None
    ) -> int:
        def decide(current: Deployment | None) -> Deployment | None:
            if any(entry.control == run for _, entry in self.log.entries()):
                return None
            now = utc_now()
            place = require_rollout(self.model, current, challenger)
            require_live(self.model, place, now)
            if place.held == held:
                return None
            control = None if run == place.run else run
            changes = {"held": held, "lease_until": now + lease, "who": who, "why": why, "at": now}
            return place.model_copy(update={**changes, "control": control})

        return self._append(decide)[0]

    def abort(self, *, who: str, why: str, run: str) -> int:
        """Take the challenger out, whoever brought it in: the champion alone.

        :raises DeploymentConflict: if there is no challenger.
        """

        def decide(current: Deployment | None) -> Deployment | None:
            if self._decided("rollback", run):
                return None
            champion = require_rollout(self.model, current).champion
            return Deployment(action="rollback", champion=champion, who=who, why=why, run=run, at=utc_now())

        return self._append(decide)[0]

    def rollback(self, *, to: int | None, who: str, why: str, run: str) -> int:
        """Go back to version ``to``, or to the champion before the present one. Ends any shadow or canary.

        Out of the fallback rule, the way back without ``to`` leads to the champion that it stood in for.

        :raises RegistryError: if there is no such version, or no earlier champion.
        """

        def decide(_: Deployment | None) -> Deployment | None:
            if self._decided("rollback", run):
                return None
            target = self.previous() if to is None else self._require_version(to)
            return Deployment(action="rollback", champion=target, who=who, why=why, run=run, at=utc_now())

        return self._append(decide)[0]

    def fallback(self, *, who: str, why: str, run: str) -> int:
        """Let the spec's fallback rule answer; the champion is kept in mind for the way back."""

        def decide(current: Deployment | None) -> Deployment | None:
            if self._decided("fallback", run):
                return None
            champion = current.champion if current else None
            return Deployment(action="fallback", champion=champion, who=who, why=why, run=run, at=utc_now())

        return self._append(decide)[0]

    def replace(self, sick: int, *, by: int | None, who: str, why: str, run: str) -> bool:
        """Let ``by`` answer instead of the champion ``sick``, or the fallback rule without one; ends any rollout.

        A fallback entry then names no champion: none is healthy, and the next release is judged as a first one.
        Whether it was written here: not when ``sick`` is the champion no more, so a retry decides nothing again, and
        who has decided meanwhile is right.

        :raises RegistryError: if there is no version ``by``.
        """

        def decide(current: Deployment | None) -> Deployment | None:
            if current is None or current.action == "fallback" or current.champion != sick:
                return None
            target = None if by is None else self._require_version(by)
            action: Action = "fallback" if by is None else "rollback"
            return Deployment(action=action, champion=target, who=who, why=why, run=run, at=utc_now())

        return self._append(decide)[1]

    def earlier(self) -> tuple[int, ...]:
        """The champions before the present one, the newest first; what was undone or skipped is left out."""
        return tuple(reversed(_standing(entry for _, entry in self.log.entries())[:-1]))

    def was_champion(self, version: int) -> bool:
        """Whether ``version`` has answered live requests as the champion, at any time."""
        return any(entry.champion == version for _, entry in self.log.entries())

    def stood_in_for(self) -> int | None:
        """The last version that was champion, also while the fallback rule answers; None without any."""
        champions = _standing(entry for _, entry in self.log.entries())
        return champions[-1] if champions else None

    def previous(self) -> int:
        """The champion to go back to: the one before the present one, as an undo of promotions.

        Going back twice goes back two promotions; what was skipped or undone on the way is not come back to.

        :raises RegistryError: if there was none.
        """
        entries = [entry for _, entry in self.log.entries()]
        champions = _standing(entries)
        if entries and entries[-1].action == "fallback" and champions:
            return champions[-1]
        if len(champions) > 1:
            return champions[-2]
        present = f" before version {champions[-1]}" if champions else ""
        raise RegistryError(
            f"{self.model} has no champion{present}",
            remedy="name a version, or roll back to the fallback rule",
        )

    def _promoted(self, version: int, run: str) -> bool:
        return any(
            (entry.action, entry.champion, entry.run) == ("promote", version, run)
            for _, entry in self.log.entries()
        )

    def _decided(self, action: Action, run: str) -> bool:
        """Whether this run has decided so before. That it withdrew its own challenger is not such a
        decision.
        """
        before: Deployment | None = None
        for _, entry in self.log.entries():
            withdrew = before is not None and before.run == run and before.challenger is not None
            if (entry.action, entry.run) == (action, run) and not withdrew:
                return True
            before = entry
        return False

    def _require_version(self, version: int) -> int:
        last = self._versions.last_number()
        if not 1 <= version <= last:
            raise RegistryError(
                f"{self.model} has no version {version}",
                expected=f"1 to {last}" if last else "a release first",
            )
        return version

    def _require_not_dismissed(self, current: Deployment, run: str) -> None:
        if current.run != run and any(entry.run == run for _, entry in self.log.entries()):
            raise DeploymentConflict(
                f"the challenger of {run} was taken out",
                given=f"{current.action} by {current.who}: {current.why}",
                remedy="start a new release",
            )

    def _append(self, decide: Callable[[Deployment | None], Deployment | None]) -> tuple[int, bool]:
        """Append what ``decide`` makes of the newest entry, anew whenever another writer was faster.

        :returns: the number of the newest entry, and whether it was written here.
        """
        while True:
            newest = self.log.newest()
            number, current = newest if newest else (0, None)
            entry = decide(current)
            if entry is None:
                # What it found may be newer than the entry that it was asked about.
                if self.log.last_number(number) == number:
                    return number, False
                continue
            try:
                return self.log.append(entry, after=number), True
            except LogConflict:
                continue


def _standing(entries: Iterable[Deployment]) -> list[int]:
    """The champions that led to the present one, oldest first: a promotion adds, a rollback takes away."""
    champions: list[int] = []
    for entry in entries:
        if entry.champion is None or (champions and champions[-1] == entry.champion):
            continue
        if entry.action == "rollback" and entry.champion in champions:
            while champions[-1] != entry.champion:
                champions.pop()
        else:
            champions.append(entry.champion)
    return champions
