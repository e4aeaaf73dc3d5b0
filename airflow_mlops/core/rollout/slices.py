"""Slices of the traffic: a model that is fine on average and bad for one carrier is caught.

Each gate is also judged on every value of the watched columns. A slice can only stop a challenger, never pass it; its
level is split over all slices that may come (Bonferroni), so watching many does not stop good models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.evaluation.conditions import single_value
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.rollout.betting import Flags
from airflow_mlops.core.rollout.gating import judge_gate
from airflow_mlops.core.rollout.scales import Scale
from airflow_mlops.core.rollout.state import GateState
from airflow_mlops.core.rollout.table import Table

Codes = Mapping[str, Mapping[str, int]]


def columns_of(gates: Sequence[Gate], watched: Sequence[str]) -> tuple[str, ...]:
    """The request columns that the slices of gates and the watched slices need."""
    named = [_condition(gate.slice)[0] for gate in gates if gate.slice is not None]
    return tuple(dict.fromkeys([*watched, *named]))


def _condition(text: str) -> tuple[str, str]:
    """Column and value of a gate's slice. :raises SpecError: for a range, or for more than one condition."""
    found = single_value(text)
    if found is None:
        raise SpecError("not a slice of live traffic", given=text, expected="one column=value")
    return found


def rows_in(gate: Gate, table: Table, codes: Codes) -> Flags | None:
    """The rows of a gate's own slice; None when it has none."""
    if gate.slice is None:
        return None
    column, value = _condition(gate.slice)
    return np.asarray(table[f"slice:{column}"] == codes[column].get(value, -2), dtype=np.bool_)


@dataclass
class _Watched:
    column: str
    code: int
    state: GateState


class SliceWatch:
    """One gate on each value of the watched columns.

    :param most: values per column, in the order of appearance; later ones are not watched.
    :ivar share: the challenger's share of the requests, in (0, 1).
    """

    def __init__(
        self, gate: Gate, scale: Scale, columns: Sequence[str], most: int, *, paired: bool, share: float
    ) -> None:
        self._gate, self._scale, self._columns, self._most = gate, scale, columns, most
        self._paired, self.share = paired, share
        self._states: dict[tuple[str, int], GateState] = {}

    def fold(self, table: Table) -> None:
        """Add observations, in the order in which they became known."""
        for column in self._columns:
            codes = table[f"slice:{column}"]
            for code in np.unique(codes[(codes >= 0) & (codes < self._most)]).tolist():
                state = self._states.get((column, code))
                if state is None:
                    state = GateState(self._gate, self._scale, paired=self._paired, share=self.share)
                    self._states[column, code] = state
                state.fold(table.take(codes == code))

    def judge(self, level: float, codes: Codes) -> tuple[GateResult, ...]:
        """The slices that failed at ``level``; while none has, the one that is nearest to failing."""
        for state in self._states.values():
            state.share = self.share
        ranked = sorted(
            ((state.log_e_value(), place) for place, state in self._states.items() if state.samples),
            key=lambda one: (-one[0], one[1]),
        )
        threshold = -np.log(level)
        chosen = [place for value, place in ranked if value >= threshold] or [
            place for _, place in ranked[:1]
        ]
        return tuple(self._result(place, level, codes) for place in chosen)

    def _result(self, place: tuple[str, int], level: float, codes: Codes) -> GateResult:
        column, code = place
        value = next(text for text, number in codes[column].items() if number == code)
        state = self._states[place]
        state.gate = self._gate.model_copy(update={"slice": f"{column}={value}"})
        return judge_gate(state, level, level)
