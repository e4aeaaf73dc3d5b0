"""Healing: when the champion can't answer, an older champion does, or the fallback rule.

Each switch is one entry of the deployment log. It only ever leads away from a champion that is unhealthy now, to an
older one or to the rule, so traffic can't go to and fro: the way back is a person's, or a new release's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import DeploymentFailed, GateFailed, MlopsError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import Record, utc_now
from airflow_mlops.core.registry.deployment import Deployment, Desired, Mode
from airflow_mlops.core.serving.health import ChampionHealth, champion_health
from airflow_mlops.core.serving.trial import (
    OF_A_VERSION,
    Rows,
    Trial,
    captured_requests,
    is_broken,
    try_version,
)
from airflow_mlops.core.wording import moment

if TYPE_CHECKING:
    from airflow_mlops.core.rollout.conduct import Conductor

#: Who the deployment log names when a champion was replaced because it was unhealthy.
HEALTH = "health"


class Healing(Record):
    """What was found, what was done about it, and what serves now.

    :param champion: version that answers now, None while the rule does.
    :param entry: number of the newest entry of the deployment log, 0 when nothing was ever deployed.
    :param healthy: whether a model answers now that is healthy; None where too few requests say anything.
    :param switched: whether this run has replaced the champion.
    :param sick: the champion that was found unhealthy; None for none.
    :param requests, failed: of the champion that serves, or could not be replaced, in the window that was looked at.
    :param tried: the older champions that were tried instead, in their order.
    :param reason: all of it in a line.
    """

    model: str
    run: str
    champion: int | None
    mode: Mode
    entry: int
    healthy: bool | None
    switched: bool = False
    sick: int | None = None
    requests: int = 0
    failed: int = 0
    tried: tuple[Trial, ...] = ()
    reason: str
    at: datetime


def heal(conductor: Conductor, *, progress: Progress = ignore) -> Healing:
    """Bring the endpoint to the deployment log, prove it, and replace a champion that can't answer.

    A champion is unhealthy when the endpoint can't load it, or when too many of its newest requests failed
    (``serving.health``). With ``then: previous`` older champions are tried on captured requests, the newest first, and
    the first healthy one answers; with none, or ``then: rule``, the fallback rule does. May be called again after any
    death: what was decided stands in the log.

    :raises DeploymentFailed: if the endpoint does not follow for another reason than its champion.
    :raises DeploymentPending: if it needs longer for that than the patience of the conductor.
    :raises EndpointError: if it can't be reached.
    """
    return _Healer(conductor, progress).heal()


def require_way_out(conductor: Conductor, version: int) -> str:
    """Why ``version`` may take over from the fallback rule while no version is champion.

    Nothing answers that it could be compared with, so it is tried on captured requests as an older champion is.

    :raises GateFailed: if it fails on too many of them.
    """
    trial = _try(conductor, version, captured_requests(conductor.endpoint, utc_now()))
    if not trial.healthy:
        raise GateFailed(
            f"version {version} of {conductor.spec.name} can't take over from the fallback rule",
            given=trial.reason,
            expected=f"less than {conductor.spec.serving.health.max_error_rate:.0%} failed",
        )
    return f"out of the fallback rule: {trial.reason}"


@dataclass
class _Healer:
    conductor: Conductor
    progress: Progress
    tried: list[Trial] = field(default_factory=list)

    def heal(self) -> Healing:
        while True:
            served, look, why = self._look()
            if why is None or served.champion is None:
                return self._as_it_is(served, look)
            self.progress(f"{self.conductor.spec.name}: {why}")
            if not self._replace(served.champion, why):
                nobody = f"{why}; no older champion is healthy, and the spec has no serving.fallback"
                return self._said(served, nobody, healthy=False, look=look, sick=served.champion)

    def _look(self) -> tuple[Desired, ChampionHealth | None, str | None]:
        """What should serve, the health of the champion, and why it has to be replaced; None where it has not."""
        try:
            served = self.conductor.reconcile()
        except MlopsError as error:
            served = self.conductor.log.desired()
            if not _is_to_blame(self.conductor, served, error):
                raise
            return served, None, str(error)
        if served.mode == "fallback" or served.champion is None:
            return served, None, None
        health, now = self.conductor.spec.serving.health, utc_now()
        since = max(now - health.window, _placed(self.conductor, served.champion, now))
        look = champion_health(
            self.conductor.endpoint, health, champion=served.champion, since=since, until=now
        )
        return served, look, look.reason if look.healthy is False else None

    def _replace(self, sick: int, why: str) -> bool:
        """Write down who answers instead, unless somebody has decided so meanwhile; False where nobody can."""
        log, spec = self.conductor.log, self.conductor.spec
        by = self._healthy_one() if spec.serving.health.then == "previous" else None
        if by is None and spec.serving.fallback is None:
            return False
        told = "; ".join([why, *(trial.reason for trial in self.tried)])
        log.replace(sick, by=by, who=HEALTH, why=told, run=self.conductor.run)
        return True

    def _healthy_one(self) -> int | None:
        """The newest older champion that answers captured requests."""
        requests = captured_requests(self.conductor.endpoint, utc_now())
        for version in self.conductor.log.earlier():
            trial = _try(self.conductor, version, requests)
            self.progress(trial.reason)
            self.tried.append(trial)
            if trial.healthy:
                return version
        return None

    def _as_it_is(self, served: Desired, look: ChampionHealth | None) -> Healing:
        """Nothing is left to be done."""
        if not served.number:
            return self._said(served, "nothing is deployed", healthy=None)
        entry = self.conductor.log.log.read(served.number)
        own = entry.run == self.conductor.run and entry.who == HEALTH
        sick = _champion_before(self.conductor) if own else None
        if look is None:
            return self._said(served, self._by_rule(entry), healthy=False, switched=own, sick=sick)
        if not own:
            return self._said(served, look.reason, healthy=look.healthy, look=look)
        told = f"version {served.champion} answers instead of version {sick}: {entry.why}"
        # It was tried before it got the traffic; too few requests since then take nothing from that.
        return self._said(
            served, told, healthy=look.healthy is not False, look=look, switched=True, sick=sick
        )

    def _by_rule(self, entry: Deployment) -> str:
        """That the rule answers, why, and what leads out of it."""
        model, back = self.conductor.spec.name, self.conductor.log.stood_in_for()
        told = f"the fallback rule answers since {moment(entry.at)}, by {entry.who}: {entry.why}"
        way = f"nothing goes back by itself: mend the model and run {model}.release"
        if entry.champion is not None or back is None:
            return f"{told}; a person goes back by {model}.rollback"
        trial = _try(self.conductor, back, captured_requests(self.conductor.endpoint, utc_now()))
        if trial.healthy and trial.asked:
            way += f", or, as {trial.reason} again, go back by {model}.rollback with to={back}"
        return f"{told}; {way}"

    def _said(
        self,
        served: Desired,
        reason: str,
        *,
        healthy: bool | None,
        look: ChampionHealth | None = None,
        switched: bool = False,
        sick: int | None = None,
    ) -> Healing:
        return Healing(
            model=self.conductor.spec.name,
            run=self.conductor.run,
            champion=served.champion,
            mode=served.mode,
            entry=served.number,
            healthy=healthy,
            switched=switched,
            sick=sick,
            requests=look.requests if look else 0,
            failed=look.failed if look else 0,
            tried=tuple(self.tried),
            reason=reason,
            at=utc_now(),
        )


def _is_to_blame(conductor: Conductor, served: Desired, error: MlopsError) -> bool:
    """Whether the endpoint does not follow because the champion can't be loaded, and for no other reason."""
    if served.mode == "fallback" or served.champion is None:
        return False
    if isinstance(error, DeploymentFailed):
        return served.champion in error.versions
    return isinstance(error, OF_A_VERSION) and is_broken(
        conductor.store, conductor.spec.name, served.champion
    )


def _placed(conductor: Conductor, champion: int, now: datetime) -> datetime:
    """Since when the champion answers; what it failed on in an earlier time does not count again."""
    placed = now
    for _, entry in conductor.log.backwards():
        if entry.action == "fallback" or entry.champion != champion:
            break
        placed = entry.at
    return placed


def _champion_before(conductor: Conductor) -> int | None:
    """The champion that this run has replaced first."""
    for _, entry in conductor.log.backwards():
        if entry.run != conductor.run or entry.who != HEALTH:
            return entry.champion
    return None


def _try(conductor: Conductor, version: int, requests: Sequence[Rows]) -> Trial:
    limit = conductor.spec.serving.health.max_error_rate
    return try_version(conductor.store, conductor.spec.name, version, requests, max_error_rate=limit)
