"""Captured records as arrays, in the order of time; what can't be used is set aside and counted.

Nothing in a record is trusted: whatever is doubled, misplaced or not a number must neither stop the judge nor
help the challenger.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from airflow_mlops.core.rollout.betting import Floats
from airflow_mlops.core.rollout.scales import Objective
from airflow_mlops.core.rollout.twosample import Flags, Indices

if TYPE_CHECKING:
    from airflow_mlops.core.rollout.verdict import Stage
    from airflow_mlops.core.serving.capture import CaptureRecord

#: The role in which the challenger answers in each stage.
_CHALLENGER_ROLE = {"replay": "shadow", "shadow": "shadow", "canary": "challenger"}


@dataclass(frozen=True)
class Window:
    """Which records belong to the stage that is judged; times in seconds since the epoch."""

    stage: Stage
    champion: str
    challenger: str
    started: float
    now: float

    def reject(self, record: CaptureRecord, at: float) -> str | None:
        """Why a record is set aside, None if it counts."""
        if record.variant not in (self.champion, self.challenger):
            return "fallback_answers" if record.role == "fallback" else "unknown_variant"
        wanted = "champion" if record.variant == self.champion else _CHALLENGER_ROLE[self.stage]
        if record.role != wanted:
            return "other_role"
        # what the hash did not assign is no fair sample; a shadow pair is fair whoever asked for the champion
        if record.chosen == "failover" or (record.chosen == "target" and self.stage == "canary"):
            return "not_assigned"
        if at < self.started:
            return "before_start"
        return "after_now" if at > self.now else None


@dataclass(frozen=True)
class Answers:
    """One entry per answer, in the order of time (ties: in the order of a hash of the event id).

    :param at: seconds since the epoch.
    :param challenger: whether the challenger gave it, else the champion.
    :param failed: whether there is no valid answer: status 500 and above, or no usable predictions.
    :param refused: whether the caller was told to mend the request (status 4xx).
    :param latency: milliseconds, NaN where it is missing.
    :param shuffle: hash of the event id, as random numbers.
    :param rows: how many predictions there are, 0 where ``failed`` or ``refused``.
    :param first: index of the first of them in ``predictions``.
    :param predictions: of all answers.
    :param champions: index of the champion's answer by inference id; ``challengers`` likewise.
    """

    at: Floats
    challenger: Flags
    failed: Flags
    refused: Flags
    latency: Floats
    shuffle: npt.NDArray[np.uint64]
    rows: Indices
    first: Indices
    predictions: Floats
    champions: dict[str, int]
    challengers: dict[str, int]

    def pairs(self) -> tuple[Indices, Indices]:
        """Indices of the champion's and the challenger's answer to the same request, in the order of time."""
        names = [name for name in self.challengers if name in self.champions]
        champion = np.array([self.champions[name] for name in names], dtype=np.int64)
        challenger = np.array([self.challengers[name] for name in names], dtype=np.int64)
        order = np.argsort(np.maximum(champion, challenger), kind="stable")
        return champion[order], challenger[order]


@dataclass
class _Columns:
    """The records that count, in the order in which they came, one list per field."""

    at: list[float] = field(default_factory=list)
    hash: list[int] = field(default_factory=list)
    event: list[str] = field(default_factory=list)
    request: list[str] = field(default_factory=list)
    challenger: list[bool] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    predictions: list[float] = field(default_factory=list)

    def add(self, record: CaptureRecord, at: float, challenger: bool) -> None:
        given = record.predictions or ()
        self.at.append(at)
        self.hash.append(zlib.crc32(record.event_id.encode("utf-8", "replace")))
        self.event.append(record.event_id)
        self.request.append(record.inference_id)
        self.challenger.append(challenger)
        self.status.append(record.status)
        self.latency.append(record.latency_ms)
        self.asked.append(len(record.rows))
        self.rows.append(len(given))
        self.predictions.extend(given)


def seconds(at: datetime) -> float:
    """Seconds since the epoch; a time without a zone is taken as UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()


def read_answers(
    captures: Iterable[CaptureRecord], window: Window, objective: Objective, counts: Counter[str]
) -> Answers:
    """The answers of both variants; ``counts`` gets what was set aside, by reason.

    Of several records with one event id, or answers of one variant with one inference id (a caller's retry), the
    first in time counts.
    """
    columns = _Columns()
    for record in captures:
        counts["captures"] += 1
        at = seconds(record.at)
        reason = window.reject(record, at)
        if reason:
            counts[reason] += 1
        else:
            columns.add(record, at, record.variant == window.challenger)
    answers = _arrange(columns, objective, counts)
    _count(answers, counts)
    return answers


def _arrange(columns: _Columns, objective: Objective, counts: Counter[str]) -> Answers:
    at = np.array(columns.at, dtype=np.float64)
    hashes = np.array(columns.hash, dtype=np.uint64)
    kept = _unique(np.lexsort((hashes, at)).astype(np.int64), columns, counts)
    status = np.array(columns.status, dtype=np.int64)[kept]
    latency = np.array(columns.latency, dtype=np.float64)[kept]
    latency[~(np.isfinite(latency) & (latency >= 0))] = np.nan
    predictions = np.array(columns.predictions, dtype=np.float64)
    rows = np.array(columns.rows, dtype=np.int64)
    broken = _broken(predictions, rows, np.array(columns.asked, dtype=np.int64), objective)[kept]
    first = (np.cumsum(rows) - rows)[kept]
    answered = (status < 400) & (rows[kept] > 0)
    counts["invalid_predictions"] = int((answered & broken).sum())
    answered &= ~broken
    refused = (status >= 400) & (status < 500)
    challenger = np.array(columns.challenger, dtype=bool)[kept]
    places: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for place, (index, arm) in enumerate(zip(kept.tolist(), challenger.tolist(), strict=True)):
        places[arm][columns.request[index]] = place
    return Answers(
        at=at[kept],
        challenger=challenger,
        failed=~answered & ~refused,
        refused=refused,
        latency=latency,
        shuffle=_mix(hashes[kept]),
        rows=np.where(answered, rows[kept], 0),
        first=first,
        predictions=predictions,
        champions=places[0],
        challengers=places[1],
    )


def _unique(order: Indices, columns: _Columns, counts: Counter[str]) -> Indices:
    """``order`` without the later ones of equal event ids, and of equal inference ids of one variant."""
    events: set[str] = set()
    requests: tuple[set[str], set[str]] = (set(), set())
    kept = []
    for index in order.tolist():
        event, request, seen = (
            columns.event[index],
            columns.request[index],
            requests[columns.challenger[index]],
        )
        if event in events:
            counts["duplicate_event_id"] += 1
        elif request in seen:
            counts["duplicate_inference_id"] += 1
        else:
            kept.append(index)
        events.add(event)
        seen.add(request)
    return np.array(kept, dtype=np.int64)


def _broken(predictions: Floats, rows: Indices, asked: Indices, objective: Objective) -> Flags:
    """Which answers are none: a number is missing or infinite, no probability, or there are too few or many."""
    bad = ~np.isfinite(predictions)
    if objective == "binary":
        bad |= ~((predictions >= 0.0) & (predictions <= 1.0))
    owner = np.repeat(np.arange(len(rows)), rows)
    # a capture may leave its input out; then there is nothing to compare the number of predictions with
    miscounted = (asked > 0) & (asked != rows)
    return np.asarray((np.bincount(owner[bad], minlength=len(rows)) > 0) | miscounted, dtype=np.bool_)


def _mix(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 32-bit hashes (the finalizer of SplitMix64), so that like names do not stay neighbours."""
    z = hashes + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _count(answers: Answers, counts: Counter[str]) -> None:
    for name, who in (("champion", ~answers.challenger), ("challenger", answers.challenger)):
        counts[name] = int(who.sum())
        counts[f"{name}_failed"] = int((answers.failed & who).sum())
        counts[f"{name}_client_errors"] = int((answers.refused & who).sum())
        counts[f"{name}_missing_latency"] = int((np.isnan(answers.latency) & who).sum())
