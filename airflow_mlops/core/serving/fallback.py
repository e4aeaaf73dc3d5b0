"""The fallback rule: what is answered when no model can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_mlops.core.serving.refusal import RefusedError
from airflow_mlops.core.serving.split import plain_text
from airflow_mlops.spec import Fallback

#: The variant that stands in answers and captures of the rule.
VARIANT = "fallback"


def apply_rule(rule: Fallback, rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """One answer per row: the value for the row's ``by`` column, else the default."""
    if rule.by is None:
        return [rule.default] * len(rows)
    return [rule.values.get(plain_text(row.get(rule.by)), rule.default) for row in rows]


def answer_by_rule(
    rule: Fallback | None, rows: Sequence[Mapping[str, Any]], status: int, why: str
) -> list[float]:
    """The rule's answers where no model could give them.

    :param why: no model could.
    :raises RefusedError: with ``status``, if there is no rule.
    """
    if rule is None:
        raise RefusedError(status, why, remedy="there is no fallback rule: set serving.fallback in the spec")
    return apply_rule(rule, rows)
