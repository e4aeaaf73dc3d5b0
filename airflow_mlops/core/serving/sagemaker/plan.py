"""What to do next, by what is live and what is asked for. Pure: the same state gives the same step.

What counts is the traffic. Other settings (machines, image, share of captures) come into force with the next new
configuration: a rollout's one call for weights must not become an hour of new machines because a package was updated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from airflow_mlops.core.serving.sagemaker.layout import LIVE, Slot, idle, same_traffic
from airflow_mlops.core.serving.sagemaker.live import Live

#: States in which an endpoint changes by itself; nothing can be asked of it.
CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
#: Final states. In the second one, old and new machines answer side by side.
FAILED, STUCK = "Failed", "UpdateRollbackFailed"

Kind = Literal["done", "wait", "weights", "configuration", "create", "replace", "stuck"]


@dataclass(frozen=True)
class Step:
    """The next step.

    * ``done``: the traffic is as asked for; with ``slots``, a smaller configuration without idle machines may follow.
    * ``wait``: something changes, whoever asked for it.
    * ``weights``: one call that shifts the traffic between variants that are there.
    * ``configuration``: new machines by a new configuration.
    * ``create``: there is no endpoint.
    * ``replace``: the endpoint has failed and serves nothing; it can only be deleted.
    * ``stuck``: only a person can help.

    :param slots: all variants, as they should be then.
    :param guarded: whether SageMaker's own canary brings it in.
    """

    kind: Kind
    slots: tuple[Slot, ...] = ()
    guarded: bool = False


def plan(
    live: Live | None, wanted: Sequence[Slot], *, previous: int | None = None, guardrail: bool = False
) -> Step:
    """The next step on the way to ``wanted``.

    :param live: None when there is no endpoint.
    :param previous: version that was the champion before, which may stay without traffic; None if none may.
    :param guardrail: whether a change of the one version is brought in by SageMaker's canary.
    """
    if live is None:
        return Step("create", tuple(wanted))
    if live.status in (FAILED, STUCK):
        return Step("replace" if live.status == FAILED else "stuck")
    if same_traffic(live.slots, wanted):
        return _settle(live, wanted, previous)
    if live.status in CHANGING:
        return Step("wait")
    there = {slot.who for slot in live.slots}
    if {slot.who for slot in wanted} <= there and not _has_shadows(live.slots):
        return Step("weights", _reweighted(live.slots, wanted))
    guarded = guardrail and _only_live(live.slots) and _only_live(wanted)
    return Step("configuration", _sized(live, (*wanted, *_kept(live, wanted, previous))), guarded)


def _settle(live: Live, wanted: Sequence[Slot], previous: int | None) -> Step:
    """The traffic is right now; whether it stays so, and whether machines stand idle."""
    if live.status in CHANGING:
        stays = live.status != "RollingBack" and same_traffic(live.coming, wanted)
        return Step("done" if stays else "wait")
    spare = [slot for slot in idle(live.slots) if previous is None or slot.version != previous]
    if not spare:
        return Step("done")
    return Step("done", tuple(slot for slot in live.slots if slot not in spare))


def _kept(live: Live, wanted: Sequence[Slot], previous: int | None) -> tuple[Slot, ...]:
    """The champion before, without traffic, where it is live and something of its own answers alone now."""
    if previous is None or len(wanted) > 1 or wanted[0].name == LIVE:
        return ()
    there = [slot for slot in live.slots if slot.version == previous and not slot.shadow]
    asked = {slot.version for slot in wanted}
    return tuple(
        Slot(slot.name, slot.version, 0.0, instances=slot.instances)
        for slot in there
        if slot.version not in asked
    )


def _sized(live: Live, slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """No variant comes with fewer machines than those that answer now: it may get all of their requests in one call."""
    most = max((slot.instances for slot in live.slots if not slot.shadow and slot.weight > 0), default=0)
    return tuple(
        Slot(slot.name, slot.version, slot.weight, slot.shadow, max(most, slot.instances)) for slot in slots
    )


def _reweighted(live: Sequence[Slot], wanted: Sequence[Slot]) -> tuple[Slot, ...]:
    weights = {slot.who: slot.weight for slot in wanted}
    return tuple(
        Slot(slot.name, slot.version, weights.get(slot.who, 0.0), instances=slot.instances) for slot in live
    )


def _has_shadows(slots: Sequence[Slot]) -> bool:
    """Whether there are shadows: they go by a configuration alone."""
    return any(slot.shadow for slot in slots)


def _only_live(slots: Sequence[Slot]) -> bool:
    return [(slot.name, slot.shadow) for slot in slots] == [(LIVE, False)]
