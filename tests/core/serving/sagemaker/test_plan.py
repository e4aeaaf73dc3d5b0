"""What is planned, by what is live and what is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_mlops.core.registry.deployments import NOTHING, Desired, Mode
from airflow_mlops.core.serving.sagemaker.layout import LIVE, Slot, layout_of, same_traffic, serves
from airflow_mlops.core.serving.sagemaker.live import Live
from airflow_mlops.core.serving.sagemaker.plan import plan


def desired(mode: Mode, champion: int | None, challenger: int | None = None, weight: float = 0.0) -> Desired:
    return Desired(number=7, mode=mode, champion=champion, challenger=challenger, weight=weight)


CHAMPION = desired("champion", 2)
CANARY = desired("canary", 2, 3, 0.1)
SHADOW = desired("shadow", 2, 3)
RULE = desired("fallback", None)


def production(**weights: float) -> tuple[Slot, ...]:
    """Variants by name, e.g. ``v2=0.9``."""
    return tuple(
        Slot(name, int(name[1:]) if name[1:].isdigit() else None, weight) for name, weight in weights.items()
    )


def live(*slots: Slot, status: str = "InService", coming: tuple[Slot, ...] | None = None) -> Live:
    return Live(status, "config", slots, slots if coming is None else coming)


@pytest.mark.parametrize(
    "asked, slots",
    [
        (CHAMPION, (Slot("v2", 2, 1.0),)),
        (CANARY, (Slot("v2", 2, 0.9), Slot("v3", 3, 0.1))),
        (SHADOW, (Slot("v2", 2, 1.0), Slot("v3", 3, 1.0, shadow=True))),
        (RULE, (Slot("fallback", None, 1.0),)),
    ],
)
def test_a_deployment_is_variants_and_back(asked: Desired, slots: tuple[Slot, ...]) -> None:
    assert layout_of(asked) == slots
    assert serves(slots, 7, None) == asked
    assert serves(slots, 7, asked) == asked


def test_behind_the_constant_name_the_version_counts() -> None:
    two, three = layout_of(CHAMPION, guardrail=True), layout_of(desired("champion", 3), guardrail=True)
    assert [slot.name for slot in (*two, *three)] == [LIVE, LIVE]
    assert not same_traffic(two, three)
    assert serves(three, 7, CHAMPION) == desired("champion", 3)


def test_weights_come_back_as_they_were_asked_for() -> None:
    third = desired("canary", 2, 3, 1 / 3)
    as_float32 = production(v2=0.6666666865348816, v3=0.3333333432674408)
    assert serves(as_float32, 7, third) == third
    assert serves(production(v2=9.0, v3=1.0), 7, CHAMPION) == CANARY


def test_the_last_proof_tells_the_champion_from_the_challenger() -> None:
    halves = production(v2=0.5, v3=0.5)
    assert serves(halves, 7, desired("champion", 3)) == desired("canary", 3, 2, 0.5)


@pytest.mark.parametrize("slots", [(), production(v2=0.0)])
def test_without_traffic_nothing_serves(slots: tuple[Slot, ...]) -> None:
    assert serves(slots, 7, CHAMPION) == NOTHING


def test_without_an_endpoint_one_is_created() -> None:
    assert plan(None, layout_of(CANARY)).kind == "create"
    assert plan(None, layout_of(CANARY)).slots == layout_of(CANARY)


@pytest.mark.parametrize("asked", [CHAMPION, CANARY, SHADOW, RULE])
def test_what_serves_already_is_done(asked: Desired) -> None:
    step = plan(live(*layout_of(asked)), layout_of(asked))
    assert (step.kind, step.slots) == ("done", ())


@pytest.mark.parametrize(
    "there, asked, weights",
    [
        (production(v2=1.0, v3=0.0), CANARY, {"v2": 0.9, "v3": 0.1}),
        (production(v2=0.9, v3=0.1), desired("canary", 2, 3, 0.5), {"v2": 0.5, "v3": 0.5}),
        (production(v2=0.9, v3=0.1), CHAMPION, {"v2": 1.0, "v3": 0.0}),
        (production(v2=0.9, v3=0.1), desired("champion", 3), {"v2": 0.0, "v3": 1.0}),
        (production(v2=0.0, v3=1.0), CHAMPION, {"v2": 1.0, "v3": 0.0}),
        (production(v2=0.0, fallback=1.0), CHAMPION, {"v2": 1.0, "fallback": 0.0}),
        (production(v1=0.0, v2=0.9, v3=0.1), CHAMPION, {"v1": 0.0, "v2": 1.0, "v3": 0.0}),
    ],
)
def test_variants_that_are_there_need_one_call_for_weights(
    there: tuple[Slot, ...], asked: Desired, weights: dict[str, float]
) -> None:
    step = plan(live(*there), layout_of(asked), previous=1)
    assert step.kind == "weights"
    assert {slot.name: slot.weight for slot in step.slots} == pytest.approx(weights)


@pytest.mark.parametrize(
    "there, asked, names",
    [
        (production(v2=1.0), CANARY, ["v2", "v3"]),
        (production(v2=1.0), SHADOW, ["v2", "v3"]),
        (layout_of(SHADOW), CANARY, ["v2", "v3"]),
        (layout_of(SHADOW), CHAMPION, ["v2"]),
        (production(v1=0.0, v2=1.0), CANARY, ["v2", "v3"]),
        (production(v2=1.0), RULE, ["fallback"]),
    ],
)
def test_other_variants_need_a_new_configuration(
    there: tuple[Slot, ...], asked: Desired, names: list[str]
) -> None:
    step = plan(live(*there), layout_of(asked))
    assert (step.kind, [slot.name for slot in step.slots], step.guarded) == ("configuration", names, False)


def test_the_champion_before_stays_warm_where_it_may() -> None:
    asked = layout_of(desired("champion", 3))
    step = plan(live(*production(v2=1.0)), asked, previous=2)
    assert [(slot.name, slot.weight) for slot in step.slots] == [("v3", 1.0), ("v2", 0.0)]
    assert [slot.name for slot in plan(live(*production(v2=1.0)), asked).slots] == ["v3"]
    gone = plan(live(*production(v2=1.0)), asked, previous=1)
    assert [slot.name for slot in gone.slots] == ["v3"]
    rule = plan(live(*production(v2=1.0)), layout_of(RULE), previous=2)
    assert [(slot.name, slot.weight) for slot in rule.slots] == [("fallback", 1.0), ("v2", 0.0)]


def test_machines_that_serve_nobody_go_once_the_traffic_is_right() -> None:
    refused = live(*production(v2=1.0, v3=0.0))
    step = plan(refused, layout_of(CHAMPION), previous=1)
    assert (step.kind, [slot.name for slot in step.slots]) == ("done", ["v2"])
    promoted = plan(live(*production(v2=0.0, v3=1.0)), layout_of(desired("champion", 3)), previous=2)
    assert (promoted.kind, promoted.slots) == ("done", ())


def test_new_variants_come_with_as_many_machines_as_answer_now() -> None:
    grown = replace(production(v2=1.0)[0], instances=5)
    assert [slot.instances for slot in plan(live(grown), layout_of(CANARY)).slots] == [5, 5]


@pytest.mark.parametrize("status", ["Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"])
def test_a_change_in_progress_is_waited_for(status: str) -> None:
    there = live(*production(v2=1.0), status=status)
    assert plan(there, layout_of(CANARY)).kind == "wait"


def test_a_change_that_leaves_the_traffic_as_it_is_need_not_be_waited_for() -> None:
    there = production(v2=1.0, v3=0.0)
    trimming = live(*there, status="Updating", coming=production(v2=1.0))
    assert plan(trimming, layout_of(CHAMPION)).kind == "done"
    leaving = live(*there, status="Updating", coming=production(v3=1.0))
    assert plan(leaving, layout_of(CHAMPION)).kind == "wait"


def test_final_states() -> None:
    assert plan(live(*layout_of(CHAMPION), status="Failed"), layout_of(CHAMPION)).kind == "replace"
    assert (
        plan(live(*layout_of(CHAMPION), status="UpdateRollbackFailed"), layout_of(CHAMPION)).kind == "stuck"
    )


def test_sagemakers_own_canary_needs_the_same_variant_before_and_after() -> None:
    asked = layout_of(CHAMPION, guardrail=True)
    before = live(*layout_of(desired("champion", 1), guardrail=True))
    step = plan(before, asked, previous=1, guardrail=True)
    assert (step.kind, step.guarded, [slot.name for slot in step.slots]) == ("configuration", True, [LIVE])
    assert not plan(live(*production(v1=1.0)), asked, guardrail=True).guarded
    with_shadow = layout_of(SHADOW, guardrail=True)
    assert not plan(before, with_shadow, guardrail=True).guarded
