"""The tasks that tell people: at the end of the monitor, of a release, of a rollback.

They are tasks and not callbacks. Airflow runs a callback once, in the process of a task that may just be dying, and
calls its failure a line in a log. A task is tried again, is seen in the UI, and runs when a worker was killed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_mlops.core.record import utc_now
from airflow_mlops.notifications.sending import check_notifiers
from airflow_mlops.notifications.telling import tell
from airflow_mlops.operators.base import REFUSAL, MlopsOperator, Work, pushed
from airflow_mlops.operators.period import run_type

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Context

    from airflow_mlops.core.lineage.naming import ModelPart
    from airflow_mlops.core.monitoring.alerts.alert import Found
    from airflow_mlops.core.monitoring.look import Look

#: Notifiers that hang must not hold the run for ever.
_LONGEST = timedelta(minutes=10)


class AlertOperator(MlopsOperator):
    """Base of the tasks that send what people should know: once for one cause, and when it is over.

    Make it the teardown of what it tells about (``alert.as_teardown()``): then it runs whatever became of the tasks
    before it, and the state of the run stays theirs. A notifier that fails is told in the log and fails nothing.

    Returns ``{"sent", "resolved", "unsent", "quiet"}``: kinds of alerts; quiet are those that people know of.

    :param notifiers: of any Airflow provider; templates find the alert as ``mlops_alert``. Without any, alerts stand in
        the log of the model's alerts and in the log of this task.
    """

    ui_color = "#fdeeda"
    #: What serves, by the deployment log. An alert is no data set: it is written nowhere that another task reads.
    reads: ClassVar[tuple[ModelPart, ...]] = ("",)

    def __init__(self, *, notifiers: Sequence[BaseNotifier] = (), **kwargs: Any) -> None:
        kwargs.setdefault("execution_timeout", _LONGEST)
        super().__init__(**kwargs)
        self.notifiers = check_notifiers(notifiers)

    @abstractmethod
    def found(self, work: Work, context: Context) -> Found:
        """All that is so now, known or not."""

    def work(self, work: Work, context: Context) -> dict[str, list[str]]:
        """Tell what is due."""
        told = tell(
            work.store,
            work.spec.name,
            self.found(work, context),
            run=work.run,
            repeat=work.spec.monitoring.repeat_alerts,
            notifiers=self.notifiers,
            context=dict(context),
            log=self.log,
        )
        for became, kinds in told.items():
            if kinds:
                self.progress(f"{work.spec.name}: {became}: {', '.join(kinds)}")
        if not any(told.values()):
            self.progress(f"{work.spec.name}: nothing to tell")
        return told


class LookAlertOperator(AlertOperator):
    """Tell what the look of this run found: drift, decay, missing labels, stale data, retraining; and whether the
    fallback rule answers.

    The look is found in the log of looks by its run, so that no result of another task is needed. Where the look failed
    only what serves is told, and for a backfill, too: nobody has to act now on what was found about last month.

    :param health: what the task returned that healed the endpoint; None without one. (templated)
    :param heal: id of that task.
    """

    template_fields = (*AlertOperator.template_fields, "health")
    reads: ClassVar[tuple[ModelPart, ...]] = ("", "monitoring")

    def __init__(self, *, health: Any = None, heal: str = "heal", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.health = health
        self.heal = heal

    def found(self, work: Work, context: Context) -> Found:
        """By the log of looks, the deployment log and the result of the health task."""
        from airflow_mlops.core.monitoring.alerts.of_traffic import alerts_of_fallback
        from airflow_mlops.core.monitoring.look import monitoring_log
        from airflow_mlops.core.registry.deployments import DeploymentLog

        looks = [look for _, look in monitoring_log(work.store, work.spec.name).entries()]
        mine = next((look for look in reversed(looks) if look.run == work.run), None)
        link = page_of(context)
        newest = DeploymentLog(work.store, work.spec.name).log.newest()
        found = alerts_of_fallback(work.spec.name, newest, at=utc_now(), link=link)
        found |= self._health(work, context, link)
        if mine is None or run_type(context) == "backfill":
            why = (
                "this run made no look" if mine is None else "a backfill: what it found stands in its reports"
            )
            self.progress(f"{work.spec.name}: {why}")
            return found
        return found | _look(work, mine, looks, link)

    def _health(self, work: Work, context: Context, link: str | None) -> Found:
        from airflow_mlops.core.monitoring.alerts.alert import Found
        from airflow_mlops.core.monitoring.alerts.of_traffic import (
            alerts_of_health,
            alerts_of_unproved_endpoint,
        )
        from airflow_mlops.core.rollout.healing import Healing
        from airflow_mlops.core.store.results import recall

        failure = pushed(context, [self.heal], REFUSAL)
        if failure is not None:
            return alerts_of_unproved_endpoint(
                work.spec.name, str(failure["reason"]), at=utc_now(), link=link
            )
        ref = self.health.get("ref") if isinstance(self.health, Mapping) else None
        return alerts_of_health(recall(work.store, ref, Healing), link) if ref else Found()


def _look(work: Work, mine: Look, looks: Sequence[Look], link: str | None) -> Found:
    from airflow_mlops.core.monitoring.alerts.of_looks import alerts_of_look
    from airflow_mlops.core.monitoring.performance.report import PerformanceReport
    from airflow_mlops.core.monitoring.report import DriftReport
    from airflow_mlops.core.store.results import recall

    drift = recall(work.store, mine.drift, DriftReport)
    performance = recall(work.store, mine.performance, PerformanceReport) if mine.performance else None
    return alerts_of_look(work.spec, drift, performance, mine.decision, link, at=mine.at, looks=looks)


class ReleaseAlertOperator(AlertOperator):
    """Tell that a release was blocked, by which task and gate; a promotion resolves it.

    :param release: what ``conclude`` returned. (templated)
    :param conclude: id of that task.
    :param tasks: ids of all tasks of the release, whose refusal is looked up where it ended before it could conclude.
    """

    template_fields = (*AlertOperator.template_fields, "release")

    def __init__(
        self, *, release: Any = None, conclude: str = "conclude", tasks: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.release = release
        self.conclude = conclude
        self.tasks = list(tasks)

    def found(self, work: Work, context: Context) -> Found:
        """By the result of the release."""
        from airflow_mlops.core.monitoring.alerts.of_traffic import alerts_of_release

        result = self.release if isinstance(self.release, Mapping) else pushed(context, self.tasks, REFUSAL)
        unproved = pushed(context, [self.conclude], REFUSAL)
        return alerts_of_release(
            work.spec.name,
            result,
            run=work.run,
            at=utc_now(),
            link=page_of(context),
            unproved=str(unproved["reason"]) if unproved else None,
        )


class RollbackAlertOperator(AlertOperator):
    """Tell that a model went back, to which version or to the fallback rule, or that the way back failed.

    :param rollback: what ``rollback`` returned. (templated)
    :param reason: why, as the person who asked for it wrote. (templated)
    :param task: id of that task.
    """

    template_fields = (*AlertOperator.template_fields, "rollback", "reason")

    def __init__(
        self, *, rollback: Any = None, reason: Any = "", task: str = "rollback", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rollback = rollback
        self.reason = reason
        self.task = task

    def found(self, work: Work, context: Context) -> Found:
        """By the result of the rollback, and the deployment log."""
        from airflow_mlops.core.monitoring.alerts.of_traffic import alerts_of_fallback, alerts_of_rollback
        from airflow_mlops.core.registry.deployments import DeploymentLog

        now, link = utc_now(), page_of(context)
        failure = pushed(context, [self.task], REFUSAL)
        found = alerts_of_rollback(
            work.spec.name,
            self.rollback if isinstance(self.rollback, Mapping) else None,
            who=work.who,
            reason=str(self.reason or ""),
            run=work.run,
            at=now,
            link=link,
            failure=str(failure["reason"]) if failure else None,
        )
        newest = DeploymentLog(work.store, work.spec.name).log.newest()
        return found | alerts_of_fallback(work.spec.name, newest, at=now, link=link)


def page_of(context: Context) -> str | None:
    """The page of this run in the Airflow UI."""
    address = getattr(context["ti"], "log_url", None)
    return str(address).split("/tasks/", 1)[0] if address else None
