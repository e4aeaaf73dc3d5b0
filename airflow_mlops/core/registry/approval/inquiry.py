"""Asking people about one version in one run. Every step is found again by a retry, and none is taken twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import NotApproved
from airflow_mlops.core.registry.approval.case import load_case
from airflow_mlops.core.registry.approval.evidence import evidence
from airflow_mlops.core.registry.approval.people import may_answer, why_left_out
from airflow_mlops.core.registry.approval.rules import reasons_to_ask
from airflow_mlops.core.registry.approval.steps import ApprovalStep, Steps
from airflow_mlops.core.registry.approvals import Answer, ApprovalRecord, approval_log
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store.blobs import get_bytes, put_bytes

if TYPE_CHECKING:
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec.governance import Approval

_LONGEST_COMMENT = 300


@dataclass(frozen=True)
class Question:
    """What one person is asked.

    :param body: what they see, as Markdown.
    :param users: ids of who may answer; empty for everybody.
    :param until: no answer by then is a no.
    :param shown: whether Airflow has the question already.
    """

    version: int
    body: str
    users: tuple[str, ...]
    reasons: tuple[str, ...]
    until: datetime
    shown: bool


@dataclass(frozen=True)
class Inquiry:
    """The way from a registered version to the record of its approval.

    :param run: key of the release's run.
    :param starter: name of who started it.
    :param person: 1, or 2 for the second one under the two-person rule.
    """

    store: Store
    model: str
    version: int
    run: str
    starter: str
    person: int = 1
    steps: Steps = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        steps = Steps(self.store, self.model, run=self.run, version=self.version, person=self.person)
        object.__setattr__(self, "steps", steps)

    def record(self) -> ApprovalRecord | None:
        """How it ended, None while it has not."""
        entries = (entry for _, entry in approval_log(self.store, self.model).entries())
        return next((one for one in entries if (one.run, one.version) == (self.run, self.version)), None)

    def ask(self, at: datetime) -> ApprovalRecord | Question:
        """What to ask the next person, or how it ended: also when nobody has to be asked.

        :raises NotApproved: if too few people are left to ask, or the first person has not said yes.
        """
        ended = self.record()
        if ended is not None:
            return ended
        approval = self._approval()
        if approval is None:
            return self._end("not_needed", "the spec of the version asks nobody", at)
        before = self.steps.counted()
        if len(before) < self.person - 1:
            raise NotApproved(
                f"the first person has not approved version {self.version} of {self.model}",
                remedy="the second person is asked after the first one",
            )
        users = may_answer(approval, self.starter, before)
        asked = self.steps.find("asked") or self._make(approval, at)
        if asked is None:
            return self._end("not_needed", _not_needed(approval), at)
        return Question(
            version=self.version,
            body=get_bytes(self.store, str(asked.evidence)).decode(),
            users=users,
            reasons=asked.reasons,
            until=asked.at + approval.timeout,
            shown=self.steps.find("shown") is not None,
        )

    def shown(self, at: datetime) -> None:
        """Note that Airflow has the question."""
        self.steps.note("shown", at=at)

    def answered(self, answer: Answer, at: datetime) -> ApprovalRecord | ApprovalStep:
        """Take an answer: the record that it ended with, or the step ``counted`` or ``left_out``."""
        approval = self._approval()
        taken = self.record() or self.steps.known(answer)
        if taken is not None:
            return taken
        if approval is None:
            return self._end("not_needed", "the spec of the version asks nobody", at)
        before = self.steps.counted()
        why = why_left_out(approval, answer, self.starter, before)
        if why is not None:
            return self.steps.note("left_out", answer=answer, why=why, at=at)
        given = (*before, answer)
        if answer.choice == "approve" and len(given) < approval.people:
            return self.steps.note("counted", answer=answer, at=at)
        if answer.choice == "reject":
            return self._end("rejected", f"rejected by {_said(answer)}", at, given)
        return self._end("approved", f"approved by {' and '.join(map(_said, given))}", at, given)

    def unreadable(self, why: str, at: datetime) -> ApprovalStep:
        """Note an answer that Airflow took and that can't be read."""
        return self.steps.note("left_out", why=why, at=at)

    def expired(self, at: datetime) -> ApprovalRecord:
        """Nobody answered in time."""
        approval = self._approval()
        within = "" if approval is None else f" within {_in_words(approval.timeout)}"
        return self.record() or self._end("expired", f"nobody answered{within}", at, self.steps.counted())

    def _approval(self) -> Approval | None:
        from airflow_mlops.spec import ModelSpec

        spec = Registry(self.store, self.model).get(self.version).spec
        return None if spec.get("approval") is None else ModelSpec.from_mapping(spec).approval

    def _make(self, approval: Approval, at: datetime) -> ApprovalStep | None:
        """Put the question, None when nobody has to be asked; the second person sees what the first one saw."""
        first = self.steps.find("asked", person=1)
        if first is not None:
            return self.steps.note("asked", reasons=first.reasons, evidence=first.evidence, at=at)
        case = load_case(self.store, self.model, self.version)
        reasons = reasons_to_ask(approval, case)
        if not reasons:
            return None
        body = evidence(case, reasons, people=approval.people, timeout=_in_words(approval.timeout))
        return self.steps.note("asked", reasons=reasons, evidence=put_bytes(self.store, body.encode()), at=at)

    def _end(
        self, outcome: str, reason: str, at: datetime, answers: tuple[Answer, ...] = ()
    ) -> ApprovalRecord:
        asked = self.steps.find("asked", person=1)
        record = ApprovalRecord.model_validate(
            {
                "run": self.run,
                "version": self.version,
                "outcome": outcome,
                "reason": reason,
                "reasons": asked.reasons if asked else (),
                "evidence": asked.evidence if asked else None,
                "answers": answers,
                "at": at,
            }
        )
        log = approval_log(self.store, self.model)
        return log.append_once(record, lambda one: (one.run, one.version) == (self.run, self.version))[1]


def _not_needed(approval: Approval) -> str:
    return f"nobody had to be asked: no reason of the spec applies ({', '.join(approval.when)})"


def _said(answer: Answer) -> str:
    comment = " ".join(answer.comment.split())
    short = comment if len(comment) <= _LONGEST_COMMENT else f"{comment[: _LONGEST_COMMENT - 1]}…"
    return f"{answer.user}: {short}" if short else answer.user


def _in_words(span: timedelta) -> str:
    """A duration as a spec writes it."""
    from airflow_mlops.spec.duration import print_duration

    return print_duration(span)
