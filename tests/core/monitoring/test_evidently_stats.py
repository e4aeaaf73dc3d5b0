"""Evidently's page for people: the same bytes for the same rows, without a word in the logs."""

from __future__ import annotations

import logging
import socket
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.monitoring import evidently_stats
from airflow_mlops.core.monitoring.evidently_stats import render_report

pytest.importorskip("evidently")

KINDS: dict[str, Any] = {
    "distance": "number",
    "constant": "number",
    "carrier": "category",
    "at": "time",
    "empty": "number",
    "gone": "number",
}


def _side(rows: int, seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "distance": draw.normal(1000, 300, rows),
            "constant": np.full(rows, 4.0),
            "carrier": draw.choice(np.array(["UA", "AA", None], dtype=object), rows),
            "at": pd.date_range("2024-01-01", periods=rows, freq="s", tz="UTC"),
            "empty": np.full(rows, np.nan),
        }
    )


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
def test_the_same_rows_give_the_same_page(caplog: pytest.LogCaptureFixture) -> None:
    reference, current = _side(3000, 1), _side(2500, 2)
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        warnings.simplefilter("error")
        pages = [render_report(reference, current, KINDS, most_rows=2000) for _ in range(2)]
    assert not caplog.records
    assert pages[0] is not None
    assert pages[0] == pages[1]
    text = pages[0].decode()
    assert "Value Drift for column distance" in text
    assert "Value Drift for column carrier" in text
    assert "Value Drift for column empty" not in text
    assert len(pages[0]) < 6_000_000


def test_the_sample_is_of_that_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []

    class Page:
        @staticmethod
        def get_html_str(*, as_iframe: bool) -> str:
            return f"<html>{as_iframe}</html>"

    def run(sides: list[pd.DataFrame], kinds: dict[str, str]) -> Any:
        seen.append([len(side) for side in sides])
        return Page

    monkeypatch.setattr(evidently_stats, "_run", run)
    assert render_report(_side(300, 1), _side(90, 2), KINDS, most_rows=100) == b"<html>False</html>"
    assert seen == [[90, 100]]


def test_nothing_to_show() -> None:
    side = _side(50, 1)
    assert render_report(side, side, {"at": "time", "empty": "number", "gone": "category"}) is None
    assert render_report(side, side.iloc[:0], KINDS) is None
