"""The rollout in progress: the split of the traffic, each gate's evidence, and what is to be expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.gates import HIGHER_IS_BETTER, LOWER_IS_BETTER, Gate, GateResult
from airflow_mlops.core.overview.model_records import ModelRecords
from airflow_mlops.core.registry.deployment import Deployment, is_live
from airflow_mlops.core.rollout.panel import HEIGHT, Moment, Panel
from airflow_mlops.core.rollout.placement import Placement, placement
from airflow_mlops.core.rollout.progress import GateNow, StageNow, decision_expected
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import line, span
from airflow_mlops.ui.model_parts.drawn import Drawing, picture

_LONGEST: Final = 600
#: Looks whose intervals are drawn.
_POINTS: Final = 128
#: A judge that looked longer ago than this is said to be silent.
_SILENT: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Step:
    """A stage of the rollout's plan. :param state: ``done``, ``now`` or ``to come``."""

    name: str
    state: str


@dataclass(frozen=True)
class GateView:
    """A gate at the newest look, with the picture of how it came there."""

    now: GateNow
    outcome: str
    said: str
    drawing: Drawing | None


@dataclass(frozen=True)
class Live:
    """A rollout in progress.

    :param weight: the challenger's share of live requests.
    :param left: how long the challenger's place lasts yet, in words.
    :param looks: how often the judge has looked; ``newest``: at the last time, None before the first one.
    :param expected: when a decision is to be expected, in words.
    :param silent: since when the judge has not looked, in words; empty while it does.
    """

    stage: str
    champion: int | None
    challenger: int
    weight: float
    held: bool
    who: str
    why: str
    since: datetime
    until: datetime | None
    left: str
    run: str | None
    steps: tuple[Step, ...]
    looks: int
    newest: StageNow | None
    said: str
    gates: tuple[GateView, ...]
    expected: str
    silent: str

    @property
    def split(self) -> str:
        """The split of the traffic in words."""
        if self.stage == "shadow":
            return f"version {self.champion} answers every request; version {self.challenger} answers a copy, unseen"
        champion, challenger = (f"{share * 100:.3g} %" for share in (1 - self.weight, self.weight))
        return f"version {self.champion} answers {champion} of the requests, version {self.challenger} {challenger}"

    @property
    def per_cent(self) -> int:
        """The challenger's share in whole per cent, at least 1 in a canary: for the bar."""
        return max(1, round(100 * self.weight)) if self.weight else 0


def live_rollout(records: ModelRecords, now: datetime) -> Live | None:
    """The rollout in progress, None without one."""
    entries = records.numbered_deployments
    place = placement(reversed(entries), now)
    if place is None or place.entry.challenger is None or place.entry.action not in ("shadow", "canary"):
        return None
    if not is_live(place.entry, now):
        return None
    looks = records.progress(place.number)
    spec = records.digests([place.entry.challenger], plan_of).get(place.entry.challenger, {})
    newest = looks[-1] if looks else None
    entry = place.entry
    return Live(
        stage=entry.action,
        champion=entry.champion,
        challenger=entry.challenger or 0,
        weight=entry.weight,
        held=entry.held,
        who=line(entry.who, 100),
        why=line(entry.why, _LONGEST),
        since=place.started,
        until=entry.lease_until,
        left=span(in_utc(entry.lease_until) - now) if entry.lease_until else "without an end",
        run=entry.run,
        steps=_steps(spec, entry),
        looks=len(looks),
        newest=newest,
        said=line(newest.reason, _LONGEST) if newest else "",
        gates=tuple(_gates(looks, spec, entry, place)) if newest else (),
        expected=decision_expected(looks, now, held=entry.held),
        silent=_silence(newest, place, now),
    )


def last_challenger(records: ModelRecords) -> int | None:
    """The version that was in shadow or in canary last, None before the first one."""
    found = (entry.challenger for entry in reversed(records.deployments))
    return next((version for version in found if version is not None), None)


def plan_of(record: Any) -> dict[str, Any]:
    """The section ``rollout`` of a version's spec: the plan of its stages; empty where it is of another form."""
    rollout = record.spec.get("rollout")
    return dict(rollout) if isinstance(rollout, dict) else {}


def _silence(newest: StageNow | None, place: Placement, now: datetime) -> str:
    last = in_utc(newest.at if newest else place.started)
    return span(now - last) if now - last > _SILENT else ""


def _steps(plan: dict[str, Any], entry: Deployment) -> tuple[Step, ...]:
    """The stages in traffic that the spec plans, as far as it can be read."""
    weights: list[float] = [0.0] if plan.get("shadow") else []
    canary = plan.get("canary")
    for step in canary.get("steps", ()) if isinstance(canary, dict) else ():
        weight = step.get("weight") if isinstance(step, dict) else step
        weights += [float(weight)] if isinstance(weight, (int, float)) else []
    if entry.weight not in weights:
        weights = sorted({*weights, entry.weight})
    at = weights.index(entry.weight)
    names = ["shadow" if not weight else f"canary {weight * 100:.3g} %" for weight in weights]
    states = ["done" if place < at else "now" if place == at else "to come" for place in range(len(names))]
    return (*(Step(*pair) for pair in zip(names, states, strict=True)), Step("champion", "to come"))


def _gates(
    looks: Sequence[StageNow], plan: dict[str, Any], entry: Deployment, place: Placement
) -> list[GateView]:
    every = max(1, -(-len(looks) // _POINTS))
    kept = looks[::-1][::every][::-1]
    known = _gates_of(plan, entry)
    longest = max((in_utc(kept[-1].at) - in_utc(place.started)).total_seconds(), 1.0)
    views = []
    for number, now in enumerate(looks[-1].gates):
        moments = _moments(kept, number, now.name, place.started)
        gate = known[number] if number < len(known) and known[number].name == now.name else _guessed(now)
        drawing = _draw(now, gate, moments, longest, looks[-1].samples)
        views.append(
            GateView(
                now=now,
                outcome={"pass": "passed", "fail": "failed"}.get(now.outcome, "undecided"),
                said=line(now.said, _LONGEST),
                drawing=drawing,
            )
        )
    return views


def _draw(
    now: GateNow, gate: Gate, moments: tuple[Moment, ...], longest: float, samples: int
) -> Drawing | None:
    interval = (now.low, now.high) if now.low is not None and now.high is not None else None
    result = GateResult(
        gate=gate, outcome=now.outcome, value=now.value, limit=now.limit, samples=samples, interval=interval,
        reason=now.said,
    )  # fmt: skip
    panel = Panel(result, now.limit, moments, longest)
    return picture(
        lambda: ([panel.draw(0)], HEIGHT),
        f"{now.name}: confidence sequence and limit",
        panel.in_words,
    )


def _moments(looks: Sequence[StageNow], number: int, name: str, started: datetime) -> tuple[Moment, ...]:
    found = []
    for look in looks:
        gate = look.gates[number] if number < len(look.gates) and look.gates[number].name == name else None
        if gate is None:
            continue
        interval = (gate.low, gate.high) if gate.low is not None and gate.high is not None else None
        elapsed = max(0.0, (in_utc(look.at) - in_utc(started)).total_seconds())
        found.append(Moment(elapsed, interval, gate.outcome))
    return tuple(found)


def _gates_of(plan: dict[str, Any], entry: Deployment) -> list[Gate]:
    """The gates of the stage as the spec has them; none where it can't be read."""
    section = plan.get(entry.action)
    if not isinstance(section, dict):
        return []
    steps = section.get("steps", ())
    own = [
        one
        for step in steps
        if isinstance(step, dict) and step.get("weight") == entry.weight
        for one in step.get("gates", ())
    ]
    try:
        return [Gate(**one) for one in (*section.get("gates", ()), *own)]
    except (SpecError, TypeError):
        return []


def _guessed(now: GateNow) -> Gate:
    """A gate of this name and limit: more of what is held against a limit is worse, if nothing else is known."""
    name = now.name.partition("[")[0]
    metric = name if name in HIGHER_IS_BETTER | LOWER_IS_BETTER else "loss"
    return Gate(metric=metric, max=now.limit)
