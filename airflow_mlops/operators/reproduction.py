"""Build a version again from its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import RegistryError, SpecError
from airflow_mlops.links.pages import ModelLink, VersionLink
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.rollout import number_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.reproduction.record import Reproduction

#: How a template renders a value that is not there.
_NONE = (None, "", "None")


class ReproduceOperator(MlopsOperator):
    """Build a version again from its record, and fail unless it comes out the same.

    Every pinned byte is hashed again; the version's own training code runs in a process of its own, in the present
    environment or in one that ``uv`` makes from the recorded lock. The outcome stands in the store, also when the task
    fails. Returns ``{"model", "version", "outcome", "reason", "artifact", "rebuilt", "environment", "metrics",
    "predictions", "place", "seconds"}``.

    :param version: number of the version; None means the champion. (templated)
    :param place: ``auto``, ``here`` or ``locked``. (templated)
    :param tolerance: up to which metrics and predictions count as equal where the bytes differ. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "version", "place", "tolerance")
    operator_extra_links = (ModelLink(), VersionLink())

    def __init__(
        self, *, version: Any = None, place: Any = "auto", tolerance: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.place = place
        self.tolerance = tolerance

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Reproduce, and keep the outcome as XCom ``reproduction`` before the task fails for it."""
        from airflow_mlops.core.lineage.answering import reproduction_lineage
        from airflow_mlops.core.record import utc_now
        from airflow_mlops.core.reproduction.run import TOLERANCE, reproduce

        record = reproduce(
            work.store,
            work.spec.name,
            self._number(work),
            by=work.who,
            at=utc_now(),
            root=work.platform.data(),
            place=str(self.place),
            tolerance=TOLERANCE if self.tolerance in _NONE else _number(self.tolerance),
            run=work.run,
            progress=self.progress,
        )
        self.declare(lambda: reproduction_lineage(work.spec.name, record, work.store.uri))
        small = _small(work.spec.name, record)
        context["ti"].xcom_push(key="reproduction", value=small)
        self.about(work, record.version, context)
        if record.outcome not in ("identical", "equal"):
            raise RegistryError(f"{work.spec.name}:{record.version} is {record.outcome}", given=record.reason)
        return small

    def _number(self, work: Work) -> int:
        if self.version not in _NONE:
            return number_of(self.version)
        from airflow_mlops.core.registry.deployments import DeploymentLog

        champion = DeploymentLog(work.store, work.spec.name).champion()
        if champion is None:
            raise RegistryError(f"{work.spec.name} has no champion", remedy="name the version")
        return champion


def _small(model: str, record: Reproduction) -> dict[str, Any]:
    told = record.model_dump(mode="json", exclude={"run", "tolerance", "by", "at"})
    return {"model": model, **told}


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SpecError("tolerance is no number", given=repr(value)[:80]) from None
