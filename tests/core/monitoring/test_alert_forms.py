"""What notifiers send: what came from data is escaped in every form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_mlops.core.monitoring.alerts.alert import Alert
from airflow_mlops.core.monitoring.alerts.forms import forms
from tests.core.monitoring.looked import START

EVIL = "<img src=x onerror=alert(1)> <!channel> [a](javascript:b) *bold* {{ 7*7 }} & more"


def alert(**fields: Any) -> Alert:
    base: dict[str, Any] = {
        "model": "orders",
        "kind": "drift",
        "severity": "warning",
        "title": f"orders: {EVIL}",
        "how_bad": EVIL,
        "since": START,
        "details": (EVIL, "calm"),
        "link": "http://airflow:8080/dags/orders.monitor/runs/r1",
        "next_step": f"Next: mend {EVIL}",
        "at": START,
    }
    return Alert(**{**base, **fields})


def test_all_forms_are_plain_values_that_say_the_same() -> None:
    form = forms(alert(title="orders: drift"))
    assert json.loads(json.dumps(form)) == form
    assert form["title"] == "WARNING: orders: drift"
    assert (form["since"], form["severity"], form["kind"]) == (START.isoformat(), "warning", "drift")
    for name in ("text", "html", "markdown", "slack"):
        for part in ("orders: drift", "2026-11-01 00:00 UTC", "calm", "Next: mend", "orders.monitor/runs/r1"):
            assert part in form[name], (name, part)


def test_html_holds_no_foreign_tag() -> None:
    html = forms(alert())["html"]
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert '<a href="http://airflow:8080/dags/orders.monitor/runs/r1">' in html


def test_markdown_and_slack_hold_no_foreign_markup() -> None:
    form = forms(alert())
    assert "](javascript" not in form["markdown"]
    assert "*bold*" not in form["markdown"].replace("\\*", "")
    assert "<img" not in form["markdown"].replace("\\<", "")
    assert "<!channel>" not in form["slack"]
    assert "&lt;!channel&gt;" in form["slack"]


@pytest.mark.parametrize("link", ["javascript:alert(1)", "s3://bucket/key", 'http://a/"><script>'])
def test_a_link_that_is_none_stays_text(link: str) -> None:
    form = forms(alert(link=link))
    assert "href" not in form["html"]
    assert f"<{link}>" not in form["markdown"]
    assert f"<{link}>" not in form["slack"]


def test_what_is_unknown_is_left_out() -> None:
    form = forms(alert(since=None, link=None, details=()))
    assert (form["since"], form["link"], form["details"]) == ("", "", [])
    assert "Since" not in form["text"]
    assert "<ul>" not in form["html"]
