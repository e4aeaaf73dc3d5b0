"""The deployment log: what should serve, who said so, and why. Rollback is one entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from airflow_mlops.core.errors import DeploymentConflict, LogConflict, RegistryError, SpecError
from airflow_mlops.core.record import Record, utc_now
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Log, Store

Action = Literal["shadow", "canary", "promote", "rollback", "fallback"]
Mode = Literal["champion", "shadow", "canary", "fallback"]


class Deployment(Record):
    """One decision about the traffic of a model.

    :param champion: version that answers, None when only the fallback rule may.
    :param challenger: version in shadow or canary.
    :param weight: the challenger's share of live requests, 0 in shadow.
    :param lease_until: when the challenger's place ends by itself.
    :param run: key of the Airflow run that holds the challenger's place.
    """

    action: Action
    champion: int | None
    challenger: int | None = None
    weight: float = 0.0
    lease_until: datetime | None = None
    who: str
    why: str
    run: str | None = None
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
    if not _is_live(entry, now) or entry.action not in ("shadow", "canary"):
        return Desired(number=number, mode="champion", champion=entry.champion)
    return Desired(
        number=number,
        mode="shadow" if entry.action == "shadow" else "canary",
        champion=entry.champion,
        challenger=entry.challenger,
        weight=entry.weight,
    )


class DeploymentLog:
    """The decisions about one model, and the only way to make one.

    ``run`` names one decision maker, e.g. an Airflow run. Every method is idempotent for it: a retry finds
    the entry that its first try wrote, even when others have written since, and does not decide a second
    time. So two rollbacks are two runs.
    """

    def __init__(self, store: Store, model: str) -> None:
        self.model = model
        self.log: Log[Deployment] = Log(store, f"models/{model}/deployments", Deployment)
        self._versions: Log[ModelVersion] = Log(store, f"models/{model}/versions", ModelVersion)

    def desired(self, now: datetime | None = None) -> Desired:
        """What should serve now."""
        newest = self.log.newest()
        return effective(*newest, now or utc_now()) if newest else NOTHING

    def champion(self) -> int | None:
        """The version that answers now, None when there is none."""
        return self.desired().champion

    def challenge(
        self, challenger: int, *, weight: float, lease: timedelta, who: str, why: str, run: str
    ) -> int:
        """Put ``challenger`` in shadow (weight 0) or in canary at ``weight``; return the entry's number.

        A retry keeps the lease of its first try, as long as that is not over.

        :raises DeploymentConflict: if another run's challenger holds the place and its lease is not over, if
            somebody took this run's challenger out, if ``challenger`` is the champion, or if the fallback
            rule answers.
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
            self._require_free(current, run, now)
            self._require_rival(current, challenger)
            asked = (current.run, current.action, current.challenger, current.weight)
            if asked == (run, action, challenger, weight) and _is_live(current, now):
                return None
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
        :raises RegistryError: if there is no such version.
        """
        self._require_version(version)

        def decide(current: Deployment | None) -> Deployment | None:
            now = utc_now()
            if current is not None and current.champion is not None:
                if current.champion == version and self._promoted(version, run):
                    return None
                self._require_in_place(current, version, run, now)
            return Deployment(action="promote", champion=version, who=who, why=why, run=run, at=now)

        return self._append(decide)[0]

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

    def _require_free(self, current: Deployment, run: str, now: datetime) -> None:
        if current.run != run and _is_live(current, now):
            raise DeploymentConflict(
                f"version {current.challenger} of {self.model} is in {current.action} by {current.run}",
                given=f"another challenger by {run}",
                remedy="wait for that release, or roll it back",
            )

    def _require_not_dismissed(self, current: Deployment, run: str) -> None:
        if current.run != run and any(entry.run == run for _, entry in self.log.entries()):
            raise DeploymentConflict(
                f"the challenger of {run} was taken out",
                given=f"{current.action} by {current.who}: {current.why}",
                remedy="start a new release",
            )

    def _require_rival(self, current: Deployment, challenger: int) -> None:
        if current.action == "fallback":
            raise DeploymentConflict(
                f"{self.model} is on its fallback rule: nothing to compare version {challenger} with",
                given=f"fallback by {current.who}: {current.why}",
                remedy="roll back to a version first",
            )
        if current.champion == challenger:
            raise DeploymentConflict(
                f"version {challenger} of {self.model} is the champion already",
                given=f"{current.action} by {current.who}: {current.why}",
                expected="another version as challenger",
            )

    def _require_in_place(self, current: Deployment, version: int, run: str, now: datetime) -> None:
        if (current.run, current.challenger) == (run, version):
            if _is_live(current, now):
                return
            problem = (
                f"the place of version {version} of {self.model} ended at {current.lease_until:%F %T %Z}"
            )
        elif current.action == "fallback":
            problem = f"{self.model} is on its fallback rule: version {version} was compared with nothing"
        else:
            problem = f"version {version} of {self.model} is not the challenger of {run}"
        raise DeploymentConflict(
            problem,
            given=f"newest entry {current.action} by {current.who}: {current.why}",
            remedy="start a new release, or roll back to the version by its number",
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
                return number, False
            try:
                return self.log.append(entry, after=number), True
            except LogConflict:
                continue


def _is_live(entry: Deployment, now: datetime) -> bool:
    """Whether a challenger has its place."""
    return entry.challenger is not None and (entry.lease_until is None or now < entry.lease_until)


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
