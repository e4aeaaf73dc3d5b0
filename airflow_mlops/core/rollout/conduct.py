"""Conduct a rollout: each step is one entry in the deployment log and one reconcile of the endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import (
    DeploymentConflict,
    DeploymentFailed,
    DeploymentRolledBack,
    RegistryError,
)
from airflow_mlops.core.evaluation import gating
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.approval.required import require_approval
from airflow_mlops.core.registry.deployments import Deployment, DeploymentLog, Desired
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.rollout.following import Following
from airflow_mlops.core.rollout.gallery import with_picture
from airflow_mlops.core.rollout.healing import require_way_out
from airflow_mlops.core.rollout.holding import JUDGE, awaits_person, under_hold
from airflow_mlops.core.rollout.instruments import require_instruments
from airflow_mlops.core.rollout.judge import check_gates
from airflow_mlops.core.rollout.noting import Notes
from airflow_mlops.core.rollout.placement import out_of_place, placement
from airflow_mlops.core.rollout.proof import require_proof
from airflow_mlops.core.rollout.replay import replay
from airflow_mlops.core.rollout.stage_verdicts import keep_verdict
from airflow_mlops.core.rollout.verdict import Stage, Verdict
from airflow_mlops.core.store.probe import probe

if TYPE_CHECKING:
    from airflow_mlops.core.serving.base import Endpoint
    from airflow_mlops.core.store import Store
    from airflow_mlops.core.training.artifact import TrainedModel
    from airflow_mlops.spec import ModelSpec

#: A challenger's place outlives its stage by this much, so that the judge's last word still finds it there.
LEASE_SLACK = timedelta(minutes=30)
#: Who the deployment log names when the endpoint went back by itself.
ENDPOINT = "endpoint"


@dataclass(frozen=True)
class Conductor:
    """Carries out what one run decides about the traffic of one model.

    :param run: key of the Airflow run (or any stable name of the caller); makes every step idempotent.
    :param who: the person or system that the deployment log names.
    :param patience: how long a step waits for a change of the endpoint that is under way, before it raises
        ``DeploymentPending``; every step may be called again then. None waits until it is done.
    """

    store: Store
    endpoint: Endpoint
    spec: ModelSpec
    run: str
    who: str
    patience: timedelta | None = None
    log: DeploymentLog = field(init=False, repr=False, compare=False)
    following: Following = field(init=False, repr=False, compare=False)
    notes: Notes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log", DeploymentLog(self.store, self.spec.name))
        object.__setattr__(self, "following", Following(self.store, self.endpoint, self.spec))
        object.__setattr__(self, "notes", Notes(self.store, self.spec.name))

    def begin(self) -> Desired:
        """Check all that a release will rely on, before it costs anything; return what serves now.

        :raises SpecError: if a gate can't be measured on held-out rows, judged on live traffic, or read from the
            instruments of the endpoint.
        :raises UnsafeStore: if the store lets two writers win.
        :raises DeploymentConflict: while the fallback rule stands in for a champion.
        :raises EndpointError: if the endpoint can't be reached.
        """
        objective = self.spec.training.objective
        gating.check_evaluation(self.spec.evaluation, self.spec.features.columns, objective)
        check_gates(self.spec.rollout, objective)
        require_instruments(self.spec.rollout, self.endpoint)
        probe(self.store)
        self._require_no_fallback()
        return self.endpoint.describe()

    def rival(self, artifact: str) -> tuple[int, TrainedModel] | None:
        """The champion that a newly trained model is held against, None before the first one.

        While the fallback rule answers, that is the champion that it stands in for. A run that is cleared after it
        has promoted this very model finds it as the champion: the one before is its rival again.

        :param artifact: hash of the newly trained model.
        """
        entry = self._newest()
        if entry is None or entry.champion is None:
            return None
        registry = Registry(self.store, self.spec.name)
        number: int | None = entry.champion
        trained = registry.get(entry.champion).trained
        if trained.artifact == artifact and self.has_promoted(entry.champion):
            number = self._champion_before(entry.champion)
            return (number, registry.get(number).trained) if number else None
        return entry.champion, trained

    def challenge(self, version: int, weight: float) -> Desired | None:
        """Bring ``version`` into shadow (weight 0) or canary.

        :returns: what serves then; None when there is nothing to prove: no champion to compare with, or this run
            has made ``version`` the champion already.
        :raises NotApproved: if the spec of the version wants people to approve it, and they have not.
        :raises DeploymentConflict: if another release holds the place, if this one's challenger was taken out, or
            while the fallback rule stands in for a champion.
        :raises DeploymentFailed: if the endpoint does not follow; the challenger is taken out again.
        """
        if self._champion_to_beat(version) is None:
            return None
        require_approval(self.store, self.spec.name, version, self.run)
        lease = self._lease(weight)
        share = f"{weight:.0%} of the traffic" if weight else "a copy of the traffic"
        self.log.challenge(
            version,
            weight=weight,
            lease=lease,
            who=self.who,
            why=f"version {version} gets {share}",
            run=self.run,
        )
        try:
            return self.reconcile()
        except DeploymentFailed as error:
            self.log.withdraw(who=self.who, why=f"endpoint did not follow: {error}", run=self.run)
            raise

    def replay(
        self, version: int, now: datetime | None = None, progress: Progress = ignore
    ) -> Verdict | None:
        """The judge's word on ``version`` by requests that the champion has answered before; no traffic is touched.

        :returns: None when there is nothing to prove, as :meth:`challenge` does.
        :raises DeploymentConflict: if ``version`` is the champion, or while the fallback rule stands in for one.
        :raises SpecError: if the spec has no replay.
        """
        champion = self._champion_to_beat(version)
        if champion is None:
            return None
        self._require_no_fallback()
        if champion == version:
            raise DeploymentConflict(
                f"version {version} of {self.spec.name} is the champion already",
                expected="another version as challenger",
            )
        verdict = replay(
            self.store,
            self.endpoint,
            self.spec,
            champion=champion,
            challenger=version,
            run=self.run,
            now=now,
            progress=progress,
        )
        verdict = verdict.model_copy(update={"version": version, "run": self.run})
        keep_verdict(self.store, self.spec.name, verdict, now or utc_now())
        return verdict

    def assess(self, stage: Stage, version: int, now: datetime | None = None) -> Verdict:
        """The judge's word on this run's challenger, from the traffic since it got its place.

        A challenger that somebody else took out, that is in another stage, or whose hold ran out gets ROLLBACK with
        the reason. While it is held, everything but ROLLBACK is CONTINUE.
        """
        now = now or utc_now()
        place = placement(self.log.backwards(), now)
        why_not = out_of_place(place, stage, version, self.run, now)
        if place is None or place.entry.champion is None or why_not:
            verdict = Verdict(
                stage=stage,
                decision="ROLLBACK",
                reason=why_not or "nothing is deployed",
                gates=(),
                counts={},
                alpha=self.spec.rollout.alpha,
            )
        else:
            seen = self.following.look(stage, place, place.entry.champion, version, now)
            verdict = under_hold(seen, place)
            verdict = with_picture(self.store, self.spec.name, version, verdict, self.following.trace)
        number = place.number if place else None
        verdict = verdict.model_copy(update={"version": version, "run": self.run, "deployment": number})
        if not why_not:
            keep_verdict(self.store, self.spec.name, verdict, now)
            self.notes.note(verdict, self.following.trace, now)
        return verdict

    def await_person(self, verdict: Verdict) -> Verdict:
        """Hold this run's challenger where the spec wants a person to decide about an undecided stage.

        :param verdict: what :meth:`assess` said.
        :returns: what it says after that; ``verdict`` itself where nobody is waited for.
        """
        if verdict.version is None or not awaits_person(self.spec.rollout, verdict):
            return verdict
        try:
            self.log.hold(
                lease=self.spec.rollout.max_hold,
                who=JUDGE,
                why=verdict.reason,
                run=self.run,
                challenger=verdict.version,
            )
            self.reconcile()
        except DeploymentConflict:
            pass  # somebody took it out, or its place ended, meanwhile: now the judge says so
        return self.assess(verdict.stage, verdict.version)

    def promote(self, version: int, verdicts: Sequence[Verdict]) -> Desired:
        """Make ``version`` the champion, if it is the first one or every stage of the spec said PROMOTE.

        While the fallback rule answers because no version was healthy, there is no champion to beat: ``version`` has
        to answer captured requests instead.

        :raises NotApproved: if the spec of the version wants people to approve it, and they have not.
        :raises GateFailed: if a stage's verdict is missing, is another one, or is about another version, run or
            share of the traffic: no evidence, no promotion; or if it fails on captured requests where they decide.
        :raises DeploymentConflict: if the challenger was taken out meanwhile.
        :raises DeploymentRolledBack: if the endpoint went back by itself; the champion before is the champion again.
        """
        newest = self._newest()
        champion = newest.champion if newest else None
        if champion == version and self.has_promoted(version):
            return self._prove_promotion(version)
        require_approval(self.store, self.spec.name, version, self.run)
        if champion is not None:
            require_proof(self.spec, self.log.log.entries(), version, self.run, verdicts)
        why = "first version of this model" if champion is None else "; ".join(v.reason for v in verdicts)
        if champion is None and self.log.stood_in_for() is not None:
            why = require_way_out(self, version)
        self.log.promote(version, who=self.who, why=why, run=self.run)
        return self._prove_promotion(version)

    def has_promoted(self, version: int) -> bool:
        """Whether this run has made ``version`` the champion, though it may not be the champion any more.

        A promotion that the endpoint did not take is none.
        """
        promoted = False
        for _, entry in self.log.log.entries():
            if self._is_promotion(entry, version):
                promoted = True
            elif entry.action == "rollback" and entry.run == self.run:
                promoted = False
        return promoted

    def conclude(self, why: str) -> Desired:
        """End this run's place in the traffic, whatever happened, and prove what serves.

        Called at the end of every release: after a promotion it changes nothing.
        """
        self.log.withdraw(who=self.who, why=why, run=self.run)
        return self.reconcile()

    def hold(self, why: str) -> Desired:
        """Keep the rollout where it is until somebody resumes or aborts it, at most for the spec's ``max_hold``.

        Whoever's rollout it is; a failed gate still ends it. Holding what is held changes nothing.

        :raises DeploymentConflict: if no rollout is in progress.
        """
        self.log.hold(lease=self.spec.rollout.max_hold, who=self.who, why=why, run=self.run)
        return self.reconcile()

    def resume(self, why: str) -> Desired:
        """Let a held rollout go on: its stage gets its longest duration anew and keeps its evidence.

        :raises DeploymentConflict: if no rollout is in progress, or the hold is over.
        """
        entry = self._newest()
        # Without a challenger the log refuses anyway.
        lease = self._lease(entry.weight) if entry and entry.challenger is not None else timedelta(0)
        self.log.resume(lease=lease, who=self.who, why=why, run=self.run)
        return self.reconcile()

    def abort(self, why: str) -> Desired:
        """End the rollout, whoever's it is: the champion alone; its release is refused.

        :raises DeploymentConflict: if no rollout is in progress.
        """
        self.log.abort(who=self.who, why=f"aborted: {why}", run=self.run)
        return self.reconcile()

    def rollback(self, *, to: int | None, fallback: bool, why: str) -> Desired:
        """Back to version ``to``, to the champion before, or to the fallback rule; ends any rollout.

        A way back needs nobody's approval; but a version that never was the champion is no way back.

        :raises RegistryError: if there is nothing to go back to.
        :raises NotApproved: if ``to`` never was the champion, and people have not approved it though its spec wants it.
        """
        if fallback:
            if self.spec.serving.fallback is None:
                raise RegistryError(
                    f"{self.spec.name} has no fallback rule", remedy="add serving.fallback to the spec"
                )
            self.log.fallback(who=self.who, why=why, run=self.run)
        else:
            if to is not None and not self.log.was_champion(to):
                require_approval(self.store, self.spec.name, to, self.run)
            self.log.rollback(to=to, who=self.who, why=why, run=self.run)
        return self.reconcile()

    def reconcile(self) -> Desired:
        """Bring the endpoint to the newest entry of the log and prove it. Nothing deployed yet: nothing to do.

        :raises DeploymentFailed: if the endpoint does not follow.
        :raises DeploymentPending: if it needs longer for that than the patience of this conductor.
        """
        while True:
            desired = self.log.desired()
            if not desired.number:
                return desired
            try:
                self.endpoint.reconcile(
                    desired, self.endpoint.slowest if self.patience is None else self.patience
                )
                return desired
            except DeploymentFailed:
                # Somebody decided anew, or a lease ended, while we waited: what counts is what is asked for now.
                if self.log.desired() == desired:
                    raise

    def _prove_promotion(self, version: int) -> Desired:
        """Prove that ``version`` serves; where the endpoint itself went back, the log follows it.

        :raises DeploymentRolledBack: with the endpoint's reason.
        """
        try:
            return self.reconcile()
        except DeploymentRolledBack as error:
            self.log.undo_promotion(version, who=ENDPOINT, why=str(error), run=self.run)
            raise

    def _lease(self, weight: float) -> timedelta:
        """How long a challenger may stay at ``weight``."""
        stage: Stage = "canary" if weight else "shadow"
        section = self.spec.rollout.canary if weight else self.spec.rollout.shadow
        if section is None:
            raise DeploymentConflict(
                f"the spec of {self.spec.name} has no {stage} stage",
                remedy=f"add rollout.{stage} to the spec",
            )
        return section.max_duration + LEASE_SLACK

    def _newest(self) -> Deployment | None:
        newest = self.log.log.newest()
        return newest[1] if newest else None

    def _is_promotion(self, entry: Deployment, version: int) -> bool:
        return (entry.action, entry.champion, entry.run) == ("promote", version, self.run)

    def _champion_to_beat(self, version: int) -> int | None:
        """The champion that ``version`` is compared with; None without one, or if this run has promoted it."""
        newest = self._newest()
        if newest is None or newest.champion is None:
            return None
        promoted = newest.action != "fallback" and newest.champion == version and self.has_promoted(version)
        return None if promoted else newest.champion

    def _champion_before(self, version: int) -> int | None:
        """The champion at the time when this run promoted ``version``."""
        before: int | None = None
        found: int | None = None
        for _, entry in self.log.log.entries():
            if self._is_promotion(entry, version):
                found = before
            before = entry.champion
        return found

    def _require_no_fallback(self) -> None:
        entry = self._newest()
        if entry is not None and entry.action == "fallback" and entry.champion is not None:
            raise DeploymentConflict(
                f"{self.spec.name} is on its fallback rule: a new version would be compared with nothing",
                given=f"fallback by {entry.who}: {entry.why}",
                remedy=f"roll back to a champion first, for example to version {entry.champion}",
            )
