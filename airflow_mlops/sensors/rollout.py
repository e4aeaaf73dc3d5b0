"""Wait until the judge has decided on a challenger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.links.pages import ModelLink, VersionLink
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.rollout import number_of
from airflow_mlops.operators.waiting import WaitingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.rollout.verdict import Stage, Verdict


class RolloutSensor(WaitingOperator):
    """Wait for the verdict on the challenger of this run; deferred, so waiting holds no worker.

    Succeeds only on PROMOTE. A failed gate, an undecided one at the end of the longest duration, a challenger that
    somebody took out, a hold that ran out: the task fails and says which gate, value and limit. With
    ``rollout.inconclusive: hold`` an undecided stage is held at its end, and the task waits for a person. Returns
    ``{"ref", "decision", "stage", "reason"}``.

    :param stage: ``shadow`` or ``canary``.
    :param version: what the registration returned, or a number. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "version")
    operator_extra_links = (ModelLink(), VersionLink())

    def __init__(self, *, stage: Stage, version: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.version = version

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Look once; defer while the judge says CONTINUE."""
        verdict = work.conductor().assess(self.stage, number_of(self.version))
        return self.decided(work, self.heed(work, verdict), context)

    def decided(self, work: Work, verdict: Verdict, context: Context) -> dict[str, Any]:
        """Keep the verdict, and fail on everything but PROMOTE."""
        return self.settle(work, verdict, context)
