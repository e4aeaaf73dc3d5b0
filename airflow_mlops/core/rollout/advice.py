"""What does not fit in a planned rollout, and what to change."""

from __future__ import annotations

import math
from collections.abc import Iterator

from airflow_mlops.core.rollout.planned import Effort, GatePlan, Plan, StagePlan

#: Fewer captured answers say little about rare events.
_FEW = 300
#: A design effect from here on is worth a word.
_NOTEWORTHY = 1.5
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def advice(plan: Plan) -> tuple[str, ...]:
    """One line for each thing that does not fit."""
    found = list(_about_traffic(plan))
    for stage in plan.stages:
        found += _about_samples(stage)
        for gate in (one for one in stage.gates if not one.gate.on_machine):
            found += [f"{stage.name}, {gate.name}: {line}" for line in _about_gate(stage, gate)]
    return tuple(found)


def duration(seconds: float | None) -> str:
    """A time in its unit, e.g. ``12 min``."""
    if seconds is None:
        return "too long"
    size, unit = next((one for one in _UNITS if seconds >= 1.5 * one[0]), _UNITS[-1])
    number = seconds / size
    return f"{number:.1f} {unit}" if unit in ("h", "d") and number < 10 else f"{number:.0f} {unit}"


def _about_traffic(plan: Plan) -> Iterator[str]:
    if plan.requests < _FEW:
        yield f"only {plan.requests} captured answers stand behind this plan: a longer window says more"


def _about_samples(stage: StagePlan) -> Iterator[str]:
    if stage.longest is not None and stage.reached > stage.longest:
        yield (
            f"{stage.name}: min_samples {stage.min_samples} takes {duration(stage.reached)}, and max_duration is "
            f"{duration(stage.longest)}; lower min_samples or raise max_duration{_or_weight(stage)}"
        )
    if stage.available is not None and stage.available < stage.min_samples:
        yield (
            f"{stage.name}: about {stage.available} captured requests are there, and min_samples is "
            f"{stage.min_samples}; widen its window or lower min_samples"
        )


def _about_gate(stage: StagePlan, plan: GatePlan) -> Iterator[str]:
    if plan.obstacle or plan.passed is None or plan.stopped is None:
        yield f"{plan.obstacle}; so it stays undecided, and the stage ends INCONCLUSIVE"
        return
    if stage.longest is not None and plan.delay >= stage.longest:
        yield f"its labels come after {duration(plan.delay)}, and max_duration is {duration(stage.longest)}; raise it"
    else:
        yield from _about_passing(stage, plan, plan.passed)
        yield from _about_stopping(stage, plan, plan.stopped)
    effect = plan.design_effect or 1.0
    if effect >= _NOTEWORTHY:
        yield f"requests depend on each other, {effect:.1f} of them say as much as one"


def _about_passing(stage: StagePlan, plan: GatePlan, passed: Effort) -> Iterator[str]:
    if stage.fits(passed):
        return
    if plan.about is None:
        yield _never(plan)
        return
    needed = f"{passed.requests.most:,.0f}" if passed.requests.most else f"about {_rough(plan.about)}"
    needs = f"needs {needed} {'captured ' if stage.available is not None else ''}requests"
    wider = f"raise the margin to about {_up(plan.fitting)}, or " if plan.fitting is not None else ""
    if stage.available is not None:
        yield f"{needs} to pass, and about {stage.available:,} are there; {wider}widen its window"
        return
    if passed.seconds.most is not None:
        needs = f"{needs} and {duration(passed.seconds.most)}"
    longer = f"{wider}raise max_duration{_or_weight(stage)}"
    yield f"{needs} to pass, and max_duration is {duration(stage.longest)}; {longer}"


def _never(plan: GatePlan) -> str:
    gate = plan.gate
    if gate.margin is not None:
        return f"margin {gate.margin:g} passes no challenger that is only as good as the champion; allow more"
    return f"{gate.limit_text} passes no challenger that is only as good as the champion, which has {plan.level:.4g}"


def _about_stopping(stage: StagePlan, plan: GatePlan, stopped: Effort) -> Iterator[str]:
    if stage.fits(stopped, median=True):
        return
    worse = f"a challenger that is {plan.change:.4g} worse"
    if plan.allowed:
        yield f"{worse} is within the limit, so it is not stopped"
        return
    if stopped.requests.median is None:
        yield f"{worse} is hardly ever stopped: it is too near to the limit"
        return
    needs = f"{worse} is stopped after {stopped.requests.median:,.0f} requests"
    if stage.available is not None:
        yield f"{needs}, and about {stage.available:,} are there"
        return
    yield f"{needs} and {duration(stopped.seconds.median)}, and max_duration is {duration(stage.longest)}"


def _rough(number: float) -> str:
    return f"{float(f'{number:.2g}'):,.0f}"


def _up(number: float) -> str:
    """Two digits, rounded up."""
    digit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return f"{math.ceil(number / digit) * digit:.2g}"


def _or_weight(stage: StagePlan) -> str:
    return " or the weight" if 0.0 < stage.weight < 0.5 else ""
