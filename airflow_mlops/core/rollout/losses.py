"""The loss of each answer, once the truth about it is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.rollout.betting import Floats
from airflow_mlops.core.rollout.observations import Answers, seconds
from airflow_mlops.core.rollout.scales import CLIP, Objective, Scale
from airflow_mlops.core.rollout.twosample import Flags, Indices

if TYPE_CHECKING:
    from airflow_mlops.core.serving.capture import GroundTruth

_NOBODY = -1


@dataclass(frozen=True)
class Truth:
    """Labels joined to answers: one entry per labelled row of an answer.

    :param answer: index of the answer.
    :param row: index of the row in it.
    :param label: the truth.
    :param at: when it became known, in seconds since the epoch.
    """

    answer: Indices
    row: Indices
    label: Floats
    at: Floats

    def take(self, chosen: Flags | Indices) -> Truth:
        """Some of the entries."""
        return Truth(self.answer[chosen], self.row[chosen], self.label[chosen], self.at[chosen])


def join_truth(
    labels: Iterable[GroundTruth], answers: Answers, objective: Objective, now: float, counts: Counter[str]
) -> Truth:
    """Join labels to answers by inference id and row; of several labels of a row the latest holds.

    Counts labels that are not numbers (for a binary model: neither 0 nor 1), come from the future, name no
    answer or name a row that the answer does not have.
    """
    one, other = _read(labels, answers, objective, now, counts)
    joined = [_newest(side.take(side.answer != _NOBODY)) for side in (one, other)]
    counts["labels_corrected"] = int((one.answer != _NOBODY).sum()) - len(joined[0].answer)
    both = Truth(
        *(
            np.concatenate([getattr(side, name) for side in joined])
            for name in ("answer", "row", "label", "at")
        )
    )
    # an answer that failed has no predictions, so any of its rows may be named
    fits = (answers.rows[both.answer] == 0) | (both.row < answers.rows[both.answer])
    counts["labels_of_unknown_rows"] = int((~fits).sum())
    both = both.take(fits)
    counts["labelled"] = len(np.unique(both.answer))
    return both


def _read(
    labels: Iterable[GroundTruth], answers: Answers, objective: Objective, now: float, counts: Counter[str]
) -> tuple[Truth, Truth]:
    """The usable labels, once with the index of the first answer they are about and once with the second."""
    ones: list[int] = []
    others: list[int] = []
    rows: list[int] = []
    values: list[float] = []
    times: list[float] = []
    for record in labels:
        one = answers.champions.get(record.inference_id, _NOBODY)
        other = answers.challengers.get(record.inference_id, _NOBODY)
        ones.append(one if one != _NOBODY else other)
        others.append(other if one != _NOBODY else _NOBODY)
        rows.append(record.row)
        values.append(record.label)
        times.append(seconds(record.at))
    label, at = np.array(values, dtype=np.float64), np.array(times, dtype=np.float64)
    # clipped, as a row of 2^70 is no int64
    row = np.array([min(max(one, -1), 2**62) for one in rows], dtype=np.int64)
    sound = np.isfinite(label) & (row >= 0)
    if objective == "binary":
        sound &= (label == 0.0) | (label == 1.0)
    known, due = np.array(ones, dtype=np.int64) != _NOBODY, at <= now
    counts["labels"] = len(label)
    counts["labels_invalid"] = int((~sound).sum())
    counts["labels_after_now"] = int((sound & ~due).sum())
    counts["labels_of_unknown_requests"] = int((sound & due & ~known).sum())
    one_side = Truth(np.array(ones, dtype=np.int64), row, label, at).take(sound & due)
    other_side = Truth(np.array(others, dtype=np.int64), row, label, at).take(sound & due)
    return one_side, other_side


def _newest(truth: Truth) -> Truth:
    """The latest label of each row; of two with the same time the larger one, so that no order of reading matters."""
    ordered = truth.take(np.lexsort((truth.label, truth.at, truth.row, truth.answer)).astype(np.int64))
    same = (ordered.answer[1:] == ordered.answer[:-1]) & (ordered.row[1:] == ordered.row[:-1])
    return ordered.take(np.append(~same, True)[: len(ordered.answer)])


def losses(answers: Answers, truth: Truth, scale: Scale) -> tuple[Floats, Floats]:
    """The loss of each answer in [0, 1] of ``scale``, and when it became known (seconds since the epoch).

    It is the mean over the labelled rows; NaN where nothing is labelled. An answer that is not there is as wrong
    as can be: the loss of a labelled failure is 1.
    """
    size = len(answers.at)
    labelled = np.bincount(truth.answer, minlength=size)
    each = np.ones(len(truth.answer))
    there = answers.rows[truth.answer] > 0
    guess = answers.predictions[(answers.first[truth.answer] + truth.row)[there]]
    each[there] = _row_losses(guess, truth.label[there], scale)
    sums = np.bincount(truth.answer, weights=each, minlength=size)
    loss = np.divide(sums, labelled, out=np.full(size, np.nan), where=labelled > 0)
    known = answers.at.copy()
    np.maximum.at(known, truth.answer, truth.at)
    return np.clip(loss, 0.0, 1.0), known


def _row_losses(guess: Floats, label: Floats, scale: Scale) -> Floats:
    """The loss of each row in [0, 1] of its scale."""
    if scale.kind == "brier":
        return np.asarray((guess - label) ** 2)
    if scale.kind == "log_loss":
        clipped = np.clip(guess, CLIP, 1 - CLIP)
        nats = -np.log(np.where(label == 1.0, clipped, 1 - clipped))
        return np.asarray((nats - scale.low) / scale.span)
    return np.minimum(np.abs(guess - label) / scale.span, 1.0)
