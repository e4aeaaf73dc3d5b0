"""Wait until the judge has decided on a challenger."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.configuration import conf

from airflow_mlops.core.errors import EndpointError, MlopsError
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.judging import JudgingOperator
from airflow_mlops.operators.rollout import number_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.rollout.verdict import Stage


class RolloutSensor(JudgingOperator):
    """Wait for the verdict on the challenger of this run; deferred, so waiting holds no worker.

    Succeeds only on PROMOTE. A failed gate, an undecided one at the end of the longest duration, a challenger that
    somebody took out: the task fails and says which gate, value and limit. Returns ``{"ref", "decision", "stage",
    "reason"}``.

    :param stage: ``shadow`` or ``canary``.
    :param version: what the registration returned, or a number. (templated)
    :param poll_interval: seconds between two looks; looking often costs nothing in error probability.
        Without it, ``[mlops] poll_interval``.
    """

    template_fields = (*MlopsOperator.template_fields, "version")

    def __init__(
        self, *, stage: Stage, version: Any, poll_interval: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.version = version
        self.poll_interval = (
            conf.getfloat("mlops", "poll_interval", fallback=10.0) if poll_interval is None else poll_interval
        )

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Look once; defer while the judge says CONTINUE."""
        version = number_of(self.version)
        verdict = work.conductor().assess(self.stage, version)
        if verdict.decision == "CONTINUE":
            self.progress(verdict.reason)
            self.wait(work, version)
        return self.settle(work, verdict, context)

    def wait(self, work: Work, version: int) -> NoReturn:
        """Hand over to the trigger, for as long as the stage may last and a little more."""
        # A DAG file should not pay for importing Airflow's triggers.
        from airflow_mlops.triggers.rollout import RolloutTrigger

        section = work.spec.rollout.shadow if self.stage == "shadow" else work.spec.rollout.canary
        limit = section.max_duration if section else timedelta(0)
        self.defer(
            trigger=RolloutTrigger(
                spec=work.spec.to_dict(),
                mlops_conn_id=self.mlops_conn_id,
                run=work.run,
                stage=self.stage,
                version=version,
                poll_interval=self.poll_interval,
            ),
            method_name="resume",
            timeout=limit + timedelta(minutes=15),
        )

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Take up the verdict that the trigger saw.

        :raises AirflowFailException: when it is not PROMOTE.
        :raises AirflowException: when the trigger gave up on a fault that may be gone at the next try.
        """
        from airflow_mlops.core.rollout.verdict import Verdict

        try:
            if event["status"] != "decided":
                fault = EndpointError if event["passing"] else MlopsError
                raise fault(f"rollout can't be judged: {event['message']}")
            return self.settle(self.prepare(context), Verdict.model_validate(event["verdict"]), context)
        except MlopsError as error:
            raise self.refuse(error, context) from None
