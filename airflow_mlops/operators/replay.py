"""Score captured requests with the challenger, before any traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.links.pages import ModelLink, VersionLink
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.judging import JudgingOperator
from airflow_mlops.operators.rollout import number_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReplayOperator(JudgingOperator):
    """Let a registered version answer what the champion has answered before, and judge the pairs as in shadow.

    Nothing of the traffic is touched: no entry in the deployment log, no call of the endpoint. Succeeds only on
    PROMOTE, which passes on to the next stage. A failed gate ends the release, and so does an undecided one: a replay
    holds no place in which it could wait, and the reason says what would decide. Needs the packages that the model was
    trained with. Returns ``{"ref", "decision", "stage", "reason", "picture"}``.

    Skipped when there is nothing to prove: the model has no champion to compare with yet, or this run has promoted the
    version before. A task that is cleared looks at the same requests again, and at what was captured or labelled since.

    :param version: what :class:`~airflow_mlops.operators.model.RegisterOperator` returned, or a number. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "version")
    operator_extra_links = (ModelLink(), VersionLink())

    def __init__(self, *, version: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Replay."""
        version = number_of(self.version)
        verdict = work.conductor().replay(version, progress=self.progress)
        if verdict is None:
            raise AirflowSkipException(
                f"nothing to prove: {work.spec.name} has no champion, or this run made version {version} the champion"
            )
        return self.settle(work, verdict, context)
