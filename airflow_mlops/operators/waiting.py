"""Waiting, deferred, for the judge's word: where a stage is judged, and where a held rollout stops a task."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.configuration import conf

from airflow_mlops.core.errors import DeploymentFailed, EndpointError, MlopsError, RolloutHeld
from airflow_mlops.operators.base import TRANSIENT, Work
from airflow_mlops.operators.judging import JudgingOperator, require_promote

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.rollout.verdict import Stage, Verdict

#: The trigger ends by itself when the challenger's place does; a deferral that outlives that was lost.
_SLACK = timedelta(minutes=15)


class WaitingOperator(JudgingOperator):
    """Base of the tasks that wait for a verdict on the challenger of this run; deferred, so it holds no worker.

    While somebody holds the rollout they wait on. Where the spec wants a person to decide about an undecided stage,
    such a verdict holds the rollout.

    :param poll_interval: seconds between two looks; looking often costs nothing in error probability.
        Without it, ``[mlops] poll_interval``.
    """

    retried: tuple[type[MlopsError], ...] = (*TRANSIENT, DeploymentFailed)

    def __init__(self, *, poll_interval: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.poll_interval = (
            conf.getfloat("mlops", "poll_interval", fallback=10.0) if poll_interval is None else poll_interval
        )

    @abstractmethod
    def decided(self, work: Work, verdict: Verdict, context: Context) -> Any:
        """Go on with a verdict that is not CONTINUE."""

    def heed(self, work: Work, verdict: Verdict) -> Verdict:
        """The verdict, if it is decided; hold where the spec says so, and wait while there is more to wait for."""
        verdict = work.conductor().await_person(verdict)
        if verdict.decision == "CONTINUE" and verdict.version is not None:
            self.progress(verdict.reason)
            self.wait(work, verdict.stage, verdict.version)
        return verdict

    def wait(self, work: Work, stage: Stage, version: int) -> NoReturn:
        """Hand over to the trigger, for as long as the stage and one hold may last and a little more.

        A rollout that is held again and again may outlast that: the task then is tried again, and waits on.
        """
        # A DAG file should not pay for importing Airflow's triggers.
        from airflow_mlops.triggers.rollout import RolloutTrigger

        rollout = work.spec.rollout
        section = rollout.shadow if stage == "shadow" else rollout.canary
        limit = section.max_duration if section else timedelta(0)
        self.defer(
            trigger=RolloutTrigger(
                spec=work.spec.to_dict(),
                mlops_conn_id=self.mlops_conn_id,
                run=work.run,
                stage=stage,
                version=version,
                poll_interval=self.poll_interval,
            ),
            method_name="resume",
            timeout=limit + rollout.max_hold + _SLACK,
        )

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Take up the verdict that the trigger saw.

        :raises AirflowFailException: when it is final and not PROMOTE.
        :raises AirflowException: when the trigger gave up on a fault that may be gone at the next try.
        """
        return self.guarded(lambda: self._resumed(context, event), context)

    def _resumed(self, context: Context, event: dict[str, Any]) -> Any:
        from airflow_mlops.core.rollout.verdict import Verdict

        if event["status"] != "decided":
            fault = EndpointError if event["passing"] else MlopsError
            raise fault(f"rollout can't be judged: {event['message']}")
        work = self.prepare(context)
        return self.decided(work, self.heed(work, Verdict.model_validate(event["verdict"])), context)


class HeldBackOperator(WaitingOperator):
    """Base of the tasks that move a challenger on: they wait while somebody holds it where it is.

    Meanwhile the judge goes on looking, so a failed gate still ends the rollout; after a resume it has to say PROMOTE
    about the present stage once more.
    """

    def execute(self, context: Context) -> Any:
        """Move on, or wait for a resume."""
        return self.guarded(lambda: self._unless_held(self.prepare(context), context), context)

    def heed(self, work: Work, verdict: Verdict) -> Verdict:
        """The verdict by the spec that the challenger was registered with."""
        return super().heed(work if verdict.version is None else work.registered(verdict.version), verdict)

    def decided(self, work: Work, verdict: Verdict, context: Context) -> Any:
        """Move on if the judge says so."""
        require_promote(verdict)
        return self._unless_held(work, context)

    def _unless_held(self, work: Work, context: Context) -> Any:
        try:
            return self.work(work, context)
        except RolloutHeld as held:
            self.progress(f"waits: {held}")
            self.wait(work.registered(held.version), held.stage, held.version)
