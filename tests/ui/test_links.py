"""Addresses hold wherever Airflow is reached, and whatever things are called."""

from __future__ import annotations

import pytest

from airflow_mlops.ui.links import Links


@pytest.mark.parametrize(
    "base, below",
    [("", ""), ("/", ""), ("/airflow/", "/airflow"), ("http://host:8080", "http://host:8080")],
)
def test_addresses_start_where_airflow_is_reached(base: str, below: str) -> None:
    links = Links.below(base)
    assert links.models() == f"{below}/mlops/"
    assert links.version("orders", 3) == f"{below}/mlops/models/orders/versions/3"
    assert links.dag("orders.release") == f"{below}/dags/orders.release"
    assert links.required_actions() == f"{below}/required_actions"
    assert links.required_actions("a") == f"{below}/dags/a/required_actions"


@pytest.mark.parametrize(
    "base, framed",
    [
        ("", "/plugin/models/mlops/models/orders"),
        ("/airflow", "/airflow/plugin/models/airflow/mlops/models/orders"),
        ("https://host/airflow/", "https://host/airflow/plugin/models/airflow/mlops/models/orders"),
    ],
)
def test_a_page_within_airflows_frame_is_named_by_its_whole_path(base: str, framed: str) -> None:
    links = Links.below(base)
    assert links.framed(links.model("orders")) == framed


def test_names_stay_within_their_part_of_the_path() -> None:
    links = Links.below("")
    run = links.run("a/b?c#d", "manual__2026-01-01T00:00:00+00:00")
    assert run == "/dags/a%2Fb%3Fc%23d/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00"
    assert links.model("..") == "/mlops/models/%2E%2E"
    assert links.model("<script>") == "/mlops/models/%3Cscript%3E"
