"""The judge: captured traffic and ground truth in, a verdict out; a pure function without clock or store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.rollout.scales import Objective, check_gates, scale_of
from airflow_mlops.core.rollout.verdict import Decision, Stage, Verdict

if TYPE_CHECKING:
    from airflow_mlops.core.rollout.gating import Judged
    from airflow_mlops.core.rollout.observations import Answers
    from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
    from airflow_mlops.spec import Canary, Replay, Rollout, Shadow

__all__ = ["check_gates", "judge"]

#: Counts that stand in every verdict, also when they are 0.
_ALWAYS = ("captures", "champion", "challenger", "labels", "labelled", "samples")


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
) -> Verdict:
    """Decide about one stage of a rollout from all that was captured since it started.

    The verdict may be asked for after every request: its error probabilities hold for all looks together. A
    challenger that is worse than a gate allows is promoted, and one that is no worse is rolled back, with a
    probability of at most ``rollout.alpha`` each. The order of the records and of the labels does not matter.

    :param captures: answers of the stage; unusable ones are set aside and counted.
    :param labels: ground truth, possibly late, corrected or missing.
    :param started: when the stage (in canary: this step of it) started; earlier answers don't count.
    :param now: the time of the judgement; later answers don't count yet.
    :param weight: in canary, the challenger's share of the traffic.
    :param paused: time since the start that does not count for the longest duration.
    :raises SpecError: if the spec has no such stage or a gate that can't be judged on live traffic
        (:func:`check_gates`), or if champion and challenger are the same version.
    """
    from airflow_mlops.core.rollout.evidence import gather
    from airflow_mlops.core.rollout.gating import judge_gate
    from airflow_mlops.core.rollout.losses import join_truth
    from airflow_mlops.core.rollout.observations import Window, read_answers, seconds
    from airflow_mlops.core.rollout.sequential import Levels

    check_gates(rollout, objective)
    section = _section(stage, rollout, champion, challenger)
    counts: Counter[str] = Counter(dict.fromkeys(_ALWAYS, 0))
    window = Window(stage, f"v{champion}", f"v{challenger}", seconds(started), seconds(now))
    answers = read_answers(captures, window, objective, counts)
    truth = join_truth(labels, answers, objective, window.now, counts)
    _count_samples(stage, answers, counts)
    levels = Levels.split(rollout.alpha, len(section.gates))
    judged = [
        judge_gate(gate, gather(gate, scale_of(gate, objective), stage, answers, truth, weight), levels)
        for gate in section.gates
    ]
    over = _is_over(section, window.now - window.started - paused.total_seconds())
    return _verdict(stage, section, judged, counts, over, rollout.alpha)


def _section(stage: Stage, rollout: Rollout, champion: int, challenger: int) -> Replay | Shadow | Canary:
    section: Replay | Shadow | Canary | None = getattr(rollout, stage)
    if section is None:
        raise SpecError(f"rollout has no {stage} stage", remedy=f"add rollout.{stage} to the spec")
    if champion == challenger:
        raise SpecError(
            "a version can't be judged against itself", given=f"champion and challenger {champion}"
        )
    return section


def _is_over(section: Replay | Shadow | Canary, elapsed: float) -> bool:
    """Whether nothing more will come; ``elapsed`` in seconds. A replay has all its answers from the start."""
    longest = getattr(section, "max_duration", None)
    return longest is None or elapsed >= longest.total_seconds()


def _count_samples(stage: Stage, answers: Answers, counts: Counter[str]) -> None:
    """What ``min_samples`` is about: pairs, or the challenger's answers, without the caller's own errors."""
    if stage == "canary":
        counts["samples"] = int((answers.challenger & ~answers.refused).sum())
        return
    champions, _ = answers.pairs()
    counts["pairs"] = len(champions)
    counts["unpaired"] = len(answers.at) - 2 * len(champions)
    counts["samples"] = int((~answers.refused[champions]).sum())


def _verdict(
    stage: Stage,
    section: Replay | Shadow | Canary,
    judged: Sequence[Judged],
    counts: Counter[str],
    over: bool,
    alpha: float,
) -> Verdict:
    lacking = max(0, section.min_samples - counts["samples"])
    decision = _decide(judged, lacking, over)
    undecided = decision == "CONTINUE" or (stage == "replay" and decision == "INCONCLUSIVE")
    needed = _needed(judged, lacking) if undecided else None
    return Verdict(
        stage=stage,
        decision=decision,
        reason=_reason(stage, decision, judged, counts["samples"], section.min_samples, needed),
        gates=tuple(one.result for one in judged),
        counts={name: number for name, number in sorted(counts.items()) if number or name in _ALWAYS},
        alpha=alpha,
        needed=needed,
    )


def _decide(judged: Sequence[Judged], lacking: int, over: bool) -> Decision:
    """One failed gate is enough to go back; to go on takes all of them and the least sample."""
    outcomes = {one.result.outcome for one in judged}
    if "fail" in outcomes:
        return "ROLLBACK"
    if outcomes == {"pass"} and not lacking:
        return "PROMOTE"
    return "INCONCLUSIVE" if over else "CONTINUE"


def _needed(judged: Sequence[Judged], lacking: int) -> int | None:
    """The challenger's requests until the slowest undecided gate is decided, as far as that can be told."""
    return max([lacking, *(one.needed for one in judged if one.needed is not None)]) or None


def _reason(
    stage: Stage, decision: Decision, judged: Sequence[Judged], samples: int, least: int, needed: int | None
) -> str:
    results = [one.result for one in judged]
    if decision == "ROLLBACK":
        return "; ".join(result.reason for result in results if result.outcome == "fail")
    if decision == "PROMOTE":
        return f"all gates passed with {samples} samples: " + "; ".join(result.reason for result in results)
    missing = [result.reason for result in results if not result.passed]
    if samples < least:
        missing.insert(0, f"{samples} of at least {least} samples")
    over = "the captured requests do not decide" if stage == "replay" else "the longest duration is over"
    head = over if decision == "INCONCLUSIVE" else "not decided yet"
    more = f"; about {needed} more requests of the challenger may decide" if needed else ""
    return f"{head}: {'; '.join(missing)}{more}"
