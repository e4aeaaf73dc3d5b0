"""Ask people whether a registered version may meet live requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.exceptions import HITLRejectException, HITLTimeoutError
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError, TaskAwaitingInput

from airflow_mlops.core.errors import NotApproved
from airflow_mlops.core.record import utc_now
from airflow_mlops.links.pages import ModelLink, VersionLink
from airflow_mlops.notifications.sending import check_notifiers
from airflow_mlops.notifications.telling import tell
from airflow_mlops.operators.alerting import page_of
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.rollout import number_of

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Context

    from airflow_mlops.core.registry.approval.inquiry import Inquiry, Question
    from airflow_mlops.core.registry.approvals import Answer, ApprovalRecord

COMMENT = "comment"
#: Characters.
_LONGEST_COMMENT = 2000
#: Airflow wants to know at once whether there is a time limit; the spec says which one when the task runs.
_BY_THE_SPEC = timedelta(days=1)
_AT_LEAST = timedelta(seconds=1)


class ApproveOperator(MlopsOperator, ApprovalOperator):
    """Ask people about a registered version, with the evidence, by Airflow's human-in-the-loop; go on after a yes.

    The spec that the version was registered with says when people are asked, whom, and how long they have. The task
    waits without a worker; nothing of the traffic is touched. A no, or no answer in time, refuses the release: it is
    not tried again. What was asked, seen and said stands in the log of the model's approvals. Answers that don't count
    (under the two-person rule: of who started the release, or of the first person) are noted, and it is asked again.

    Returns ``{"model", "version", "outcome", "reason", "evidence", "answers"}``; ``outcome`` is ``approved``,
    ``not_needed``, or ``counted`` where a second person has to say yes, too.

    :param version: what :class:`~airflow_mlops.operators.model.RegisterOperator` returned, or a number. (templated)
    :param person: 1, or 2 for the second person, whose task comes after that of the first.
    :param notifiers: of any Airflow provider, told that an answer is waited for; templates find it as
        ``mlops_alert``.
    """

    # Neither subject nor body: what they show comes from data, and is no template.
    template_fields: Sequence[str] = (*MlopsOperator.template_fields, "version")
    ui_color = "#e4e3f6"
    operator_extra_links = (ModelLink(), VersionLink())

    def __init__(
        self, *, version: Any, person: int = 1, notifiers: Sequence[BaseNotifier] = (), **kwargs: Any
    ) -> None:
        comment = Param(
            "",
            type=["string", "null"],
            maxLength=_LONGEST_COMMENT,
            title="Comment",
            description="Why; it is kept with the answer.",
            source="task",
        )
        # Airflow hands in the params of the DAG; its own operator leaves them out of the form again.
        params = ParamsDict(kwargs.pop("params", None))
        params[COMMENT] = comment
        kwargs.setdefault("response_timeout", _BY_THE_SPEC)
        super().__init__(
            subject="May this version meet live requests?", params=params, fail_on_reject=True, **kwargs
        )
        self.version = version
        self.person = person
        self.tellers = check_notifiers(notifiers)

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Ask, unless it has ended already."""
        from airflow_mlops.core.registry.approvals import ApprovalRecord

        inquiry = self._inquiry(work)
        self.about(work, inquiry.version, context)
        found = inquiry.ask(utc_now())
        if isinstance(found, ApprovalRecord):
            return self._settled(work, found)
        if found.shown:
            return self._look_for_answer(found, context)
        return self._ask(work, inquiry, found, context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer, or that nobody gave one.

        :raises AirflowException: when the version is not approved.
        """
        return self.guarded(lambda: self._answered(self.prepare(context), context, event), context)

    def _inquiry(self, work: Work) -> Inquiry:
        from airflow_mlops.core.registry.approval.inquiry import Inquiry

        number = number_of(self.version)
        return Inquiry(work.store, work.spec.name, number, run=work.run, starter=work.who, person=self.person)

    def _pose(self, question: Question) -> None:
        """What Airflow shows, and to whom."""
        from airflow.sdk.execution_time.hitl import HITLUser

        second = " (second person)" if self.person == 2 else ""
        self.subject = f"May version {question.version} meet live requests?{second}"
        self.body = question.body
        self.assigned_users = [HITLUser(id=user, name=user) for user in question.users] or None
        self.response_timeout = max(question.until - utc_now(), _AT_LEAST)

    def _ask(self, work: Work, inquiry: Inquiry, question: Question, context: Context) -> NoReturn:
        self._pose(question)
        for reason in question.reasons:
            self.progress(f"people are asked: {reason}")
        try:
            ApprovalOperator.execute(self, context)
        except TaskAwaitingInput:
            # From here on a retry must not ask anew: that would take away an answer that came meanwhile.
            self._tell(work, question, context)
            inquiry.shown(utc_now())
            raise
        raise NotApproved("Airflow did not wait for an answer", expected="Airflow 3.3 or newer")

    def _tell(self, work: Work, question: Question, context: Context) -> None:
        from airflow_mlops.core.monitoring.alerts.of_approval import alert_of_approval

        link = page_of(context)
        tell(
            work.store,
            work.spec.name,
            alert_of_approval(
                work.spec.name,
                question.version,
                task=f"{work.run}/{self.task_id}",
                reasons=question.reasons,
                users=question.users,
                until=question.until,
                at=utc_now(),
                link=f"{link}/required_actions" if link else None,
            ),
            run=work.run,
            repeat=work.spec.monitoring.repeat_alerts,
            notifiers=self.tellers,
            context=dict(context),
            log=self.log,
        )

    def _look_for_answer(self, question: Question, context: Context) -> NoReturn:
        """The task died while it waited, or after it was answered: wait on for the same question."""
        # A DAG file should not pay for importing Airflow's triggers.
        from airflow_mlops.triggers.approval import AnswerTrigger

        self.progress("the question was asked in an earlier try: looking for its answer")
        self.defer(
            trigger=AnswerTrigger(
                ti_id=context["task_instance"].id,
                options=self.options,
                params=self.serialized_params,
                timeout_datetime=question.until,
                poke_interval=10.0,
            ),
            method_name="execute_complete",
        )

    def _answered(self, work: Work, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        from airflow_mlops.core.registry.approvals import ApprovalRecord

        now, inquiry = utc_now(), self._inquiry(work)
        self.about(work, inquiry.version, context)
        try:
            answer = self._read(context, event)
        except HITLTimeoutError:
            return self._settled(work, inquiry.expired(now))
        if isinstance(answer, str):
            self.progress(f"an answer does not count: {answer}")
            inquiry.unreadable(answer, now)
            return self._again(work, inquiry, context)
        found = inquiry.answered(answer, now)
        if isinstance(found, ApprovalRecord):
            return self._settled(work, found)
        if found.step == "left_out":
            self.log.warning("an answer does not count: %s", found.why)
            return self._again(work, inquiry, context)
        self.progress(f"{answer.user} approves; another person has to, too")
        return _result(work, inquiry.version, "counted", f"approved by {answer.user}", None, [answer])

    def _read(self, context: Context, event: Mapping[str, Any]) -> Answer | str:
        """The answer, by Airflow's own check of it; why it can't be read.

        :raises HITLTimeoutError: when there is none.
        """
        from airflow_mlops.core.registry.approvals import Answer

        if event.get("error_type") == "validation":
            return str(event.get("error"))
        approves = True
        try:
            ApprovalOperator.execute_complete(self, context, dict(event))
        except HITLRejectException:
            approves = False
        except HITLTimeoutError:
            raise
        except (ParamValidationError, ValueError) as error:
            return str(error)
        user = event.get("responded_by_user")
        if not user:
            return "Airflow does not say who gave it"
        return Answer(
            user=user["name"],
            id=None if user["id"] == user["name"] else user["id"],
            choice="approve" if approves else "reject",
            at=event["responded_at"],
            comment=str((event.get("params_input") or {}).get(COMMENT) or ""),
        )

    def _again(self, work: Work, inquiry: Inquiry, context: Context) -> dict[str, Any]:
        """Ask once more, for the rest of the time: Airflow then forgets the answer that does not count."""
        from airflow_mlops.core.registry.approvals import ApprovalRecord

        now = utc_now()
        found = inquiry.ask(now)
        if isinstance(found, ApprovalRecord):
            return self._settled(work, found)
        if now >= found.until:
            return self._settled(work, inquiry.expired(now))
        return self._ask(work, inquiry, found, context)

    def _settled(self, work: Work, record: ApprovalRecord) -> dict[str, Any]:
        """Go on, or refuse.

        :raises NotApproved: if the version is not approved.
        """
        from airflow_mlops.core.lineage.answering import approval_lineage

        self.declare(lambda: approval_lineage(work.spec.name, record, work.store.uri))
        line = f"version {record.version} of {work.spec.name}: {record.outcome}: {record.reason}"
        if record.outcome not in ("approved", "not_needed"):
            raise NotApproved(
                f"version {record.version} of {work.spec.name} is not approved",
                given=record.reason,
                remedy="a new release asks again",
            )
        self.progress(line)
        return _result(
            work, record.version, record.outcome, record.reason, record.evidence, list(record.answers)
        )


def _result(
    work: Work, version: int, outcome: str, reason: str, seen: str | None, answers: list[Answer]
) -> dict[str, Any]:
    return {
        "model": work.spec.name,
        "version": version,
        "outcome": outcome,
        "reason": reason,
        "evidence": seen,
        "answers": [one.model_dump(mode="json", exclude_none=True) for one in answers],
    }
