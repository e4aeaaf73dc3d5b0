"""What a feature statement may be: one SELECT over the table ``rows``, where every row stands alone.

DuckDB parses it; nothing is run to find out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from airflow_mlops.core.errors import FeatureError

NAME = "features.sql"
TABLE = "rows"
FORM = "SELECT ... FROM rows"
_RELATIONS = {"BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "SUBQUERY", "TABLE_FUNCTION"}
_TABLE_FUNCTIONS = {"unnest", "range", "generate_series"}
#: Words that are no column and no call, and stand for the present.
_NOW = {
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "current_time",
    "current_user",
    "session_user",
    "user",
}
_OVER_ROWS = {
    "DISTINCT_MODIFIER": "DISTINCT",
    "LIMIT_MODIFIER": "LIMIT",
    "LIMIT_PERCENT_MODIFIER": "LIMIT",
}


@dataclass(frozen=True)
class Statement:
    """A statement that passed.

    :param text: the statement, without a semicolon at its end.
    :param names: every name of a column in it, in lower case; None if it has a star, and so all columns.
    """

    text: str
    names: frozenset[str] | None


def check_statement(connection: Any, sql: str, columns: Sequence[str]) -> Statement:
    """Parse a feature statement and refuse what is no SELECT over ``rows``, or looks at other rows.

    :param connection: of DuckDB.
    :param columns: names of the raw columns.
    :raises FeatureError: in one line, with the line and the column in the statement.
    """
    text = sql.strip().rstrip(";").rstrip()
    tree = _parse(connection, text)
    nodes = list(_objects(tree))
    _refuse_tables(text, nodes)
    references = [
        tuple(str(part).lower() for part in node["column_names"])
        for node in nodes
        if node.get("class") == "COLUMN_REF"
    ]
    _refuse_functions(connection, text, nodes, {name.lower() for name in columns})
    _refuse_clauses(text, nodes)
    # The name of the table alone stands for the whole row.
    whole = (TABLE,) in references or any(node.get("class") == "STAR" for node in nodes)
    return Statement(text, None if whole else frozenset(part for parts in references for part in parts))


def place(text: str, position: int) -> str:
    """Where a byte of the statement stands, for people: line and column from 1."""
    before = text.encode()[:position].decode(errors="ignore")
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def _parse(connection: Any, text: str) -> dict[str, Any]:
    (answer,) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchone()
    tree: dict[str, Any] = json.loads(answer)
    if tree.get("error"):
        message = " ".join(str(tree.get("error_message", "")).split())
        if tree.get("error_type") == "parser" and tree.get("position") is not None:
            _refuse(text, int(tree["position"]), "is not SQL", given=message)
        raise FeatureError(f"{NAME} is not one SELECT", given=message[:200], expected=FORM)
    statements = tree["statements"]
    if len(statements) != 1:
        raise FeatureError(f"{NAME} is not one SELECT", given=f"{len(statements)} statements", expected="one")
    return dict(statements[0])


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON tree, in the order of the text."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            pending.extend(reversed(list(node.values())))
        elif isinstance(node, list):
            pending.extend(reversed(node))


def _type(node: dict[str, Any]) -> str:
    """What a node is; the type of a constant is an object and no such word."""
    kind = node.get("type")
    return kind if isinstance(kind, str) else ""


def _refuse_tables(text: str, nodes: list[dict[str, Any]]) -> None:
    maps = [node["cte_map"]["map"] for node in nodes if "cte_map" in node]
    named = {str(entry["key"]).lower() for entries in maps for entry in entries}
    if TABLE in named:
        raise FeatureError(
            f"{NAME} defines {TABLE} itself", expected=f"another name: {TABLE} are the raw columns"
        )
    reads = False
    for node in nodes:
        if _type(node) == "BASE_TABLE":
            name = str(node["table_name"])
            if name.lower() not in {TABLE, *named} or node.get("schema_name") or node.get("catalog_name"):
                _refuse(text, node, "reads another table", given=name, expected=f"only {TABLE}")
            reads = reads or name.lower() == TABLE
        elif "sample" in node and "class" not in node and _type(node) not in {*_RELATIONS, "SELECT_NODE"}:
            given = _type(node).lower().replace("_", " ")
            _refuse(text, node, f"reads more than {TABLE}", given=given, expected=f"only {TABLE}")
        elif _type(node) == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).lower()
            if name not in _TABLE_FUNCTIONS:
                _refuse(text, node, f"reads more than {TABLE}", given=f"{name}()", expected=f"only {TABLE}")
    if not reads:
        raise FeatureError(f"{NAME} does not read the raw columns", expected=FORM)


def _refuse_functions(connection: Any, text: str, nodes: list[dict[str, Any]], columns: set[str]) -> None:
    aggregates, unsteady = _function_names(connection)
    for node in nodes:
        kind, name = node.get("class"), str(node.get("function_name", "")).lower()
        if kind == "WINDOW":
            _refuse_over_rows(text, node, f"the window function {name}")
        if kind == "PARAMETER":
            _refuse(text, node, "has a parameter", expected="columns and constants")
        if kind == "FUNCTION" and name in aggregates:
            _refuse_over_rows(text, node, f"the aggregate {name}")
        if kind == "COLUMN_REF" and len(node["column_names"]) == 1:
            word = str(node["column_names"][0]).lower()
            name = word if word in unsteady | _NOW and word not in columns else ""
        if kind in ("FUNCTION", "COLUMN_REF") and name in unsteady | _NOW:
            _refuse(
                text,
                node,
                "is not the same at every call",
                given=name,
                expected="features that depend on the row alone",
                remedy="take the time from a column, and nothing from chance",
            )


def _refuse_clauses(text: str, nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        if _type(node) in _OVER_ROWS:
            _refuse_over_rows(text, None, _OVER_ROWS[_type(node)])
        if node.get("group_expressions") or node.get("group_sets"):
            _refuse_over_rows(text, node, "GROUP BY")
        if node.get("sample") is not None:
            _refuse_over_rows(text, node, "a sample")
        if _type(node) in {"SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"}:
            _refuse_over_rows(text, node, "a union or recursion")


def _function_names(connection: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the aggregates, and of the functions that give another value at another call."""
    found = connection.execute(
        "SELECT DISTINCT function_name, function_type, coalesce(stability, 'CONSISTENT') FROM duckdb_functions()"
    ).fetchall()
    aggregates = frozenset(name for name, kind, _ in found if kind == "aggregate")
    return aggregates, frozenset(name for name, _, stability in found if stability != "CONSISTENT")


def _refuse_over_rows(text: str, node: dict[str, Any] | None, what: str) -> NoReturn:
    _refuse(
        text,
        node,
        "is not row by row",
        given=what,
        expected="features of a row that depend on this row alone, as at the endpoint",
        remedy="compute statistics over rows before, as a column of the data",
    )


def _refuse(
    text: str,
    at: dict[str, Any] | int | None,
    problem: str,
    *,
    given: object = None,
    expected: object = None,
    remedy: str | None = None,
) -> NoReturn:
    position = at.get("query_location") if isinstance(at, dict) else at
    known = isinstance(position, int) and 0 <= position <= len(text.encode())
    where = f" ({place(text, int(str(position)))})" if known else ""
    raise FeatureError(f"{NAME} {problem}{where}", given=given, expected=expected, remedy=remedy)
