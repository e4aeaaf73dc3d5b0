"""``airflow-mlops card``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.wording import size
from tests.core.card.world import live


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = str(tmp_path_factory.mktemp("card") / "store")
    live(open_store(place))
    return place


def test_a_page_and_a_markdown_file(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, text = tmp_path / "card.html", tmp_path / "card.md"
    assert main(["card", "orders:2", "--store", place, "--out", str(page)]) == 0
    assert capsys.readouterr().out == (
        f"{page}: card of orders:2, 21 of 21 sections complete, {size(page.stat().st_size)}\n"
    )
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert main(["card", "orders:2", "--store", place, "--out", str(text)]) == 0
    assert text.read_text().startswith("# Model card: orders version 2\n")
    assert capsys.readouterr().out
    assert main(["card", "orders:2", "--store", place]) == 0
    assert capsys.readouterr().out == text.read_text(), "without --out it is printed"


def test_as_of_and_json(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    then = ["--as-of", "2024-03-02T02:00:00Z"]
    assert main(["card", "orders:2", "--store", place, *then]) == 0
    assert "> **Champion** since 2024-03-02 01:00 UTC, by ann." in capsys.readouterr().out
    assert main(["card", "orders:2", "--store", place, *then, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["left"], len(found["places"])) == (2, [], 3)


@pytest.mark.parametrize(
    "arguments,says",
    [
        (["orders:3"], "orders has no version 3"),
        (["orders"], "a card is of one version; given orders; expected orders:VERSION"),
        (["orders:x"], "not a model version; given 'orders:x'; expected MODEL:VERSION"),
        (["orders:2", "--out", "card.pdf"], "expected a file that ends in .html or .md"),
        (["orders:2", "--out", "card.md", "--json"], "--json prints"),
        (["orders:2", "--as-of", "March"], "--as-of; given March"),
        (["orders:2", "--as-of", "2024-03-01"], "orders:2 was not registered yet"),
        (["orders:2", "--out", "nowhere/card.md"], "nowhere/card.md"),
    ],
)
def test_a_mistake_is_one_line(
    place: str, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["card", *arguments, "--store", place]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert says in told.err
    assert not told.out


def test_store_of_the_fixture_is_only_read(place: str) -> None:
    store: Store = open_store(place)
    before = [item.key for item in store.list("")]
    assert main(["card", "orders:1", "--store", place, "--json"]) == 0
    assert [item.key for item in store.list("")] == before
