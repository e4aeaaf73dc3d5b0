"""Which sections of a card there is something to say in, and what to do where there is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_mlops.core.card.blocks import Missing
from airflow_mlops.core.card.fields import field, said, several
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.validation.result import ValidationResult

#: What the spec says of an owner that nobody named: Airflow's own default.
_NOBODY = "airflow"


@dataclass(frozen=True)
class Known:
    """What a card is made of when a version is about to be registered.

    :param spec: fields of the spec.
    :param approvals: how many answers there are already; before the registration none.
    :param looks: how many looks of the monitor there are already.
    """

    spec: Mapping[str, Any]
    evaluation: Evaluation
    validation: ValidationResult | None
    approvals: int = 0
    looks: int = 0


def missing(section: str, known: Known) -> Missing | None:
    """What is missing for a section of the card; None where there is something to say.

    A section that is filled later counts as soon as it is planned: ``approvals`` when the spec asks people,
    ``monitoring`` when it has a schedule.
    """
    if section in _WRITTEN:
        return None if said(known.spec, "card", section) else Missing(*_WRITTEN[section])
    check = _CHECKS.get(section)
    return check(known) if check else None


_WRITTEN = {
    "purpose": ("Not said: what it is for", "say card.purpose in the spec"),
    "users": ("Not said: who uses its answers, and how", "say card.users in the spec"),
    "out_of_scope": ("Not said: what it must not be used for", "say card.out_of_scope in the spec"),
    "limits": ("Not said: where it is known to be weak", "say card.limits in the spec"),
    "risks": ("Not said: who can be harmed by a wrong answer", "say card.risks in the spec"),
    "oversight": ("Not said: how people watch it and can overrule it", "say card.oversight in the spec"),
}


def _owner(known: Known) -> Missing | None:
    if said(known.spec, "owner") in ("", _NOBODY) and not said(known.spec, "team"):
        return Missing("Not said: who answers for it", "say owner (or team) and contact in the spec")
    if not said(known.spec, "contact"):
        return Missing("Not said: where to reach the owner", "say contact in the spec")
    return None


def _data_tests(known: Known) -> Missing | None:
    if known.validation is not None and known.validation.expectations:
        return None
    return Missing(
        "Not tested: the data passed no expectation or check", "say validation.expectations in the spec"
    )


def _performance(known: Known) -> Missing | None:
    measured = known.evaluation.metrics and known.evaluation.gates
    return (
        None
        if measured
        else Missing("Not measured: no metric with a gate", "say evaluation.gates in the spec")
    )


def _slices(known: Known) -> Missing | None:
    found = known.evaluation
    if found.slices or (found.search is not None and found.search.looked_at):
        return None
    return Missing(
        "Not measured: how it does in parts of the data",
        "say evaluation.slices or evaluation.search in the spec; a slice needs 50 held-out rows",
    )


def _fairness(known: Known) -> Missing | None:
    if any(len(one.groups) > 1 for one in known.evaluation.fairness):
        return None
    asked = several(known.spec, "evaluation", "groups")
    why = "no two groups are large enough" if asked else "nobody asked which groups to compare"
    return Missing(f"Not measured: {why}", "say evaluation.groups in the spec")


def _ageing(known: Known) -> Missing | None:
    found = known.evaluation.ageing
    if found is not None and found.points:
        return None
    why = f": {found.reason}" if found is not None and found.reason else ": how it gets worse with time"
    return Missing(f"Not measured{why}", "say evaluation.ageing in the spec")


def _approvals(known: Known) -> Missing | None:
    if known.approvals or field(known.spec, "approval") is not None:
        return None
    return Missing("Nobody is asked: it is released by its gates alone", "say approval in the spec")


def _monitoring(known: Known) -> Missing | None:
    if known.looks or said(known.spec, "monitoring", "schedule"):
        return None
    return Missing("Not planned: nobody looks at it regularly", "say monitoring.schedule in the spec")


_CHECKS: dict[str, Callable[[Known], Missing | None]] = {
    "owner": _owner,
    "data_tests": _data_tests,
    "performance": _performance,
    "slices": _slices,
    "fairness": _fairness,
    "ageing": _ageing,
    "approvals": _approvals,
    "monitoring": _monitoring,
}
