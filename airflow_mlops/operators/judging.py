"""What every task that ends in the judge's word has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_mlops.core.errors import GateFailed
from airflow_mlops.operators.base import MlopsOperator, Work

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.lineage.naming import ModelPart
    from airflow_mlops.core.rollout.verdict import Verdict


class JudgingOperator(MlopsOperator):
    """Base of the tasks that keep a verdict on a challenger and succeed on PROMOTE alone."""

    ui_color = "#fdf3d8"
    reads: ClassVar[tuple[ModelPart, ...]] = ("captures",)

    def settle(self, work: Work, verdict: Verdict, context: Context) -> dict[str, Any]:
        """Keep the verdict, and fail on everything but PROMOTE."""
        from airflow_mlops.core.lineage.stages import judge_lineage
        from airflow_mlops.core.store.results import keep

        self.declare(lambda: judge_lineage(work.spec.name, verdict, work.store.uri))
        small = {
            "ref": keep(work.store, verdict),
            "decision": verdict.decision,
            "stage": verdict.stage,
            "reason": verdict.reason,
        }
        if verdict.picture is not None:
            small["picture"] = f"{work.store.uri}/{verdict.picture}"
            self.progress(f"the evidence as a picture: {small['picture']}")
        context["ti"].xcom_push(key="verdict", value=small)
        self.about(work, verdict.version, context)
        require_promote(verdict)
        self.progress(f"PROMOTE in {verdict.stage}: {verdict.reason}")
        return small


def require_promote(verdict: Verdict) -> None:
    """Nothing but PROMOTE will do.

    :raises GateFailed: naming the gates that did not pass, a failed one first.
    """
    if verdict.decision != "PROMOTE":
        failed = tuple(one for one in verdict.gates if not one.passed)
        raise GateFailed(
            f"{verdict.decision} in {verdict.stage}: {verdict.reason}",
            gates=tuple(sorted(failed, key=lambda one: one.outcome != "fail")),
        )
