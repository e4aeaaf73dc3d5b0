"""When people are asked: the reasons that a spec names, each by what the records say.

What can't be told is a reason: a version that was not compared with the champion may be worse than it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.gates import HIGHER_IS_BETTER, LOWER_IS_BETTER
from airflow_mlops.core.registry.approval.case import Case
from airflow_mlops.core.wording import some

if TYPE_CHECKING:
    from airflow_mlops.spec.governance import Approval, ApprovalRule

#: Longer lists of names are cut.
_MOST_NAMES = 8


def reasons_to_ask(approval: Approval, case: Case) -> tuple[str, ...]:
    """Why people are asked about a version, in words; none when nobody has to be."""
    if approval.when == "always":
        return ("the spec asks people about every version",)
    return tuple(reason for rule in approval.when for reason in _RULES[rule](case))


def worse(metric: str, value: float, champion: float) -> bool:
    """Whether ``value`` of a metric is worse than the champion's; one that is no number is worse than one that is."""
    if not math.isfinite(value) or not math.isfinite(champion):
        return not math.isfinite(value) and math.isfinite(champion)
    if metric in HIGHER_IS_BETTER:
        return value < champion
    return metric in LOWER_IS_BETTER and value > champion


def worse_metrics(values: Mapping[str, float], champion: Mapping[str, float]) -> tuple[str, ...]:
    """Names of the metrics that are worse than the champion's on the same rows."""
    return tuple(name for name in values if name in champion and worse(name, values[name], champion[name]))


def changed_sections(case: Case) -> tuple[str, ...]:
    """Sections of the spec that are not those of the champion; none without a champion."""
    if case.champion is None:
        return ()
    before, now = _whole(case.champion[1].spec), _whole(case.record.spec)
    return tuple(name for name in dict.fromkeys([*now, *before]) if now.get(name) != before.get(name))


def _first(case: Case) -> Iterator[str]:
    if case.champion is None:
        yield "there is no champion yet that it could be compared with"


def _worse(case: Case) -> Iterator[str]:
    if case.champion is None:
        return
    number = case.champion[0]
    if not case.compared:
        yield f"it was not compared with the champion, version {number}"
        return
    found = worse_metrics(case.record.evaluation.metrics, case.record.evaluation.champion or {})
    if found:
        yield f"worse than the champion, version {number}, in {some(found, _MOST_NAMES)}"


def _warnings(case: Case) -> Iterator[str]:
    if case.validation is None:
        yield "nothing has tested its data"
    elif case.validation.failures:
        failed = [one.name for one in case.validation.failures]
        yield f"data tests failed that do not stop a release: {some(failed, _MOST_NAMES)}"


def _slices(case: Case) -> Iterator[str]:
    if case.champion is None:
        return
    number = case.champion[0]
    if not case.compared:
        yield f"its slices were not compared with those of the champion, version {number}"
        return
    slices = case.record.evaluation.slices
    unknown = [one.slice for one in slices if one.champion is None]
    if unknown:
        yield f"slices that were not compared with the champion's: {some(unknown, _MOST_NAMES)}"
    bad = [one.slice for one in slices if one.champion and worse_metrics(one.metrics, one.champion)]
    if bad:
        yield f"worse than the champion, version {number}, in the slices {some(bad, _MOST_NAMES)}"


def _shaped(case: Case) -> Iterator[str]:
    share = case.record.shaped
    if share is None:
        yield "nobody has looked whether answers of earlier versions shaped its data"
    elif share > 0:
        yield f"answers of earlier versions may have shaped up to {share:.0%} of its rows"


def _spec(case: Case) -> Iterator[str]:
    changed = changed_sections(case)
    if changed and case.champion:
        yield f"its spec is not that of the champion, version {case.champion[0]}: {some(changed, _MOST_NAMES)}"


_RULES: dict[ApprovalRule, Callable[[Case], Iterator[str]]] = {
    "first": _first,
    "worse": _worse,
    "warnings": _warnings,
    "slices": _slices,
    "shaped": _shaped,
    "spec": _spec,
}


def _whole(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded spec with the fields that came after it: what is not given counts as its default."""
    from airflow_mlops.spec import ModelSpec

    try:
        return ModelSpec.from_mapping(spec).to_dict()
    except SpecError:  # a record of another release of this package: it is compared as it was written
        return dict(spec)
