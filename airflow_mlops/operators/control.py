"""What a person does to a rollout that is under way: hold it, resume it, abort it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.wording import second
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.rollout import TrafficOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.registry.deployments import Deployment

#: What can be done to a rollout.
ACTIONS = ("hold", "resume", "abort")


class RolloutControlOperator(TrafficOperator):
    """Hold, resume or abort the rollout in progress, whichever run brought its challenger in.

    Held, the challenger stays where it is and nothing moves on; a failed gate still ends the rollout. So does the
    ``max_hold`` of the spec that the challenger was registered with. Resumed, its stage keeps its evidence and gets its
    longest duration anew. Aborted, the champion is alone and the release is refused.

    Doing it again changes nothing. Returns ``{"model", "action", "mode", "champion", "challenger", "weight", "held",
    "until", "entry"}``: what serves then, and until when the challenger has its place.

    :param action: ``hold``, ``resume`` or ``abort``. (templated)
    :param reason: why, for the deployment log and the release's own result. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "action", "reason")
    ui_color = "#e4e3f6"

    def __init__(self, *, action: Any, reason: Any = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.action = action
        self.reason = reason

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Hold, resume or abort."""
        why = self.reason or "asked for"
        if self.action == "hold":
            served = _of_the_challenger(work).conductor().hold(why)
        elif self.action == "resume":
            served = _of_the_challenger(work).conductor().resume(why)
        elif self.action == "abort":
            served = work.conductor().abort(why)
        else:
            raise SpecError(
                "no such action", given=repr(self.action)[:80], expected=f"one of {', '.join(ACTIONS)}"
            )
        entry = work.conductor().log.log.read(served.number)
        self.serves(work, context, served, _in_words(entry))
        return {
            "model": work.spec.name,
            "action": self.action,
            "mode": served.mode,
            "champion": served.champion,
            "challenger": served.challenger,
            "weight": served.weight,
            "held": entry.held,
            "until": entry.lease_until.isoformat() if entry.lease_until else None,
            "entry": served.number,
        }


def _of_the_challenger(work: Work) -> Work:
    """The work with the spec of the challenger in place, whose durations count; the given one when there is none."""
    newest = work.conductor().log.log.newest()
    challenger = newest[1].challenger if newest else None
    return work if challenger is None else work.registered(challenger)


def _in_words(entry: Deployment) -> str:
    until = f"{second(entry.lease_until)} UTC" if entry.lease_until else "the end"
    if entry.held:
        return f"held by {entry.who} until {until}: {entry.why}"
    if entry.challenger is not None:
        return f"the rollout goes on until {until}"
    return "no rollout is in progress"
