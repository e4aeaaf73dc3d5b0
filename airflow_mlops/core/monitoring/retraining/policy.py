"""From evidence to a decision: do these facts ask for retraining?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.monitoring.look import Cause, Reason, RetrainDecision
from airflow_mlops.core.monitoring.retraining.facts import Facts
from airflow_mlops.core.monitoring.retraining.restraint import restraint_of
from airflow_mlops.core.wording import some, span

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec, Retrain

#: Columns that are named in a line; the others are counted.
_NAMED = 3


@dataclass(frozen=True)
class _Finding:
    """One cause that was looked at, with its numbers in words, and whether it is there."""

    cause: Cause
    there: bool
    said: str
    columns: tuple[str, ...] = ()


def decide(spec: ModelSpec, facts: Facts) -> RetrainDecision:
    """Whether to ask for retraining: there is a cause, and nothing holds the request back.

    A pure function of its arguments. Without a champion there is nothing to retrain.
    """
    shaped = facts.new.shaped if facts.new is not None else None
    if facts.drift.champion is None:
        return RetrainDecision(retrain=False, said="no request: no version of the model is champion")
    findings = _findings(spec, facts)
    numbers = "; ".join(one.said for one in findings)
    if facts.new is not None and facts.new.shaped is not None:
        numbers += f"; shaped by own answers at most {facts.new.shaped:.0%} of the new rows"
    reasons = tuple(
        Reason(cause=one.cause, said=one.said, columns=one.columns) for one in findings if one.there
    )
    if not reasons:
        return RetrainDecision(retrain=False, said=f"no reason to retrain: {numbers}", shaped=shaped)
    held = restraint_of(spec, facts)
    if held is None:
        return RetrainDecision(retrain=True, reasons=reasons, said=f"retrain: {numbers}", shaped=shaped)
    restraint, why = held
    said = f"no request, {why}; the evidence: {numbers}"
    return RetrainDecision(retrain=False, reasons=reasons, restraint=restraint, said=said, shaped=shaped)


def _findings(spec: ModelSpec, facts: Facts) -> list[_Finding]:
    retrain = spec.monitoring.retrain
    found = (_drift(retrain, facts), _performance(facts), _age(retrain, facts), _new_data(retrain, facts))
    return [one for one in found if one is not None]


def _drift(retrain: Retrain, facts: Facts) -> _Finding:
    """Of the newest n windows, k count: by the share of all drifted columns, or by one important one."""
    report = facts.drift
    important = {one.column for one in report.columns if one.importance >= retrain.important}

    def counts(outcome: str, share: float, columns: Sequence[str]) -> bool:
        return outcome == "drift" and (share >= retrain.drift_share or not important.isdisjoint(columns))

    windows = [(report.outcome, report.share, report.drifted)]
    windows += [(one.outcome, one.share, one.columns) for one in facts.looks[: retrain.of - 1]]
    number = sum(counts(*window) for window in windows)
    columns = report.drifted or next((one for outcome, _, one in windows if outcome == "drift"), ())
    heavy = [name for name in report.drifted if name in important]
    said = (
        f"drift counts in {number} of the newest {len(windows)} windows, {retrain.windows} of {retrain.of} ask; "
        f"now {_now(report.outcome, report.share)} of the importance drifted (drift_share {retrain.drift_share:.0%})"
    )
    if heavy:
        weight = {one.column: one.importance for one in report.columns}
        told = ", ".join(f"{name} {weight[name]:.0%}" for name in heavy[:_NAMED])
        said += f", important are {told} (important {retrain.important:.0%})"
    elif report.drifted:
        said += f": {some(report.drifted, _NAMED)}"
    return _Finding("drift", number >= retrain.windows, said, tuple(columns))


def _performance(facts: Facts) -> _Finding | None:
    report = facts.performance
    if report is None or not report.gates:
        return None
    how = report.judged_on or "not judged"
    failed = report.failed
    if failed:
        told = ", ".join(f"{one.gate.name}: {one.reason}" for one in failed)
        return _Finding("performance", True, f"performance ({how}) fails {told}")
    undecided = sum(not one.passed for one in report.gates)
    more = f", {undecided} undecided" if undecided else ""
    return _Finding(
        "performance", False, f"performance ({how}) fails none of {len(report.gates)} gates{more}"
    )


def _age(retrain: Retrain, facts: Facts) -> _Finding | None:
    if retrain.max_age is None or facts.trained is None:
        return None
    age = facts.now - facts.trained
    return _Finding(
        "age",
        age >= retrain.max_age,
        f"version {facts.drift.champion} was trained {span(age)} ago (max_age {span(retrain.max_age)})",
    )


def _new_data(retrain: Retrain, facts: Facts) -> _Finding | None:
    if retrain.min_new_rows is None:
        return None
    limit = f"(min_new_rows {retrain.min_new_rows:,})"
    if facts.new is None:
        return _Finding("new data", False, f"new labelled rows unknown {limit}")
    return _Finding("new data", facts.new.rows >= retrain.min_new_rows, f"{facts.new.said} {limit}")


def _now(outcome: str, share: float) -> str:
    return "an unknown share" if outcome == "inconclusive" else f"{share:.0%}"
