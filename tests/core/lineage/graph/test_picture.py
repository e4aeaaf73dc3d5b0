"""Pictures and pages: whole, escaped, and no wider than a page."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from airflow_mlops.core.lineage.graph import Edge, Graph, Node, downstream, upstream
from airflow_mlops.core.lineage.graph.layout import BOX, HEIGHT, lay_out
from airflow_mlops.core.lineage.graph.page import page_of
from airflow_mlops.core.lineage.graph.picture import gathered, picture_of
from airflow_mlops.core.store import Store
from tests.core.lineage.graph.world import NOW, day, look, orders, put_dataset, put_version, score

SVG = "{http://www.w3.org/2000/svg}"


def graph(*edges: str) -> Graph:
    """``a>b`` is an edge."""
    pairs = [tuple(one.split(">")) for one in edges]
    nodes = dict.fromkeys(name for pair in pairs for name in pair)
    return Graph(
        root=next(iter(nodes)),
        nodes=tuple(Node(kind="dataset", id=one, label=one) for one in nodes),
        edges=tuple(Edge(source=source, target=target) for source, target in pairs),
    )


def test_each_box_lies_below_what_it_came_of_and_none_on_another() -> None:
    made = graph("a>b", "b>c", "c>d", "a>d", "x>d", "b>y", "a>y")
    found = lay_out(made)
    for edge in made.edges:
        assert found.places[edge.source][1] + HEIGHT < found.places[edge.target][1]
    places = sorted((y, x) for x, y in found.places.values())
    for (y, x), (other_y, other_x) in pairwise(places):
        assert y != other_y or other_x - x > BOX
    assert found.places["x"][1] == found.places["c"][1], "a source lies right above what came of it"
    assert all(
        x >= 0 and x + BOX <= found.width and y + HEIGHT <= found.height for x, y in found.places.values()
    )


def test_an_edge_that_passes_a_layer_goes_round_its_boxes() -> None:
    made = graph("a>b", "b>c", "a>c")
    found = lay_out(made)
    x, _ = found.places["b"]
    (route,) = (one for one in found.routes if (one.edge.source, one.edge.target) == ("a", "c"))
    assert not any(x <= corner <= x + BOX for corner, _ in route.corners[1:-1])


def test_a_circle_in_forged_records_ends() -> None:
    assert lay_out(graph("a>b", "b>a")).places.keys() == {"a", "b"}


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a&b\"'", "\x1b[31m\x00", "\u202etxt.exe", "x" * 3000]
)
def test_names_are_escaped(store: Store, name: str) -> None:
    ref = put_dataset(store, "orders", "a1", name, "]]>")
    put_version(store, "orders", ref, created_by=name)
    found = upstream(store, "orders", 1, now=NOW)
    drawn = picture_of(found)
    ElementTree.fromstring(drawn)
    page = page_of(found) + page_of(downstream(store, dataset="orders@a1", now=NOW))
    for whole in (drawn, page):
        assert "<script" not in whole
        assert not {"\x1b", "\x00", "\u202e"} & set(whole)


def test_a_picture_of_a_path(store: Store) -> None:
    orders(store)
    drawn = ElementTree.fromstring(picture_of(upstream(store, "orders", 2, now=NOW)))
    texts = [one.text for one in drawn.iter(f"{SVG}text")]
    for words in ("orders:2", "endpoint of orders", "champion", "orders/bad.parquet"):
        assert words in texts
    assert drawn.find(f"{SVG}style") is not None, "dark and light"


def test_files_and_looks_are_gathered(store: Store) -> None:
    ref = put_dataset(store, "orders", "a1", *(f"orders/{number:04d}.parquet" for number in range(50)))
    put_version(store, "orders", ref)
    for number in range(1, 6):
        look(store, "orders", 1, day(number))
    found = gathered(upstream(store, "orders", 1, now=NOW))
    assert [one.label for one in found.of_kind("file")] == [
        f"orders/000{number}.parquet" for number in range(3)
    ]
    assert sorted(one.label for one in found.of_kind("more")) == ["2 more looks", "47 more files"]
    (files,) = (one for one in found.of_kind("more") if "file" in one.label)
    assert files.said.startswith("470 rows")
    assert [one.label for one in found.of_kind("look")] == ["look 3", "look 4", "look 5"]
    assert lay_out(found).width < 1000


def test_what_is_gone_is_dashed(store: Store) -> None:
    ref = put_dataset(store, "orders", "a1", "a")
    put_version(store, "orders", ref)
    assert "stroke-dasharray" not in picture_of(upstream(store, "orders", 1, now=NOW))
    store.remove("datasets/orders/a1.json")
    drawn = picture_of(upstream(store, "orders", 1, now=NOW))
    assert "stroke-dasharray" in drawn
    assert "gone: its manifest is not in" in drawn


def test_a_page_says_all_facts(store: Store) -> None:
    orders(store)
    page = page_of(upstream(store, "orders", 2, now=NOW))
    for words in ("Lineage of orders:2", "<dt>seed</dt><dd>7</dd>", "prefers-color-scheme:dark", "<svg"):
        assert words in page.replace("\n", "")
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_an_impact_is_drawn_and_told(store: Store) -> None:
    orders(store)
    impact = downstream(store, file="orders/bad.parquet", now=NOW)
    texts = [one.text for one in ElementTree.fromstring(picture_of(impact)).iter(f"{SVG}text")]
    for words in ("orders:1", "orders:2", "endpoint of orders", "orders@bb33", "orders scoring 3"):
        assert words in texts
    page = page_of(impact)
    assert "What was touched: orders/bad.parquet" in page
    assert "\n  orders@aa11" in page, "lists are indented"


def test_a_large_impact_is_drawn_in_part(store: Store) -> None:
    for number in range(12):
        ref = put_dataset(
            store, "orders", f"d{number:02d}", "shared", f"own {number}", created_at=day(number)
        )
        put_version(store, "orders", ref, day(number))
        score(store, "orders", number + 1, ref, day(number))
    texts = {
        one.text
        for one in ElementTree.fromstring(picture_of(downstream(store, file="shared", now=NOW))).iter(
            f"{SVG}text"
        )
    }
    assert {"7 more dataset versions", "7 more model versions", "7 more scorings", "orders:12"} <= texts


def test_nothing_is_drawn_as_one_box(store: Store) -> None:
    found = downstream(store, file="nothing", now=NOW)
    assert lay_out(gathered(graph("a>b"))).height > 0
    assert picture_of(found).count("<rect") == 2, "the page and one box"
