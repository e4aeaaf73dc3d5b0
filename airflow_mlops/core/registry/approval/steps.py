"""The way to an approval, step by step, so that a task that dies on it finds where it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.approvals import Answer
from airflow_mlops.core.store import Log, Store

Step = Literal["asked", "shown", "counted", "left_out"]


class ApprovalStep(Record):
    """One step of asking one person.

    :param person: 1, or 2 under the two-person rule.
    :param step: ``asked``: the question was made; ``shown``: Airflow has it; ``counted``: a yes that counts, and
        another person has to say it, too; ``left_out``: an answer that does not count.
    :param reasons: why people are asked, with ``asked``.
    :param evidence: hash of the blob with what they see, with ``asked``.
    :param answer: with ``counted`` and ``left_out``; None for one that could not be read.
    :param why: why an answer does not count.
    """

    run: str
    version: int
    person: int
    step: Step
    reasons: tuple[str, ...] = ()
    evidence: str | None = None
    answer: Answer | None = None
    why: str = ""
    at: datetime


def step_log(store: Store, model: str) -> Log[ApprovalStep]:
    """The log of all steps of all approvals of a model."""
    return Log(store, f"models/{model}/approval_steps", ApprovalStep)


@dataclass(frozen=True)
class Steps:
    """The steps of asking one person about one version in one run."""

    store: Store
    model: str
    run: str
    version: int
    person: int

    def note(
        self,
        step: Step,
        *,
        at: datetime,
        reasons: tuple[str, ...] = (),
        evidence: str | None = None,
        answer: Answer | None = None,
        why: str = "",
    ) -> ApprovalStep:
        """Write a step down; a retry finds that of its first try."""
        entry = ApprovalStep(
            run=self.run,
            version=self.version,
            person=self.person,
            step=step,
            reasons=reasons,
            evidence=evidence,
            answer=answer,
            why=why,
            at=at,
        )
        # Each answer that could not be read is another one.
        repeats = step == "left_out" and answer is None

        def same(other: ApprovalStep) -> bool:
            return not repeats and self._mine(other) and (other.step, other.answer) == (step, answer)

        return step_log(self.store, self.model).append_once(entry, same)[1]

    def find(self, step: Step, person: int | None = None) -> ApprovalStep | None:
        """The first such step, of this person or of another one."""
        wanted = (self.person if person is None else person, step)
        return next((one for one in self._all() if (one.person, one.step) == wanted), None)

    def counted(self) -> tuple[Answer, ...]:
        """The yes of the people before this one."""
        steps = (one for one in self._all() if one.step == "counted" and one.person < self.person)
        return tuple(one.answer for one in steps if one.answer is not None)

    def known(self, answer: Answer) -> ApprovalStep | None:
        """What became of this very answer, or that this person has said yes, in an earlier try."""
        mine = (one for one in self._all() if self._mine(one))
        return next(
            (
                one
                for one in mine
                if one.step == "counted" or (one.answer is not None and one.answer == answer)
            ),
            None,
        )

    def _all(self) -> list[ApprovalStep]:
        entries = step_log(self.store, self.model).entries()
        return [one for _, one in entries if (one.run, one.version) == (self.run, self.version)]

    def _mine(self, one: ApprovalStep) -> bool:
        return (one.run, one.version, one.person) == (self.run, self.version, self.person)
