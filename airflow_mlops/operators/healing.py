"""Prove what serves, and replace a champion that can't answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.operators.base import Work
from airflow_mlops.operators.mirroring import mirror
from airflow_mlops.operators.rollout import TrafficOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class HealOperator(TrafficOperator):
    """Bring the endpoint to the deployment log and prove it; a champion that can't answer is replaced.

    Unhealthy is a champion that the endpoint can't load, or whose newest requests failed too often (``serving.health``
    of the spec). An older champion that answers captured requests takes over, else the fallback rule; the task fails
    only where the endpoint does not follow for another reason.

    Returns ``{"ref", "model", "champion", "mode", "entry", "healthy", "switched", "sick", "requests", "failed",
    "reason"}``; ``ref`` is the full record, :class:`~airflow_mlops.core.rollout.healing.Healing`. ``healthy`` is None
    where too few requests say anything, and false while no model answers.
    """

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Heal."""
        from airflow_mlops.core.rollout.healing import heal
        from airflow_mlops.core.store.results import keep

        conductor = work.conductor()
        found = heal(conductor, progress=self.progress)
        if found.healthy is False:
            self.log.error("%s: %s", work.spec.name, found.reason)
        if found.sick is None or found.switched:
            self.serves(work, context, conductor.log.desired(), found.reason)
        if found.switched:
            for version in (found.sick, found.champion):
                if version is not None:
                    mirror(self, work, version)
        shown = (
            "model",
            "champion",
            "mode",
            "entry",
            "healthy",
            "switched",
            "sick",
            "requests",
            "failed",
            "reason",
        )
        return {"ref": keep(work.store, found), **{name: getattr(found, name) for name in shown}}
