"""Which expectations to test: a suite file of Great Expectations 1.x, the short list of the spec, or both.

Everything that can be wrong with an expectation is found here, before any data is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import PlatformError, SpecError
from airflow_mlops.core.validation.result import Severity

if TYPE_CHECKING:
    from airflow_mlops.spec import Validation

_COLUMN_FIELDS = ("column", "column_A", "column_B", "column_list")
_ROW_COUNTS = ("expect_table_row_count_to_equal", "expect_table_row_count_to_be_between")
#: Fields that GX gives every expectation and that are ours to set, or that say nothing about the data.
_NOT_ARGUMENTS = frozenset(
    {
        "batch_id",
        "catch_exceptions",
        "description",
        "id",
        "meta",
        "notes",
        "rendered_content",
        "result_format",
        "severity",
        "windows",
    }
)
_SEVERITY: dict[str, Severity] = {"critical": "fail", "warning": "warn", "info": "warn"}
_GX_SEVERITY = {"fail": "critical", "warn": "warning"}


@dataclass(frozen=True)
class Planned:
    """One expectation that is to be tested.

    :param expectation: the object of Great Expectations.
    :param place: where it was written, for error messages.
    """

    expectation: Any
    severity: Severity
    place: str

    @property
    def type(self) -> str:
        """Its name in snake case."""
        return str(self.expectation.expectation_type)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values it judges; empty for one that judges the table."""
        named: list[str] = []
        for field in _COLUMN_FIELDS:
            if field in self.expectation.domain_keys:
                value = getattr(self.expectation, field)
                named += [value] if isinstance(value, str) else value
        return tuple(named)

    @property
    def row_condition(self) -> Any:
        """Which rows it judges, in terms of any columns; None for all."""
        return getattr(self.expectation, "row_condition", None)

    @property
    def arguments(self) -> dict[str, Any]:
        """What was asked of the values: its own arguments that were set, without the columns."""
        ours = _NOT_ARGUMENTS | set(_COLUMN_FIELDS if self.columns else ())
        return {
            name: value
            for name, value in self.expectation.dict(exclude_unset=True).items()
            if name not in ours
        }


def plan(root: DataRoot, validation: Validation) -> tuple[Planned, ...]:
    """The expectations of the suite file, then those of the short list.

    :raises SpecError: for an unknown expectation or a wrong argument (naming it and close matches), or a file
        that is no suite.
    :raises DataError: if the suite file can't be read.
    :raises PlatformError: if Great Expectations is not installed.
    """
    entries = list(_of_file(root, validation.suite)) if validation.suite else []
    for number, one in enumerate(validation.expectations):
        fields = {"severity": _GX_SEVERITY[one.severity]}
        entries.append((f"validation.expectations.{number}", one.type, one.arguments, fields))
    return tuple(_build(*entry) for entry in entries)


def bind(planned: Sequence[Planned], version: DatasetVersion) -> tuple[Planned, ...]:
    """The same expectations, fitted to the columns of a version.

    Limits in time get the column's zone: both are UTC, but pandas compares no aware time with a naive one.

    :raises SpecError: if an expectation names a column that the version does not have.
    """
    kinds = {column.name: column.type for column in version.columns}
    for one in planned:
        missing = [name for name in one.columns if name not in kinds]
        if missing and one.type != "expect_column_to_exist":
            near = get_close_matches(missing[0], kinds, n=3, cutoff=0.5)
            raise SpecError(
                f"{one.place}: {one.type} names a column that {version.name}@{version.id} does not have",
                given=", ".join(missing),
                expected=f"close: {', '.join(near)}" if near else f"one of {', '.join(list(kinds)[:30])}",
            )
    return tuple(_with_zone(one, kinds) for one in planned)


def columns_to_read(planned: Sequence[Planned], version: DatasetVersion) -> list[str] | None:
    """The columns that the expectations look at; None when one may look at all of them."""
    wanted = {version.event_time}
    for one in planned:
        if one.row_condition or not (one.columns or one.type in _ROW_COUNTS):
            return None
        wanted.update(one.columns)
    return [column.name for column in version.columns if column.name in wanted]


def _of_file(root: DataRoot, path: str) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    place = f"suite {path}"
    try:
        suite = json.loads(root.read_bytes(path))
    except ValueError as error:
        raise SpecError(f"{place} is not JSON", given=str(error)) from None
    entries = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(entries, list):
        raise SpecError(
            f"{place} is no suite of Great Expectations", expected="an object with a list expectations"
        )
    for number, entry in enumerate(entries):
        where = f"{place}, expectations.{number}"
        kind, arguments = (
            (entry.get("type"), entry.get("kwargs", {})) if isinstance(entry, dict) else (None, {})
        )
        if not isinstance(kind, str) or not isinstance(arguments, dict):
            raise SpecError(
                f"{where} is no expectation of Great Expectations 1.x",
                given=json.dumps(entry)[:120],
                expected='{"type": "expect_...", "kwargs": {...}}',
                remedy="a suite of a 0.x release (expectation_type) has to be saved again by GX 1.x",
            )
        arguments = {name: value for name, value in arguments.items() if name not in _NOT_ARGUMENTS}
        fields = {name: entry[name] for name in ("severity", "notes", "description") if entry.get(name)}
        yield where, kind, arguments, fields


def _build(place: str, kind: str, arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> Planned:
    cls = _class_of(kind, place)
    allowed = sorted(set(cls.__fields__) - _NOT_ARGUMENTS)
    for name in arguments:
        if name not in allowed:
            near = get_close_matches(name, allowed, n=2)
            raise SpecError(
                f"{place}: {kind} has no argument {name}",
                expected=f"close: {', '.join(near)}" if near else ", ".join(allowed),
            )
    from great_expectations.compatibility.pydantic import ValidationError

    try:
        expectation = cls(**arguments, **fields)
    except (ValidationError, TypeError, ValueError) as error:
        raise SpecError(f"{place}: {kind} is wrong: {_one_line(error)}", given=_shown(arguments)) from None
    return Planned(expectation, _SEVERITY[expectation.severity.value], place)


def _class_of(kind: str, place: str) -> Any:
    try:
        import great_expectations  # noqa: F401 - fills the registry
        from great_expectations.expectations.registry import (
            get_expectation_impl,
            list_registered_expectation_implementations,
        )
    except ImportError:
        raise PlatformError(
            "expectations need Great Expectations 1.x", remedy="pip install 'airflow-mlops[gx]'"
        ) from None
    known = list_registered_expectation_implementations()
    if kind not in known:
        near = get_close_matches(kind, known, n=3)
        raise SpecError(
            f"{place}: expectation {kind} is unknown",
            expected=f"close: {', '.join(near)}"
            if near
            else "the name of an expectation of Great Expectations 1.x",
        )
    return get_expectation_impl(kind)


def _one_line(error: Exception) -> str:
    """GX's own report without its repetitions: a field of several types says why it fits none of them."""
    messages: dict[str, list[str]] = {}
    for one in error.errors() if hasattr(error, "errors") else ():
        place = ".".join(str(part) for part in one["loc"] if part != "__root__")
        messages.setdefault(place, []).append(one["msg"])
    if not messages:
        return " ".join(str(error).split())
    parts = [f"{place}: {' or '.join(told[:2])}" if place else told[0] for place, told in messages.items()]
    return " | ".join(" ".join(part.split()) for part in parts)


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())[:200]


def _with_zone(one: Planned, kinds: Mapping[str, str]) -> Planned:
    kind = kinds.get(getattr(one.expectation, "column", None) or "", "")
    if not kind.startswith(("timestamp", "date")):
        return one
    limits = {name: getattr(one.expectation, name, None) for name in ("min_value", "max_value")}
    changed = {
        name: _in_zone(value, "tz=" in kind) for name, value in limits.items() if isinstance(value, date)
    }
    return replace(one, expectation=one.expectation.copy(update=changed)) if changed else one


def _in_zone(limit: date, aware: bool) -> datetime:
    moment = limit if isinstance(limit, datetime) else datetime.combine(limit, time())
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    moment = moment.astimezone(timezone.utc)
    return moment if aware else moment.replace(tzinfo=None)
