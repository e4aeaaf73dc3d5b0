"""Whose answer counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import NotApproved
from airflow_mlops.core.registry.approvals import Answer

if TYPE_CHECKING:
    from airflow_mlops.spec.governance import Approval


def may_answer(approval: Approval, starter: str, before: Sequence[Answer]) -> tuple[str, ...]:
    """Ids of the users who may answer next; empty when the spec names none: then everybody may who may run the DAG.

    :param starter: name of who started the release.
    :param before: the answers that count already.
    :raises NotApproved: if too few of the named are left to ask.
    """
    if approval.people == 1 or not approval.users:
        return tuple(dict.fromkeys(approval.users))
    taken = {starter, *(name for one in before for name in (one.user, one.id))}
    left = tuple(user for user in dict.fromkeys(approval.users) if user not in taken)
    if len(left) < approval.people - len(before):
        raise NotApproved(
            "too few people are left to ask",
            given=f"users {', '.join(approval.users)}; {starter} started the release",
            expected=f"{approval.people} of them beside who started it",
            remedy="name more users in approval.users, or let somebody else start the release",
        )
    return left


def why_left_out(approval: Approval, answer: Answer, starter: str, before: Sequence[Answer]) -> str | None:
    """Why an answer does not count; None when it does.

    A no of whoever was allowed to answer counts, also of one who may not say yes a second time.
    """
    names = {answer.user, answer.id} - {None}
    if approval.users and not names & set(approval.users):
        return f"{answer.user} is none of the users who may answer: {', '.join(approval.users)}"
    if answer.choice == "reject" or approval.people == 1:
        return None
    if starter in names:
        return f"{answer.user} started the release: two other people have to approve it"
    if any(names & {one.user, one.id} for one in before):
        return f"{answer.user} has approved it already: another person has to"
    return None
