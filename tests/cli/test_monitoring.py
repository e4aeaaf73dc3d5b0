"""The looks at a model as lines, and their pages as files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.monitoring.look import Look, RetrainDecision, monitoring_log
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.store.results import keep
from tests.core.monitoring import looked
from tests.core.registry.world import MODEL

DAY = datetime(2026, 11, 1, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def call(store: Store) -> Callable[..., int]:
    place = store.uri.removeprefix("file://")
    return lambda *words: main(["monitoring", *words, MODEL, "--store", place])


def write(store: Store, number: int, **pages: bytes) -> None:
    """Look ``number``: with drift where there is a page of it."""
    columns = [looked.column(f"c{place}", importance=0.1) for place in range(5)] if "drift" in pages else []
    html = {name: put_bytes(store, page) for name, page in pages.items()}
    drift = looked.drift(*columns, report_html=html.get("drift"))
    measured = looked.performance(page=html.get("performance"))
    look = Look(
        run=f"r{number}",
        since=DAY + timedelta(days=number - 1),
        until=DAY + timedelta(days=number),
        champion=3,
        drift=keep(store, drift),
        performance=keep(store, measured),
        outcome=drift.outcome,
        share=drift.share,
        columns=drift.drifted,
        metrics={"log_loss": 0.51},
        judged_on="measured",
        failed_gates=(),
        decision=RetrainDecision(retrain=False, said="no reason to retrain"),
        at=DAY,
    )
    monitoring_log(store, MODEL).append(look, after=number - 1)


def test_a_line_for_each_look(
    store: Store, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    write(store, 1)
    write(store, 2, drift=b"d")
    assert call("looks") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split(maxsplit=1)[1] == (
        "2026-11-01 00:00 to 2026-11-02 00:00  v3  stable; log_loss 0.5100 measured; no reason to retrain"
    )
    assert "drift in c0, c1, c2 and 2 more (50% of the importance)" in second
    assert main(["monitoring", "looks", MODEL, "--last", "1", "--store", store.uri]) == 0
    assert capsys.readouterr().out.splitlines() == [second]


def test_the_pages_of_a_look(
    store: Store, call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(store, 1, performance=b"first")
    write(store, 2, performance=b"second", drift=b"drifted")
    out = tmp_path / "look.html"
    for words, page in (((), b"second"), (("--look", "1"), b"first"), (("--drift",), b"drifted")):
        assert call("report", "--out", str(out), *words) == 0
        assert out.read_bytes() == page
    assert "drift of orders until 2026-11-03 00:00, 7 bytes" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, said",
    [
        (("--look", "7"), "orders has no look 7; expected 1 to 1"),
        (("--drift",), "Evidently's page is made when drift was found"),
        ((), "has no page about performance"),
    ],
)
def test_a_page_that_is_not_there(
    store: Store,
    call: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    write(store, 1)
    out = tmp_path / "look.html"
    assert call("report", "--out", str(out), *words) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_model_that_nobody_has_looked_at(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("looks") == 2
    assert "nobody has looked at orders yet; trigger orders.monitor" in capsys.readouterr().err
