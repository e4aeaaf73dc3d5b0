"""Which variants an endpoint consists of, and how they share the traffic."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_mlops.core.registry.deployments import NOTHING, Desired
from airflow_mlops.core.serving.fallback import VARIANT as FALLBACK

#: The one production variant of the strategy ``guardrail``: SageMaker's canary wants the same name before and after.
LIVE = "live"
#: Weights are 32-bit numbers at SageMaker.
_CLOSE = 1e-6
_VERSION = re.compile(r"v([1-9][0-9]*)")


@dataclass(frozen=True)
class Slot:
    """One variant.

    :param name: ``v<version>``, ``fallback`` or ``live``.
    :param version: of the model; None for the fallback rule.
    :param weight: its part of the sum of all weights is its share of the requests.
    :param shadow: gets a copy of each request, and its answers go nowhere but to the captures.
    :param instances: how many machines there are, or should be; 0 leaves it open.
    :param machine: their type, where it is known.
    """

    name: str
    version: int | None
    weight: float
    shadow: bool = False
    instances: int = 0
    machine: str = ""

    @property
    def who(self) -> tuple[str, int | None, bool]:
        """What makes it this variant and no other."""
        return self.name, self.version, self.shadow


def variant_of(version: int | None) -> str:
    """The name of a version's variant; of the fallback rule's without one."""
    return FALLBACK if version is None else f"v{version}"


def version_of(name: str) -> int | None:
    """The version in a variant's name, None for any other name."""
    found = _VERSION.fullmatch(name)
    return int(found[1]) if found else None


def layout_of(desired: Desired, *, guardrail: bool = False) -> tuple[Slot, ...]:
    """The variants that ``desired`` asks for, the champion first.

    :param guardrail: whether the production variant has the constant name.
    """
    version = None if desired.mode == "fallback" else desired.champion
    name = LIVE if guardrail else variant_of(version)
    if desired.challenger is None or desired.mode in ("champion", "fallback"):
        return (Slot(name, version, 1.0),)
    challenger = variant_of(desired.challenger)
    if desired.mode == "shadow":
        # As heavy as the production variant: it gets a copy of every request.
        return (Slot(name, version, 1.0), Slot(challenger, desired.challenger, 1.0, shadow=True))
    return (
        Slot(name, version, 1.0 - desired.weight),
        Slot(challenger, desired.challenger, desired.weight),
    )


def shares(slots: Sequence[Slot]) -> dict[tuple[str, int | None, bool], float]:
    """The share of each variant that answers, or gets copies; variants without traffic are left out."""
    total = sum(slot.weight for slot in slots if not slot.shadow)
    return {
        slot.who: 1.0 if slot.shadow else slot.weight / total
        for slot in slots
        if slot.shadow or slot.weight > 0
    }


def same_traffic(one: Sequence[Slot], other: Sequence[Slot]) -> bool:
    """Whether every caller meets the same variants with the same probability."""
    mine, theirs = shares(one), shares(other)
    return mine.keys() == theirs.keys() and all(
        abs(share - theirs[who]) <= _CLOSE for who, share in mine.items()
    )


def idle(slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """The variants that cost, but get no request."""
    return tuple(slot for slot in slots if not slot.shadow and slot.weight <= 0)


def serves(slots: Sequence[Slot], number: int, newest: Desired | None) -> Desired:
    """What these variants serve, in the terms of the deployment log.

    :param number: of the deployment that it counts as.
    :param newest: what was proved last: it tells the champion from the challenger, and the exact weight.
    """
    if not any(slot.weight > 0 for slot in slots if not slot.shadow):
        return NOTHING
    if newest is not None and same_traffic(slots, layout_of(newest, guardrail=_guarded(slots))):
        return newest.model_copy(update={"number": number})
    active = [slot for slot in slots if not slot.shadow and slot.weight > 0]
    copies = [slot for slot in slots if slot.shadow]
    versions = [slot for slot in active if slot.version is not None]
    if not versions:
        return Desired(number=number, mode="fallback", champion=None)
    known = newest.champion if newest is not None else None
    champion = next((slot for slot in versions if slot.version == known), versions[0])
    if len(active) == 1 and not copies:
        return Desired(number=number, mode="champion", champion=champion.version)
    if len(active) == 1:
        return Desired(number=number, mode="shadow", champion=champion.version, challenger=copies[0].version)
    challenger = next(slot for slot in active if slot is not champion)
    share = round(challenger.weight / sum(slot.weight for slot in active), 6)
    return Desired(
        number=number,
        mode="canary",
        champion=champion.version,
        challenger=challenger.version,
        weight=share,
    )


def _guarded(slots: Sequence[Slot]) -> bool:
    return any(slot.name == LIVE for slot in slots)
