"""The common expectations in one query over the Parquet files; what is left is for Great Expectations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.engine import quoted
from airflow_mlops.core.validation.aggregates import Aggregate, aggregate
from airflow_mlops.core.validation.columns import Column, columns_of
from airflow_mlops.core.validation.first_rows import FirstRows
from airflow_mlops.core.validation.found import PARTIAL, Found, counted, mostly_holds
from airflow_mlops.core.validation.marks import BITS, Marks, flags, marks_of, words_for
from airflow_mlops.core.validation.row_tests import RowTest, row_test
from airflow_mlops.core.validation.suite import Planned
from airflow_mlops.core.validation.table import FILE, OWN, ROW, VIEW, Table
from airflow_mlops.core.validation.table_tests import of_table

if TYPE_CHECKING:
    import pyarrow as pa

#: As many distinct unexpected values as Great Expectations lists.
_DISTINCT = 20
#: More values than this that are equally common are left to Great Expectations.
_MOST_TIES = 10_000
_COMPOUND = "expect_compound_columns_to_be_unique"
_MOST_COMMON = "expect_column_most_common_value_to_be_in_set"
_MARKS = "marked"


@dataclass
class Pushdown:
    """Expectations on the way through DuckDB.

    :param found: results so far, by the number of the expectation.
    :param left: numbers that Great Expectations has to judge.
    :param tests: conditions whose bad rows are looked for, by number; every row that they find goes to quarantine.
    :param judged: for these, how many rows were judged; None where missing values are.
    :param places: bad rows that were found by other means, by number.
    """

    planned: Sequence[Planned]
    columns: Mapping[str, Column]
    rows: int
    found: dict[int, Found] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)
    tests: dict[int, RowTest] = field(default_factory=dict)
    judged: dict[int, int | None] = field(default_factory=dict)
    places: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def marks(self) -> Marks:
        """The rows that were found by other means."""
        return marks_of(self.places, len(self.planned))


def push(table: Table, planned: Sequence[Planned]) -> Pushdown:
    """Answer what one query over all rows answers; the bad rows themselves come with :func:`bad_rows`."""
    version = table.version
    work = Pushdown(planned, columns_of(version), version.rows)
    tests: dict[int, RowTest] = {}
    aggregates: dict[int, Aggregate] = {}
    for number, one in enumerate(planned):
        if one.read is None:
            work.left.append(number)
        elif found := of_table(one, version):
            work.found[number] = found
        elif test := row_test(one, work.columns):
            tests[number] = test
        elif asked := aggregate(one, work.columns, version.rows):
            aggregates[number] = asked
        elif one.type == _MOST_COMMON and (found := _most_common(table, one, work.columns)):
            work.found[number] = found
        else:
            work.left.append(number)
    _count(table, work, tests, aggregates)
    return work


def _count(
    table: Table, work: Pushdown, tests: Mapping[int, RowTest], aggregates: Mapping[int, Aggregate]
) -> None:
    """The one query: how many rows are judged, how many are bad where some may be, and the aggregates."""
    asked = list(
        dict.fromkeys(
            [
                *(sql for test in tests.values() for sql in _counts(test).values()),
                *(sql for one in aggregates.values() for sql in one.asked),
            ]
        )
    )
    answers = dict(zip(asked, table.one(asked), strict=True))
    for number, test in tests.items():
        _take_test(table, work, number, test, {name: answers[sql] for name, sql in _counts(test).items()})
    for number, one in aggregates.items():
        found = one.judge([answers[sql] for sql in one.asked])
        if found is not None and one.unexpected and not found.success:
            found = _named(table, found, *one.unexpected)
        if found is None:
            work.left.append(number)
        else:
            work.found[number] = found


def _counts(test: RowTest) -> dict[str, str]:
    """What has to be counted of a test; bad rows are counted when they stream by, unless some are forgiven."""
    wanted = {
        "judged": test.judged,
        "guard": test.guard,
        "bad": test.bad if test.mostly < 1 and test.known is None else None,
    }
    return {name: f"count(*) FILTER ({sql})" for name, sql in wanted.items() if sql is not None}


def _take_test(table: Table, work: Pushdown, number: int, test: RowTest, counts: Mapping[str, int]) -> None:
    if counts.get("guard"):
        work.left.append(number)
        return
    judged = None if test.nulls_judged else counts.get("judged", work.rows - test.missing)
    work.judged[number] = judged
    of = work.rows if judged is None else judged
    if test.keys:
        bad = _repeated(table, test)
    elif test.known is not None or "bad" in counts:
        bad = counts["bad"] if test.known is None else test.known
    else:
        work.tests[number] = test
        return
    if mostly_holds(of, bad, test.mostly):
        examples = _forgiven(table, work, number, test) if bad else []
        work.found[number] = Found(True, counted(work.rows, judged, bad, examples))
    elif test.keys:
        work.places[number] = _repeated_places(table, test)
    else:
        work.tests[number] = test


def _repeated(table: Table, test: RowTest) -> int:
    keys = ", ".join(test.keys)
    groups = f"SELECT count(*) AS n FROM {VIEW} WHERE {test.judged} GROUP BY {keys} HAVING count(*) > 1"  # noqa: S608
    return int(table.all(f"SELECT coalesce(sum(n), 0) FROM ({groups})")[0][0])  # noqa: S608


def _forgiven(table: Table, work: Pushdown, number: int, test: RowTest) -> list[Any]:
    """The first bad values of an expectation that holds nevertheless."""
    names = ", ".join(quoted(name) for name in test.columns)
    order = f"ORDER BY {quoted(table.version.event_time)}, {FILE}, {ROW} LIMIT {PARTIAL}"
    if test.keys:
        query = f"SELECT * FROM ({_repeated_rows(test, VIEW + '.*')}) {order}"  # noqa: S608
    else:
        query = f"SELECT {names} FROM {VIEW} WHERE {test.bad} {order}"  # noqa: S608
    first = FirstRows([work.columns[name] for name in test.columns])
    first.take(table.whole(query, test.columns))
    return _examples(work.planned[number], first)


def _examples(one: Planned, first: FirstRows) -> list[Any]:
    return first.records() if one.type == _COMPOUND else first.values()


def _repeated_rows(test: RowTest, columns: str) -> str:
    """SQL for columns of the rows that have something in common with another."""
    named = ", ".join(f"{key} AS {OWN}k{number}" for number, key in enumerate(test.keys))
    groups = (
        f"SELECT {named} FROM {VIEW} WHERE {test.judged} GROUP BY {', '.join(test.keys)} HAVING count(*) > 1"  # noqa: S608
    )
    equal = " AND ".join(
        f"mine.{OWN}k{one} IS NOT DISTINCT FROM twice.{OWN}k{one}" for one in range(len(test.keys))
    )
    return (
        f"SELECT mine.* FROM (SELECT {columns}, {named} FROM {VIEW} WHERE {test.judged}) AS mine "  # noqa: S608
        f"SEMI JOIN ({groups}) AS twice ON {equal}"
    )


def _repeated_places(table: Table, test: RowTest) -> tuple[Any, Any]:
    found = table.connection.sql(_repeated_rows(test, f"{FILE}, {ROW}")).to_arrow_table()
    return found.column(0).to_numpy(), found.column(1).to_numpy()


def _named(table: Table, found: Found, value: str, condition: str) -> Found | None:
    """The same with the first unexpected values; None where 0.0 and -0.0 would be shown differently."""
    query = f"SELECT DISTINCT {value} AS v FROM {VIEW} WHERE {condition} ORDER BY 1 LIMIT {_DISTINCT}"  # noqa: S608
    values = [row[0] for row in table.all(query)]
    if any(isinstance(one, float) and one == 0 for one in values):
        return None
    return replace(found, result={**found.result, "partial_unexpected_list": values})


def _most_common(table: Table, one: Planned, columns: Mapping[str, Column]) -> Found | None:
    column = columns[one.columns[0]]
    if one.read is None or column.family not in {"whole", "double", "text"}:
        return None
    groups = f"SELECT {column.key} AS v, count(*) AS n FROM {VIEW} WHERE {column.present} GROUP BY 1"  # noqa: S608
    query = (
        f"WITH groups AS ({groups}) SELECT v FROM groups "  # noqa: S608
        f"WHERE n = (SELECT max(n) FROM groups) ORDER BY v LIMIT {_MOST_TIES + 1}"
    )
    common = [row[0] for row in table.all(query)]
    if len(common) > _MOST_TIES or any(isinstance(v, float) and v == 0 for v in common):
        return None
    wanted = len(set(one.read["value_set"]) & set(common))
    success = wanted > 0 if one.read.get("ties_okay") else len(common) == 1 and wanted == 1
    return Found(success, {"observed_value": common})


def bad_rows(table: Table, work: Pushdown, columns: Sequence[str]) -> Iterator[tuple[Marks, pa.RecordBatch]]:
    """Every row that broke an expectation that failed, in the order of the files: one query, as it streams.

    :param columns: what is wanted of the rows.
    """
    marks = work.marks()
    if not work.tests and not len(marks.file):
        return
    names = [f"{OWN}word{number}" for number in range(words_for(len(work.planned)))]
    for batch in table.stream(_query(table, work, marks, names, columns)):
        words = flags([batch.column(name) for name in names])
        file, row = (
            batch.column(name).to_numpy(zero_copy_only=False).astype("int64") for name in (FILE, ROW)
        )
        yield Marks(file, row, words), table.in_types(batch, columns)


def _query(table: Table, work: Pushdown, marks: Marks, names: Sequence[str], columns: Sequence[str]) -> str:
    import pyarrow as pa

    words: list[list[str]] = [[] for _ in names]
    for number, test in work.tests.items():
        words[number // BITS].append(f"CASE WHEN {test.bad} THEN {1 << number % BITS} ELSE 0 END")
    source, order = VIEW, ""
    conditions = [str(test.bad) for test in work.tests.values()]
    if len(marks.file):
        found = {f"{OWN}file": marks.file, f"{OWN}row": marks.row}
        found |= {f"{OWN}w{number}": marks.words[:, number] for number in range(len(names))}
        table.connection.register(_MARKS, pa.table(found))
        source = f"{VIEW} LEFT JOIN {_MARKS} ON {OWN}file = {FILE} AND {OWN}row = {ROW}"
        order = f" ORDER BY {FILE}, {ROW}"
        conditions.append(f"{OWN}file IS NOT NULL")
        for number, parts in enumerate(words):
            parts.append(f"coalesce({OWN}w{number}, 0)")
    wanted = ", ".join(f"{VIEW}.{name}" for name in (*map(quoted, columns), FILE, ROW))
    told = [
        f"CAST({' | '.join(parts) or '0'} AS BIGINT) AS {name}"
        for name, parts in zip(names, words, strict=True)
    ]
    return f"SELECT {wanted}, {', '.join(told)} FROM {source} WHERE {' OR '.join(conditions)}{order}"  # noqa: S608


def settle(work: Pushdown, number: int, first: FirstRows) -> Found:
    """The result of an expectation whose bad rows have streamed by."""
    judged = work.judged[number]
    examples = _examples(work.planned[number], first)
    mostly = float((work.planned[number].read or {}).get("mostly", 1.0))
    holds = mostly_holds(work.rows if judged is None else judged, first.count, mostly)
    return Found(holds, counted(work.rows, judged, first.count, examples), first=first.places)
