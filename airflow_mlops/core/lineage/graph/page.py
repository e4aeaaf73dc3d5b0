"""A graph of lineage, or an impact, as one HTML page: the picture, and all facts in words."""

from __future__ import annotations

import json
from collections.abc import Iterator

from airflow_mlops.core.drawing import html
from airflow_mlops.core.lineage.graph.impact import Impact
from airflow_mlops.core.lineage.graph.impact_graph import graph_of
from airflow_mlops.core.lineage.graph.picture import picture_of
from airflow_mlops.core.lineage.graph.records import Graph, Node
from airflow_mlops.core.lineage.graph.text import impact_lines
from airflow_mlops.core.wording import minute


def page_of(found: Graph | Impact) -> str:
    """A self-contained page."""
    graph = graph_of(found) if isinstance(found, Impact) else found
    root = graph.node(graph.root)
    title = f"What was touched: {root.label}" if isinstance(found, Impact) else f"Lineage of {root.label}"
    caption = "Each thing stands below what it came of. A dashed box is gone from the store."
    parts: list[object] = [
        html.section("Picture", html.figure(picture_of(graph, alone=False), caption)),
    ]
    if isinstance(found, Impact):
        parts.append(
            html.section(
                "In words", html.tag("pre", html.Markup("\n".join(map(_indented, impact_lines(found)))))
            )
        )
    else:
        parts.append(html.section("Facts", *_facts(graph)))
    header = html.tag("header", html.tag("h1", title), html.tag("p", root.said))
    return html.page(title, header, html.tag("main", html.join(parts)))


def _indented(line: str) -> str:
    words = line.lstrip(" ")
    return " " * (len(line) - len(words)) + html.text(words)


def _facts(graph: Graph) -> Iterator[html.Markup]:
    if graph.unread:
        yield html.tag("p", f"Records that can't be read: {', '.join(graph.unread)}", class_="verdict fail")
    for node in graph.nodes:
        yield html.tag("h3", f"{node.kind} {node.label}" if node.kind != "more" else node.label)
        yield html.tag("p", node.gone or node.said)
        yield html.listing(_pairs(node))


def _pairs(node: Node) -> Iterator[tuple[str, str]]:
    if node.at:
        yield "at", f"{minute(node.at)} UTC"
    for name, value in node.facts.items():
        yield (
            name.replace("_", " "),
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
        )
