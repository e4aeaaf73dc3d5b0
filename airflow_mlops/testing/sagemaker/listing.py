"""List operations: filters, order and pages as they are everywhere in SageMaker."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from airflow_mlops.testing.sagemaker.api import invalid
from airflow_mlops.testing.sagemaker.records import Record

T = TypeVar("T")


def chosen(
    records: Sequence[Record],
    params: dict[str, Any],
    *,
    name: str,
    status: str = "",
    order: str = "Ascending",
) -> list[Record]:
    """Those records that the request asks for, in its order.

    :param name: the member that holds the name, for ``NameContains`` and ``SortBy: Name``.
    :param status: the member that holds the status, for ``StatusEquals``.
    :param order: the operation's default ``SortOrder``.
    """
    wanted = [one for one in records if _fits(one, params, name, status)]
    by = {"Name": name, "Status": status}.get(params.get("SortBy", ""), "CreationTime")
    # the name breaks ties, so that pages neither repeat nor miss anything
    wanted.sort(key=lambda one: (one[by], one[name]), reverse=params.get("SortOrder", order) == "Descending")
    return wanted


def page(
    items: Sequence[T], params: dict[str, Any], show: Callable[[T], dict[str, Any]], most: int = 10
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """One page and, where more follows, ``NextToken``.

    :param most: the operation's default ``MaxResults``.
    """
    start = _position(params.get("NextToken"))
    size = params.get("MaxResults", most)
    token = base64.urlsafe_b64encode(f"after:{start + size}".encode()).decode()
    more = {"NextToken": token} if start + size < len(items) else {}
    return [show(one) for one in items[start : start + size]], more


def only(record: Record, *names: str) -> Record:
    """The members with these names that the record has: what a summary or a Describe shows of it."""
    return {name: record[name] for name in names if record.get(name) is not None}


def _fits(record: Record, params: dict[str, Any], name: str, status: str) -> bool:
    if "NameContains" in params and params["NameContains"] not in record[name]:
        return False
    if status and params.get("StatusEquals", record[status]) != record[status]:
        return False
    return _within(record["CreationTime"], params, "CreationTime") and _within(
        record.get("LastModifiedTime"), params, "LastModifiedTime"
    )


def _within(when: datetime | None, params: dict[str, Any], name: str) -> bool:
    after, before = params.get(f"{name}After"), params.get(f"{name}Before")
    if when is None:
        return after is None and before is None
    return (after is None or when > after) and (before is None or when < before)


def _position(token: str | None) -> int:
    if not token:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if word == "after":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise invalid("Invalid pagination token given.")
