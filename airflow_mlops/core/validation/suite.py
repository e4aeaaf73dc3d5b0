"""Which expectations to test: a suite file of Great Expectations 1.x, the short list of the spec, or both.

Everything that can be wrong with an expectation is found here, before any data is read. Great Expectations is imported
only for expectations that :mod:`~airflow_mlops.core.validation.known` does not recognise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.validation.gx_build import NOT_ARGUMENTS, build
from airflow_mlops.core.validation.known import level_of, recognise
from airflow_mlops.core.validation.result import Severity, named

if TYPE_CHECKING:
    from airflow_mlops.spec import Validation

_COLUMN_FIELDS = ("column", "column_A", "column_B", "column_list")
_ROW_COUNTS = ("expect_table_row_count_to_equal", "expect_table_row_count_to_be_between")
_ROW_CLASSES = {"ColumnMapExpectation", "ColumnPairMapExpectation", "MulticolumnMapExpectation"}
_SEVERITY: dict[str, Severity] = {"critical": "fail", "warning": "warn", "info": "warn"}
_GX_SEVERITY = {"fail": "critical", "warn": "warning", "drop": "critical"}


@dataclass(frozen=True)
class Planned:
    """One expectation that is to be tested.

    :param type: its name in snake case.
    :param given: its arguments as they were written.
    :param fields: what GX stores beside them: severity, notes, description.
    :param read: the arguments of a recognised expectation as GX would hold them; None for one that only GX knows.
    :param expectation: the object of Great Expectations, once it was needed.
    :param place: where it was written, for error messages.
    """

    type: str
    given: Mapping[str, Any]
    fields: Mapping[str, Any]
    severity: Severity
    place: str
    read: Mapping[str, Any] | None = None
    expectation: Any = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values it judges; empty for one that judges the table."""
        if self.expectation is not None:
            known = {name: getattr(self.expectation, name, None) for name in self.expectation.domain_keys}
        else:
            known = {} if level_of(self.type) == "table" else dict(self.read or {})
        named: list[str] = []
        for field in _COLUMN_FIELDS:
            value = known.get(field)
            named += [value] if isinstance(value, str) else value or ()
        return tuple(named)

    @property
    def name(self) -> str:
        """``type on column``, for logs and reasons."""
        return named(self.type, ", ".join(self.columns))

    @property
    def row_condition(self) -> Any:
        """Which rows it judges, in terms of any columns; None for all."""
        return getattr(self.expectation, "row_condition", None)

    @property
    def arguments(self) -> dict[str, Any]:
        """What was asked of the values: its own arguments that were set, without the columns."""
        if self.expectation is not None:
            all_of_them = self.expectation.dict(exclude_unset=True)
        else:
            all_of_them = dict(self.read or {})
        ours = NOT_ARGUMENTS | set(_COLUMN_FIELDS if self.columns else ())
        return {name: value for name, value in all_of_them.items() if name not in ours}

    @property
    def judges_rows(self) -> bool:
        """Whether it says of each row if it is good."""
        if self.expectation is None:
            return level_of(self.type) == "row"
        return not _ROW_CLASSES.isdisjoint(one.__name__ for one in type(self.expectation).__mro__)

    def built(self) -> Planned:
        """The same with its object of Great Expectations. :raises SpecError, PlatformError: as GX's own."""
        if self.expectation is not None:
            return self
        return replace(self, expectation=build(self.place, self.type, self.given, self.fields))


def plan(root: DataRoot, validation: Validation) -> tuple[Planned, ...]:
    """The expectations of the suite file, then those of the short list.

    :raises SpecError: for an unknown expectation or a wrong argument (naming it and close matches), a file that is
        no suite, or rows that are to be dropped by an expectation that judges no rows.
    :raises DataError: if the suite file can't be read.
    :raises PlatformError: if Great Expectations is needed and not installed.
    """
    entries = list(_of_file(root, validation.suite)) if validation.suite else []
    planned = [_planned(*entry) for entry in entries]
    for number, one in enumerate(validation.expectations):
        fields = {"severity": _GX_SEVERITY[one.severity]}
        place = f"validation.expectations.{number}"
        listed = replace(_planned(place, one.type, one.arguments, fields), severity=one.severity)
        planned.append(listed)
        if one.severity == "drop" and not listed.judges_rows:
            raise SpecError(
                f"{place}: {one.type} judges no single row, so it can't say which rows to drop",
                given="severity drop",
                expected="fail or warn",
            )
    return tuple(planned)


def bind(planned: Sequence[Planned], version: DatasetVersion) -> tuple[Planned, ...]:
    """The same expectations, checked against the columns of a version.

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
    return tuple(planned)


def for_frame(one: Planned, version: DatasetVersion) -> Planned:
    """An expectation for Great Expectations on a frame of a version.

    Limits in time get the column's zone: both are UTC, but pandas compares no aware time with a naive one.
    """
    built = one.built()
    kinds = {column.name: column.type for column in version.columns}
    kind = kinds.get(getattr(built.expectation, "column", None) or "", "")
    if not kind.startswith(("timestamp", "date")):
        return built
    limits = {name: getattr(built.expectation, name, None) for name in ("min_value", "max_value")}
    changed = {
        name: moment_of(value, "tz=" in kind) for name, value in limits.items() if isinstance(value, date)
    }
    return replace(built, expectation=built.expectation.copy(update=changed)) if changed else built


def columns_to_read(planned: Sequence[Planned], version: DatasetVersion) -> list[str] | None:
    """The columns that the expectations look at; None when one may look at all of them."""
    wanted = {version.event_time}
    for one in planned:
        if one.row_condition or not (one.columns or one.type in _ROW_COUNTS):
            return None
        wanted.update(one.columns)
    return [column.name for column in version.columns if column.name in wanted]


def moment_of(limit: date, aware: bool) -> datetime:
    """A limit as a time in UTC, with or without its zone; a date is its midnight, no zone is UTC."""
    moment = in_utc(limit if isinstance(limit, datetime) else datetime.combine(limit, time()))
    return moment if aware else moment.replace(tzinfo=None)


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
        arguments = {name: value for name, value in arguments.items() if name not in NOT_ARGUMENTS}
        fields = {name: entry[name] for name in ("severity", "notes", "description") if entry.get(name)}
        yield where, kind, arguments, fields


def _planned(place: str, kind: str, arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> Planned:
    severity = fields.get("severity", "critical")
    plain = all(isinstance(value, str) for value in fields.values()) and severity in _SEVERITY
    read = recognise(kind, arguments) if plain else None
    if read is not None:
        return Planned(kind, arguments, fields, _SEVERITY[severity], place, read)
    expectation = build(place, kind, arguments, fields)
    return Planned(
        kind, arguments, fields, _SEVERITY[expectation.severity.value], place, expectation=expectation
    )
