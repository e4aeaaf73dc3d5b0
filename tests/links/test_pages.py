"""Buttons on a task's page: they lead to our own pages, below any base URL, and nowhere else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

from airflow_mlops.links.addresses import is_address, model_page, stored_page, version_page
from airflow_mlops.links.pages import ModelLink, VersionLink
from airflow_mlops.operators.base import MlopsOperator
from airflow_mlops.operators.data import SnapshotOperator
from airflow_mlops.plugin import MlopsPlugin
from tests.operators.test_base import ARGUMENTS, one

DIGEST = "0f" * 32
TASK: Any = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)


def shown(link: BaseOperatorLink, operator: BaseOperator | None = None) -> str:
    return link.get_link(operator or BaseOperator(task_id="t"), ti_key=TASK)


@pytest.mark.parametrize(
    "address",
    [
        model_page("orders"),
        model_page("orders", "performance"),
        version_page("orders", 12),
        stored_page("orders", "data-docs", DIGEST, of=DIGEST),
        stored_page("orders", "evaluation", DIGEST),
    ],
)
@pytest.mark.parametrize("base", ["https://air.example/", "https://air.example/flow/"])
def test_an_address_holds_below_any_base_url(address: str, base: str) -> None:
    assert is_address(address)
    whole = urlsplit(urljoin(base, address))
    assert whole.netloc == "air.example"
    assert whole.path.startswith(f"{urlsplit(base).path}mlops/open/models/orders")


@pytest.mark.parametrize(
    "pushed, leads",
    [
        (version_page("orders", 3), version_page("orders", 3)),
        ("https://elsewhere.example/mlops/open/models/orders", ""),
        ("//elsewhere.example/x", ""),
        ("mlops/open/models/../../auth/logout", ""),
        ("mlops/open/models/orders?of=1&next=//x", ""),
        ("javascript:alert(1)", ""),
        ({"no": "text"}, ""),
        (None, ""),
    ],
)
def test_a_button_leads_to_our_pages_alone(
    monkeypatch: pytest.MonkeyPatch, pushed: object, leads: str
) -> None:
    monkeypatch.setattr(XCom, "get_value", lambda *, ti_key, key: pushed)
    assert shown(VersionLink()) == leads


def test_the_model_is_linked_also_where_the_task_pushed_nothing() -> None:
    operator = one(SnapshotOperator)
    assert shown(ModelLink(), operator) == model_page("orders")
    operator.spec = {"name": "../../logout"}
    assert shown(ModelLink(), operator) == ""
    assert shown(ModelLink()) == "", "a task that never came to its spec"


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_every_operator_has_buttons_and_airflow_knows_them_all(kind: type[MlopsOperator]) -> None:
    known = {type(link) for link in MlopsPlugin.operator_extra_links}
    links = one(kind).operator_extra_links
    assert ModelLink in {type(link) for link in links}
    assert {type(link) for link in links} <= known
    assert len({link.name for link in links}) == len(links)
