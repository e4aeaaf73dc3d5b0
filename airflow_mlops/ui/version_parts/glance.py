"""A version in a few lines: one for each thing that people ask first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_mlops.core.card.blocks import Look
from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.evaluation.page_sections import number
from airflow_mlops.core.wording import day, line, moment
from airflow_mlops.ui.version_parts.data_change import in_a_line

_APPROVALS: dict[str, tuple[str, Look | None]] = {
    "approved": ("Approved", "pass"),
    "rejected": ("Rejected", "fail"),
    "expired": ("Expired", "fail"),
    "not_needed": ("Not needed", None),
}
_REPRODUCED: dict[str, tuple[str, Look | None]] = {
    "identical": ("Identical", "pass"),
    "equal": ("Equal", "pass"),
    "different": ("Different", "fail"),
    "impossible": ("Impossible", "fail"),
}
_LOOKS: dict[str, tuple[str, Look | None]] = {"drift": ("Drift", "fail"), "stable": ("Stable", "pass")}
_METRICS = 3


@dataclass(frozen=True)
class Line:
    """One line.

    :param section: key of the section of the page that says more.
    :param word: the outcome, in the colour of ``look``; without one it is neither good nor bad.
    """

    section: str
    heading: str
    word: str
    look: Look | None
    said: str


def glance(dossier: Dossier, before: tuple[int, DatasetVersion] | None) -> tuple[Line, ...]:
    """The lines.

    :param before: number and data of the version before it, None where there is none to compare with.
    """
    return (
        _data(dossier, before),
        _tests(dossier),
        _evaluation(dossier),
        _approval(dossier),
        *_watched(dossier),
        _reproduced(dossier),
    )


def _data(dossier: Dossier, before: tuple[int, DatasetVersion] | None) -> Line:
    version = dossier.trail.dataset
    if version is None:
        return Line("data", "Data", "Gone", "fail", "the record of its data is not in the store")
    told = f"{day(version.first_event)} to {day(version.last_event)}"
    if before is not None:
        told += f"; beside version {before[0]}: {in_a_line(before[1], version)}"
    return Line("data", "Data", f"{version.rows:,} rows", None, told)


def _tests(dossier: Dossier) -> Line:
    result = dossier.validation
    if result is None:
        if dossier.record.validation:
            return Line("tests", "Data tests", "Not known", "fail", "their result can't be read")
        return Line("tests", "Data tests", "None", None, "nobody asked for a test")
    if not result.success:
        return Line("tests", "Data tests", "Stopped", "fail", line(result.reason, 160))
    return Line("tests", "Data tests", "Passed", "pass", line(result.reason, 160))


def _evaluation(dossier: Dossier) -> Line:
    found = dossier.record.evaluation
    passed = sum(one.passed for one in found.gates)
    word = f"{passed:,} of {len(found.gates):,} gates passed"
    names = dict.fromkeys([*(one.gate.metric for one in found.gates), *found.metrics])
    rival = found.champion or {}
    told = [
        f"{line(name, 40)} {number(found.metrics[name])}"
        + (f" (champion {number(rival[name])})" if name in rival else "")
        for name in names
        if name in found.metrics
    ]
    look: Look = "pass" if found.passed else "fail"
    return Line("evaluation", "Evaluation", word, look, ", ".join(told[:_METRICS]))


def _approval(dossier: Dossier) -> Line:
    if not dossier.approvals:
        return Line("approvals", "Approval", "None", None, "nobody was asked")
    last = dossier.approvals[-1]
    word, look = _APPROVALS.get(last.outcome, (last.outcome, "inconclusive"))
    return Line("approvals", "Approval", word, look, f"{line(last.reason, 160)}, {moment(last.at)}")


def _watched(dossier: Dossier) -> Iterator[Line]:
    if not dossier.looks:
        return
    last = dossier.looks[-1]
    word, look = _LOOKS.get(last.outcome, ("Undecided", "inconclusive"))
    if last.failed_gates:
        word, look = f"{word}, a gate failed", "fail"
    metrics = ", ".join(
        f"{line(name, 40)} {number(value)}" for name, value in list(last.metrics.items())[:_METRICS]
    )
    told = f"{moment(last.since)} to {moment(last.until)}{': ' + metrics if metrics else ''}"
    yield Line("traffic", "Last look", word, look, told)


def _reproduced(dossier: Dossier) -> Line:
    if not dossier.reproductions:
        return Line("reproductions", "Reproduced", "Never", None, "nobody has built it again yet")
    last = dossier.reproductions[-1]
    word, look = _REPRODUCED.get(last.outcome, (last.outcome, "inconclusive"))
    return Line("reproductions", "Reproduced", word, look, f"{line(last.reason, 160)}, {moment(last.at)}")
