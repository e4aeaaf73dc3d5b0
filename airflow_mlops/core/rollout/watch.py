"""Watches one stage of a rollout: takes captured records and labels as they come, and gives a verdict at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.rollout.arrivals import Arrivals
from airflow_mlops.core.rollout.clusters import bucket_of
from airflow_mlops.core.rollout.gating import Levels, judge_gate
from airflow_mlops.core.rollout.labelling import Labels, rows_of
from airflow_mlops.core.rollout.observations import Intake, Window
from airflow_mlops.core.rollout.outcomes import unit_of
from airflow_mlops.core.rollout.ratio import ShareCheck
from airflow_mlops.core.rollout.scales import Objective, scale_of
from airflow_mlops.core.rollout.slices import SliceWatch, columns_of, rows_in
from airflow_mlops.core.rollout.state import GateState
from airflow_mlops.core.rollout.table import Pairing, Table
from airflow_mlops.core.rollout.trace import Trace

if TYPE_CHECKING:
    from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth

#: Counts that stand in every verdict, also when they are 0.
ALWAYS = ("captures", "champion", "challenger", "labels", "labelled", "samples")
#: Points that the trace of a stage gets when all of it comes in one portion, and requests for each of them.
_POINTS, _PER_POINT = 40, 50
#: Of a variant, where its share has to be taken from what was seen.
_LEAST_SHARE = 0.001


@dataclass(frozen=True)
class Rules:
    """What a stage is judged by.

    :param gates: of the stage, in canary with those of the step.
    :param slices: request columns that are watched; ``most``: values of each.
    :param share: the challenger's share of the requests in canary; 0 when it is not known, then the one that was seen
        is taken, and it can't be checked.
    """

    gates: tuple[Gate, ...]
    objective: Objective
    alpha: float
    slices: tuple[str, ...] = ()
    most: int = 20
    share: float = 0.0


class StageWatch:
    """All that was seen of one stage, in constant memory apart from answers that wait for a partner or a label.

    Feed it portions of records in the order in which they arrive; the error probabilities of its findings hold for all
    looks together, however often one looks.
    """

    def __init__(self, window: Window, rules: Rules) -> None:
        self.rules, self.window = rules, window
        self.paired = window.stage != "canary"
        self.counts: Counter[str] = Counter(dict.fromkeys(ALWAYS, 0))
        self.levels = Levels.split(rules.alpha, len(rules.gates), len(rules.slices) * rules.most)
        columns = columns_of(rules.gates, rules.slices)
        self._intake = Intake(window, rules.objective, columns, self.counts)
        self._pairs, self._row_pairs = Pairing(), Pairing()
        self._arrivals = Arrivals()
        self._labels = Labels(rules.objective, self.counts)
        share = rules.share or 0.5
        self._states = [self._state(gate, share) for gate in rules.gates]
        self._watches = [self._slices(gate, share) for gate in rules.gates]
        #: What the gates said last; None once something has come since.
        self._results: tuple[GateResult, ...] | None = None
        self._units = [unit_of(state.scale) for state in self._states]
        self.share = None if self.paired else ShareCheck(share)
        self._share_is_known = rules.share > 0
        self.trace = Trace(tuple((state.gate.name, state.limit_in_unit) for state in self._states))

    def feed(self, captures: Iterable[CaptureRecord], labels: Iterable[GroundTruth], now: float) -> None:
        """Take records and labels that are new; those from after ``now`` wait for their time.

        :param now: seconds since the epoch.
        """
        answers, predictions = self._intake.take(captures, now)
        answers["elapsed"] = answers["at"] - self.window.started
        answers["known"] = answers["at"]
        rows = rows_of(answers, predictions) if self.judges_rows else Table()
        if self.judges_rows:
            self._labels.expect(rows)
        if not self.paired:
            horizon = self._arrivals.horizon(answers, now)
            answers = self._arrivals.due("request", answers, horizon)
            rows = self._arrivals.due("row", rows, horizon) if self.judges_rows else rows
        requests = self._requests(answers)
        labelled = None
        if self.judges_rows:
            rows = self._rows(rows)
            labelled = self._labels.add(rows, labels, now)
        self._fold({"request": requests, "row": rows, "label": labelled})
        self._labels.count_strangers(self._intake.requests)

    @property
    def judges_rows(self) -> bool:
        """Whether some gate is about rows or their labels; otherwise ground truth need not be read."""
        return bool(set(self._units) & {"row", "label"})

    @property
    def mismatch(self) -> bool:
        """Whether the challenger surely gets another share of the traffic than the hash is to give it."""
        return self.share is not None and self._share_is_known and self.share.mismatch

    def results(self) -> tuple[GateResult, ...]:
        """What each gate says now."""
        if self._results is None:
            self._estimate_share()
            self._results = tuple(
                judge_gate(state, self.levels.fail, self.levels.accept) for state in self._states
            )
        return self._results

    def slices(self) -> tuple[GateResult, ...]:
        """The slices that failed; while none has, the one of each gate that is nearest to failing."""
        if not self.levels.slice:
            return ()
        self._estimate_share()
        found = [
            result
            for watch in self._watches
            if watch is not None
            for result in watch.judge(self.levels.slice, self._intake.codes)
        ]
        failed = tuple(result for result in found if result.outcome == "fail")
        return failed or tuple(found)

    def _estimate_share(self) -> None:
        if self.share is None or self._share_is_known:
            return
        seen = min(max(self.share.seen, _LEAST_SHARE), 1.0 - _LEAST_SHARE)
        for state in self._states:
            state.share = seen
        for watch in self._watches:
            if watch is not None:
                watch.share = seen

    def _state(self, gate: Gate, share: float) -> GateState:
        return GateState(gate, scale_of(gate, self.rules.objective), paired=self.paired, share=share)

    def _slices(self, gate: Gate, share: float) -> SliceWatch | None:
        if not self.rules.slices or gate.slice is not None:
            return None
        scale = scale_of(gate, self.rules.objective)
        return SliceWatch(gate, scale, self.rules.slices, self.rules.most, paired=self.paired, share=share)

    def _requests(self, answers: Table) -> Table:
        """One row per request that is judged: an answer in canary, a pair of answers before."""
        if not self.paired:
            fair = ~answers["refused"]
            self.counts["samples"] += int((answers["mine"] & fair).sum())
            if self.share is not None:
                self.share.add(answers["mine"], bucket_of(answers["key"]))
            return answers
        pairs = _side_by_side(self._pairs, answers)
        self.counts["pairs"] += pairs.rows
        self.counts["unpaired"] = sum(self._pairs.waiting)
        self.counts["samples"] += int((~pairs["champion:refused"]).sum())
        return pairs

    def _rows(self, rows: Table) -> Table:
        return _side_by_side(self._row_pairs, rows) if self.paired else rows

    def _fold(self, tables: dict[str, Table | None]) -> None:
        """Fold a portion in steps of equal time, so that the trace shows how the evidence grew.

        A portion that spans the whole stage so far has as many steps as the trace shows well, a short one has one.
        """
        there = [table for table in tables.values() if table is not None and table.rows]
        if not there:
            return
        known = np.concatenate([table["known"] for table in there])
        first, last = float(known.min()), float(known.max())
        whole = max(last - min(first, self.window.started), 1e-9)
        steps = max(1, min(round(_POINTS * (last - first) / whole), len(known) // _PER_POINT))
        edges = [*np.linspace(first, last, steps + 1)[1:-1].tolist(), np.inf]
        for after, until in zip([-np.inf, *edges], edges, strict=False):
            self._fold_between(tables, after, until)
            self.trace.add(min(until, last) - self.window.started, self.results())

    def _fold_between(self, tables: dict[str, Table | None], after: float, until: float) -> None:
        for state, watch, unit in zip(self._states, self._watches, self._units, strict=True):
            table = tables[unit]
            if table is None or not table.rows:
                continue
            part = table.take((table["known"] > after) & (table["known"] <= until))
            if not part.rows:
                continue
            mine = rows_in(state.gate, part, self._intake.codes)
            self._results = None
            state.fold(part if mine is None else part.take(mine))
            if watch is not None:
                watch.fold(part)


def _side_by_side(pairing: Pairing, answers: Table) -> Table:
    """The champion's columns beside the challenger's, for what both have answered."""
    champion, challenger = pairing.add(answers.take(~answers["mine"]), answers.take(answers["mine"]))
    known = np.maximum(champion["known"], challenger["known"])
    return Table({**challenger, **champion.prefixed("champion:"), "known": known})
