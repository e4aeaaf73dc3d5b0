"""What the judge says."""

from __future__ import annotations

from typing import Literal

from airflow_mlops.core.gates import GateResult
from airflow_mlops.core.record import Record
from airflow_mlops.spec import Stage

__all__ = ["Decision", "Stage", "Verdict"]

Decision = Literal["PROMOTE", "ROLLBACK", "CONTINUE", "INCONCLUSIVE"]


class Verdict(Record):
    """The judge's word on one stage of a rollout.

    PROMOTE: every gate passed. ROLLBACK: a gate failed. CONTINUE: more data may decide. INCONCLUSIVE: the longest
    duration is over (in replay: the captured requests are used up) and some gate is undecided; that never promotes.

    :param counts: by name: captures, champion, challenger, samples (what min_samples is about), labels, labelled
        answers, and where they are not 0 pairs, unpaired, failed answers and what was set aside and why
        (duplicate_event_id, unknown_variant, challenger_missing_latency, labels_of_unknown_requests, ...).
    :param version: the challenger that was judged; ``run``: the run that brought it into its place; ``deployment``:
        number of the deployment-log entry that gave it the place, None in replay. The conductor sets them: they tie
        the evidence to what it is about, so that it can't be shown for another version, run or share of the traffic.
    :param needed: how many more of the challenger's requests would decide the undecided gates, as far as that can
        be told.
    :param slices: the gates of the slices that failed, or, while none does, of the one nearest to its limit.
    :param held: whether somebody, or the end of an undecided stage, holds the rollout where it is.
    :param picture: key in the store of the picture of the evidence over time, an SVG.
    """

    stage: Stage
    decision: Decision
    reason: str
    gates: tuple[GateResult, ...]
    counts: dict[str, int]
    alpha: float
    needed: int | None = None
    slices: tuple[GateResult, ...] = ()
    held: bool = False
    picture: str | None = None
    version: int | None = None
    run: str | None = None
    deployment: int | None = None
