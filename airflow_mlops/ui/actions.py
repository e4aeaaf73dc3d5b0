"""What somebody may do about a model: links to Airflow's own forms, so that Airflow asks, records and permits it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airflow_mlops.ui.access import may_run
from airflow_mlops.ui.links import Links


@dataclass(frozen=True)
class Action:
    """A link to the page of the DAG that does it.

    :param enter: what is to be chosen in the form, by the title of the field. Airflow 3.3 takes no values for a
        form from an address (apache/airflow issue 54800), so the page says them.
    """

    label: str
    href: str
    enter: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Wanted:
    """An action that is of use now. :param dag: the last part of the id of the DAG: ``rollback``."""

    dag: str
    label: str
    enter: tuple[tuple[str, str], ...] = ()


def permitted(user: Any, model: str, links: Links, wanted: Iterable[Wanted]) -> list[Action]:
    """Those that the user may run."""
    may: dict[str, bool] = {}
    return [
        Action(one.label, links.dag(f"{model}.{one.dag}"), one.enter)
        for one in wanted
        if may.setdefault(one.dag, may_run(user, model, one.dag))
    ]
