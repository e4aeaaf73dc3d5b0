"""The judge: captured traffic and ground truth in, a verdict out; a pure function without clock or store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.rollout.scales import Objective, check_gates
from airflow_mlops.core.rollout.verdict import Decision, Stage, Verdict

if TYPE_CHECKING:
    from airflow_mlops.core.gates import Gate, GateResult
    from airflow_mlops.core.rollout.machine import Readings
    from airflow_mlops.core.rollout.watch import StageWatch
    from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
    from airflow_mlops.spec import Canary, Replay, Rollout, Shadow

__all__ = ["check_gates", "decide", "gates_of", "judge", "judge_readings", "open_watch"]


def judge(
    stage: Stage,
    rollout: Rollout,
    objective: Objective,
    captures: Iterable[CaptureRecord],
    labels: Iterable[GroundTruth],
    *,
    champion: int,
    challenger: int,
    started: datetime,
    now: datetime,
    weight: float = 0.0,
    paused: timedelta = timedelta(0),
    deployment: int | None = None,
    readings: Readings | None = None,
) -> Verdict:
    """Decide about one stage of a rollout from all that was captured since it started.

    The verdict may be asked for after every request: its error probabilities hold for all looks together. A
    challenger that is worse than a gate allows is promoted, and one that is no worse is rolled back, with a
    probability of at most ``rollout.alpha`` each. The order of the records and of the labels does not matter.

    :param captures: answers of the stage; unusable ones are set aside and counted.
    :param labels: ground truth, possibly late, corrected or missing.
    :param started: when the stage (in canary: this step of it) started; earlier answers don't count.
    :param now: the time of the judgement; later answers don't count yet.
    :param weight: in canary, the challenger's share of the traffic; 0 when it is not known: then the one that was
        seen is taken.
    :param paused: time since the start that does not count for the longest duration.
    :param deployment: number of the deployment-log entry that started the stage; with it, this and not the time says
        which answers belong to it.
    :param readings: what the variants have taken of their machines since the stage started, for the gates on that.
    :raises SpecError: if the spec has no such stage or a gate that can't be judged on live traffic
        (:func:`check_gates`), if champion and challenger are the same version, or if ``weight`` is no share.
    """
    watch = open_watch(
        stage, rollout, objective, champion, challenger, started, weight=weight, deployment=deployment
    )
    watch.feed(captures, labels, _seconds(now))
    elapsed = now - started - paused
    return decide(watch, rollout, elapsed, judge_readings(watch, rollout, elapsed, readings))


def open_watch(
    stage: Stage,
    rollout: Rollout,
    objective: Objective,
    champion: int,
    challenger: int,
    started: datetime,
    *,
    weight: float = 0.0,
    deployment: int | None = None,
) -> StageWatch:
    """A watch over one stage, to be fed portion by portion; parameters and errors are those of :func:`judge`."""
    from airflow_mlops.core.rollout.observations import Window
    from airflow_mlops.core.rollout.watch import Rules, StageWatch

    check_gates(rollout, objective)
    gates = tuple(gate for gate in gates_of(stage, rollout, weight) if not gate.on_machine)
    if not 0.0 <= weight < 1.0:
        raise SpecError(
            "weight of a challenger", given=weight, expected="a share below 1; 0 if it is not known"
        )
    if champion == challenger:
        raise SpecError(
            "a version can't be judged against itself", given=f"champion and challenger {champion}"
        )
    rules = Rules(
        gates=gates,
        objective=objective,
        alpha=rollout.alpha,
        slices=rollout.slices,
        most=rollout.max_slices,
        share=weight,
    )
    window = Window(stage, f"v{champion}", f"v{challenger}", _seconds(started), deployment)
    return StageWatch(window, rules)


def decide(
    watch: StageWatch, rollout: Rollout, elapsed: timedelta, machines: Sequence[GateResult] | None = None
) -> Verdict:
    """The verdict on what a watch has seen.

    :param elapsed: how long the stage has lasted, without what does not count.
    :param machines: what :func:`judge_readings` said of the gates on the machine; without it they are undecided.
    """
    from airflow_mlops.core.rollout.watch import ALWAYS

    stage = watch.window.stage
    section = _section(stage, rollout)
    if machines is None:
        machines = judge_readings(watch, rollout, elapsed, None)
    gates, slices = (*watch.results(), *machines), watch.slices()
    lacking = max(0, section.min_samples - watch.counts["samples"])
    waits = _waits(rollout, watch, elapsed)
    decision = _decide(gates, slices, lacking, waits, _is_over(section, elapsed))
    mismatch = _mismatch(watch) if decision != "ROLLBACK" else ""
    if mismatch:
        decision = "INCONCLUSIVE"
    undecided = decision == "CONTINUE" or (stage == "replay" and decision == "INCONCLUSIVE")
    needed = max([lacking, *(gate.needed for gate in gates if gate.needed)]) or None if undecided else None
    lines = [f"{watch.counts['samples']} of at least {section.min_samples} samples"] if lacking else []
    lines += [waits] if waits and not lacking else []
    return Verdict(
        stage=stage,
        decision=decision,
        reason=mismatch or _reason(stage, decision, gates, slices, watch.counts["samples"], lines, needed),
        gates=gates,
        slices=slices,
        counts={name: number for name, number in sorted(watch.counts.items()) if number or name in ALWAYS},
        alpha=rollout.alpha,
        needed=needed,
    )


def _section(stage: Stage, rollout: Rollout) -> Replay | Shadow | Canary:
    section: Replay | Shadow | Canary | None = getattr(rollout, stage)
    if section is None:
        raise SpecError(f"rollout has no {stage} stage", remedy=f"add rollout.{stage} to the spec")
    return section


def gates_of(stage: Stage, rollout: Rollout, weight: float) -> tuple[Gate, ...]:
    """The gates of a stage; in canary with those of the step with this weight, if the spec still has such a step.

    :raises SpecError: if the spec has no such stage.
    """
    steps = rollout.canary.steps if stage == "canary" and rollout.canary else ()
    own = next((step.gates for step in steps if step.weight == weight), ())
    return (*_section(stage, rollout).gates, *own)


def judge_readings(
    watch: StageWatch, rollout: Rollout, elapsed: timedelta, readings: Readings | None
) -> tuple[GateResult, ...]:
    """What the gates of a stage on the machine say of the challenger.

    :param elapsed: how long the stage has lasted, without what does not count.
    :param readings: what the variants have taken since the stage started; without them every such gate is undecided.
    """
    from airflow_mlops.core.rollout.machine import judge_machines

    stage = watch.window.stage
    gates = [gate for gate in gates_of(stage, rollout, watch.rules.share) if gate.on_machine]
    longest: timedelta = getattr(_section(stage, rollout), "max_duration", timedelta(0))
    return judge_machines(gates, readings, watch.window.challenger, max(timedelta(0), longest - elapsed))


def _waits(rollout: Rollout, watch: StageWatch, elapsed: timedelta) -> str:
    """Why a canary step has to go on though its gates may have passed; empty when it has not."""
    steps = rollout.canary.steps if rollout.canary and watch.window.stage == "canary" else ()
    dwell = next((step.dwell for step in steps if step.weight == watch.rules.share), None)
    if dwell is None or elapsed >= dwell:
        return ""
    return f"{elapsed.total_seconds():.0f} s of at least {dwell.total_seconds():.0f} s at this share"


def _is_over(section: Replay | Shadow | Canary, elapsed: timedelta) -> bool:
    """Whether nothing more will come. A replay has all its answers from the start."""
    longest: timedelta | None = getattr(section, "max_duration", None)
    return longest is None or elapsed >= longest


def _decide(
    gates: Sequence[GateResult], slices: Sequence[GateResult], lacking: int, waits: str, over: bool
) -> Decision:
    """One failed gate is enough to go back; to go on takes all of them and the least sample."""
    outcomes = {gate.outcome for gate in gates}
    if "fail" in outcomes or any(one.outcome == "fail" for one in slices):
        return "ROLLBACK"
    if outcomes == {"pass"} and not lacking and not waits:
        return "PROMOTE"
    if outcomes == {"pass"} and not lacking:
        return "CONTINUE"
    return "INCONCLUSIVE" if over else "CONTINUE"


def _reason(
    stage: Stage,
    decision: Decision,
    gates: Sequence[GateResult],
    slices: Sequence[GateResult],
    samples: int,
    lacking: Sequence[str],
    needed: int | None,
) -> str:
    if decision == "ROLLBACK":
        return "; ".join(one.reason for one in (*gates, *slices) if one.outcome == "fail")
    if decision == "PROMOTE":
        return f"all gates passed with {samples} samples: " + "; ".join(gate.reason for gate in gates)
    missing = [*lacking, *(gate.reason for gate in gates if not gate.passed)]
    over = "the captured requests do not decide" if stage == "replay" else "the longest duration is over"
    head = over if decision == "INCONCLUSIVE" else "not decided yet"
    more = f"; about {needed} more requests of the challenger may decide" if needed else ""
    return f"{head}: {'; '.join(missing)}{more}"


def _mismatch(watch: StageWatch) -> str:
    """What is wrong with the split of the traffic; empty when nothing is."""
    if watch.share is None or not watch.mismatch:
        return ""
    return (
        f"sample-ratio mismatch: the challenger got {watch.share.seen:.1%} of the requests, and the hash is to give it "
        f"{watch.share.share:.1%}; no comparison can be trusted before the reason is found"
    )


def _seconds(at: datetime) -> float:
    from airflow_mlops.core.rollout.observations import seconds

    return seconds(at)
