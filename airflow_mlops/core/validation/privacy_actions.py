"""From what was found to what is done: which action holds for a column, and which the model can't bear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import SensitiveDataFound, SpecError
from airflow_mlops.core.validation.checks_unique import known_columns
from airflow_mlops.core.validation.privacy_finding import Findings, Protection
from airflow_mlops.core.wording import some
from airflow_mlops.spec.data import SensitiveAction

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

#: Of several kinds in a column the strictest action holds.
_ORDER: tuple[SensitiveAction, ...] = ("allow", "warn", "hash", "drop", "block")
_SHOWN = 5


def check_columns(spec: ModelSpec, version: DatasetVersion) -> None:
    """Refuse what can be refused before data are read.

    :raises SpecError: if ``privacy.columns`` names an unknown column, or drops or hashes what the model needs.
    """
    privacy = spec.privacy
    if privacy is None:
        return
    known_columns("privacy.columns", tuple(privacy.columns), version)
    for column, action in privacy.columns.items():
        _check_needed(spec, column, action, f"privacy.columns.{column}")


def decide(spec: ModelSpec, version: DatasetVersion, found: Findings) -> tuple[Protection, ...]:
    """What is done about each column, in their order; those that are left as they are without a word do not stand here.

    A column that the spec names has that action: ``drop`` and ``hash`` whatever was found, the others if something
    was. Otherwise the strictest action of its kinds.

    :raises SpecError: if what the model needs would be dropped or hashed.
    """
    privacy = spec.privacy
    if privacy is None:
        return ()
    done: list[Protection] = []
    action: SensitiveAction
    for column in version.columns:
        findings = [one for one in found.findings if one.column == column.name]
        actions = [privacy.kinds.get(one.kind, privacy.action) for one in findings]
        named = privacy.columns.get(column.name)
        if named is not None and (findings or named in ("drop", "hash")):
            actions = [named]
        action = max(actions, key=_ORDER.index, default="allow")
        if action == "allow":
            continue
        kinds = tuple(one.kind for one in findings)
        _check_needed(spec, column.name, action, f"privacy, because {column.name} holds {', '.join(kinds)}")
        done.append(Protection(column=column.name, action=action, kinds=kinds))
    return tuple(done)


def refuse(found: Findings, done: tuple[Protection, ...]) -> None:
    """Stop where a column is to be blocked. :raises SensitiveDataFound: naming columns and kinds, examples masked."""
    blocked = {one.column for one in done if one.action == "block"}
    if not blocked:
        return
    told = [one.words for one in found.findings if one.column in blocked]
    raise SensitiveDataFound(
        f"{found.dataset.name}@{found.dataset.id} holds sensitive data: {some(told, _SHOWN, '; ')}",
        remedy="say drop, hash, warn or allow in privacy.columns or privacy.kinds",
    )


def _check_needed(spec: ModelSpec, column: str, action: SensitiveAction, place: str) -> None:
    use = next((use for name, use in _needs(spec, action) if name == column), None)
    if use is None:
        return
    why = "" if action == "drop" else ": requests carry values, not hashes" if "features" in use else ""
    raise SpecError(
        f"{place}: can't {action} {column}, which is {use}{why}",
        remedy="take it out of the model, or allow it in privacy.columns",
    )


def _needs(spec: ModelSpec, action: SensitiveAction) -> Iterator[tuple[str, str]]:
    """Columns that the model can't do without once ``action`` was done, and what for."""
    if action not in ("drop", "hash"):
        return
    yield spec.data.event_time, "data.event_time"
    yield spec.data.label, "data.label"
    for name in spec.features.columns:
        yield name, "in features.columns"
    if action == "hash":
        return  # a hash still tells rows and groups apart
    for join in spec.data.joins:
        for name in join.by:
            yield name, "in data.joins.by"
    if spec.data.id is not None:
        yield spec.data.id, "data.id"
    for name in (*spec.evaluation.slices, *spec.evaluation.groups):
        yield name, "in evaluation.slices or evaluation.groups"
    drift = spec.validation.drift
    for name in (*spec.validation.unique, *(drift.columns if drift else ())):
        yield name, "in validation.unique or validation.drift.columns"
