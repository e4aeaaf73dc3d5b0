"""Rows of answers, and the truth about them: late, out of order, corrected, or never there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.rollout.betting import Floats
from airflow_mlops.core.rollout.observations import hashes, row_ids, seconds
from airflow_mlops.core.rollout.scales import Objective
from airflow_mlops.core.rollout.table import Pairing, Seen, Table

if TYPE_CHECKING:
    from airflow_mlops.core.serving.capture import GroundTruth


def rows_of(answers: Table, predictions: Floats) -> Table:
    """One row for each row of each request; an answer that failed has no prediction (NaN) for any of them.

    :param predictions: of all answers, one behind the other; ``first`` and ``rows`` say whose is which.
    """
    asked = answers["asked"]
    answer = np.repeat(np.arange(answers.rows), asked)
    row = np.arange(len(answer)) - np.repeat(np.cumsum(asked) - asked, asked)
    there = answers["rows"][answer] > 0
    guess = np.full(len(answer), np.nan)
    guess[there] = predictions[(answers["first"][answer] + row)[there]]
    kept = {name: answers[name][answer] for name in answers if name not in ("id", "asked", "rows", "first")}
    return Table(id=row_ids(answers["id"][answer], row), prediction=guess, **kept)


class Labels:
    """Joins labels to rows, in any portions and any order.

    Of several labels of a row in one portion the latest holds. One that comes after the row was judged is counted as
    corrected: evidence that was looked at is not taken back.

    :param counts: gets what could not be used, by reason.
    """

    def __init__(self, objective: Objective, counts: Counter[str]) -> None:
        self._objective, self._counts = objective, counts
        self._pairing = Pairing()
        self._rows, self._labelled = Seen(), Seen()
        self._later: list[GroundTruth] = []

    def expect(self, rows: Table) -> None:
        """Tell of rows that were answered, though they may be added later: labels for them are no strangers."""
        self._rows.fresh(rows["id"])

    def add(self, rows: Table, labels: Iterable[GroundTruth], now: float) -> Table:
        """Add new rows and labels; return the rows whose truth is known now, with ``label``.

        Labels from after ``now`` wait for their time.
        """
        truth = self._read(labels, now)
        rows, known = self._pairing.add(rows, truth)
        self._counts["labelled"] += rows.rows
        joined = Table({**rows, "label": known["label"], "known": np.maximum(rows["known"], known["at"])})
        return joined.take(np.argsort(joined["known"], kind="stable").astype(np.int64))

    def count_strangers(self, requests: Seen) -> None:
        """Count the labels that wait for a row nobody has seen. :param requests: all that were seen."""
        waiting = self._pairing.right
        if waiting is None or not waiting.rows:
            known, strange = 0, 0
        else:
            asked = requests.holds(waiting["request"])
            strange = int((~asked).sum())
            known = int((asked & ~self._rows.holds(waiting["id"])).sum())
        self._counts["labels_of_unknown_requests"] = strange
        self._counts["labels_of_unknown_rows"] = known

    def _read(self, labels: Iterable[GroundTruth], now: float) -> Table:
        records = [*self._later, *labels]
        self._counts["labels"] += len(records) - len(self._later)
        at = np.fromiter((seconds(one.at) for one in records), dtype=np.float64, count=len(records))
        self._later = [one for one, due in zip(records, at <= now, strict=True) if not due]
        label = np.array([one.label for one in records], dtype=np.float64)
        # clipped, as a row of 2^70 is no int64
        row = np.array([min(max(one.row, -1), 2**62) for one in records], dtype=np.int64)
        sound = np.isfinite(label) & (row >= 0)
        if self._objective == "binary":
            sound &= (label == 0.0) | (label == 1.0)
        self._counts["labels_after_now"] = len(self._later)
        self._counts["labels_invalid"] += int((~sound & (at <= now)).sum())
        request = hashes([one.inference_id for one in records])
        table = Table(id=row_ids(request, row), request=request, at=at, label=label)
        return self._newest(table.take(sound & (at <= now)))

    def _newest(self, truth: Table) -> Table:
        """The latest label of each row (ties: the larger one, so that no order of reading matters), if it is the
        first that comes.
        """
        ordered = truth.take(np.lexsort((truth["label"], truth["at"], truth["id"])).astype(np.int64))
        last = np.append(ordered["id"][1:] != ordered["id"][:-1], True)[: ordered.rows]
        newest = ordered.take(last)
        fresh = self._labelled.fresh(newest["id"])
        self._counts["labels_corrected"] += int((~last).sum()) + int((~fresh).sum())
        return newest.take(fresh)
