"""What a hold changes in a rollout: nothing moves on, except back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.rollout.placement import Placement
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.wording import second

if TYPE_CHECKING:
    from airflow_mlops.spec import Rollout

#: Who holds a stage that the judge could not decide.
JUDGE = "judge"


def awaits_person(rollout: Rollout, verdict: Verdict) -> bool:
    """Whether the judge can't decide the stage, and the spec lets a person decide then."""
    return verdict.decision == "INCONCLUSIVE" and rollout.inconclusive == "hold"


def under_hold(verdict: Verdict, place: Placement) -> Verdict:
    """The judge's word while a rollout is held: a failed gate still counts, everything else waits for a resume."""
    if not place.held or verdict.decision == "ROLLBACK":
        return verdict
    entry = place.entry
    reason = f"held by {entry.who} since {second(entry.at)} UTC: {entry.why}; waits for a resume"
    if verdict.reason != entry.why:
        reason += f"; by now: {verdict.reason}"
    return verdict.model_copy(update={"decision": "CONTINUE", "held": True, "reason": reason})
