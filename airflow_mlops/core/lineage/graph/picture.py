"""A graph of lineage as a picture: source bytes above, what came of them below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_mlops.core.drawing import svg
from airflow_mlops.core.lineage.graph.impact import Impact
from airflow_mlops.core.lineage.graph.impact_graph import graph_of
from airflow_mlops.core.lineage.graph.layout import BOX, HEIGHT, Layout, Route, lay_out
from airflow_mlops.core.lineage.graph.records import Edge, Graph, Node
from airflow_mlops.core.wording import counted, plain, size

#: Letters of a label, and of the words below it, that fit a box.
_LABEL, _SAID = 26, 31
_PAD = 10
_ARROW = 6.0
#: So many nodes of these kinds are drawn at one other.
_MOST = 3
_FILES, _LOOKS = ("file", "object", "more"), ("look",)


def picture_of(found: Graph | Impact, *, alone: bool = True) -> str:
    """An SVG picture. :param alone: False to stand in a page."""
    graph = gathered(graph_of(found) if isinstance(found, Impact) else found)
    layout = lay_out(graph)
    root = graph.node(graph.root)
    description = "; ".join(f"{node.kind} {node.label}: {node.said}" for node in graph.nodes)
    parts = [*_routes(layout.routes), *_boxes(graph, layout)]
    return svg.document(
        layout.width, layout.height, f"Lineage of {root.label}", description, parts, alone=alone
    )


def gathered(graph: Graph) -> Graph:
    """The graph with at most a few files of each dataset version, and a few looks; the others are one box.

    A picture that is wider than a page is read by nobody.
    """
    nodes = {node.id: node for node in graph.nodes}
    hidden: set[str] = set()
    more: list[tuple[Node, Edge]] = []
    for kinds, newest in ((_FILES, False), (_LOOKS, True)):
        for hub, leaves in _leaves(graph, nodes, kinds).items():
            named = [one for one in leaves if one.kind != "more"]
            if len(named) <= _MOST:
                continue
            rest = named[:-_MOST] if newest else named[_MOST:]
            summed = [one for one in leaves if one.kind == "more"]
            hidden.update(one.id for one in (*rest, *summed))
            box = _summed(hub, rest, summed)
            ends = {"source": hub, "target": box.id} if newest else {"source": box.id, "target": hub}
            more.append((box, Edge(**ends)))
    kept = [node for node in graph.nodes if node.id not in hidden]
    edges = [edge for edge in graph.edges if not hidden & {edge.source, edge.target}]
    return graph.model_copy(
        update={"nodes": (*kept, *(box for box, _ in more)), "edges": (*edges, *(edge for _, edge in more))}
    )


def _leaves(graph: Graph, nodes: dict[str, Node], kinds: tuple[str, ...]) -> dict[str, list[Node]]:
    """Nodes of some kinds that hang on one other node only, by that."""
    hubs: dict[str, list[str]] = {}
    for edge in graph.edges:
        hubs.setdefault(edge.source, []).append(edge.target)
        hubs.setdefault(edge.target, []).append(edge.source)
    found: dict[str, list[Node]] = {}
    for node in nodes.values():
        if node.kind in kinds and len(hubs.get(node.id, ())) == 1 and node.id != graph.root:
            found.setdefault(hubs[node.id][0], []).append(node)
    return found


def _summed(hub: str, rest: Sequence[Node], summed: Sequence[Node]) -> Node:
    """One box for some nodes, and for a box that stood for others already."""
    count = len(rest) + sum(int(one.facts.get("files", 0)) for one in summed)
    octets = sum(int(one.facts.get("bytes") or 0) for one in (*rest, *summed))
    rows = sum(int(one.facts.get("rows") or 0) for one in (*rest, *summed))
    what = rest[0].kind
    said = f"{counted(rows, 'row')}, {size(octets)}" if rows else size(octets) if octets else ""
    return Node(kind="more", id=f"more:{what} of {hub}", label=counted(count, f"more {what}"), said=said)


def _routes(routes: Sequence[Route]) -> Iterator[str]:
    for route in routes:
        yield f'<path d="{_path(route.corners)}" {svg.stroke("muted", 1.4)}/>'
        x, y = route.corners[-1]
        corners = [(x, y), (x - _ARROW * 0.7, y - _ARROW * 1.4), (x + _ARROW * 0.7, y - _ARROW * 1.4)]
        yield f'<polygon points="{svg.points(corners)}" {svg.fill("muted")}/>'


def _path(corners: Sequence[tuple[float, float]]) -> str:
    """Upright at every corner, and straight where it passes a layer."""
    (x, y), *others = corners
    path = f"M{svg.place(x)} {svg.place(y)}"
    for next_x, next_y in others:
        middle = svg.place((y + next_y) / 2)
        ends = f"{svg.place(x)} {middle} {svg.place(next_x)} {middle} {svg.place(next_x)} {svg.place(next_y)}"
        path += f"C{ends}"
        x, y = next_x, next_y
    return path


def _boxes(graph: Graph, layout: Layout) -> Iterator[str]:
    for node in graph.nodes:
        x, y = layout.places[node.id]
        yield f"<g><title>{svg.safe(f'{node.kind} {node.label}: {node.gone or node.said}')}</title>"
        yield svg.rect(x, y, BOX, HEIGHT, _look(node, node.id == graph.root))
        yield svg.text(x + _PAD, y + 18, "" if node.kind == "more" else node.kind, svg.fill("muted"), size=11)
        label = (svg.lines(_middle(node.label), _LABEL) or [""])[0]
        yield svg.text(x + _PAD, y + 36, label, svg.fill("ink"), bold=True)
        words = svg.lines(f"gone: {node.gone}" if node.gone else node.said, _SAID, 3)
        for line, text in enumerate(words):
            role = "fail" if node.gone else "muted"
            yield svg.text(x + _PAD, y + 55 + 15 * line, text, svg.fill(role), size=11)
        yield "</g>"


def _look(node: Node, asked: bool) -> str:
    if node.gone:
        return f'{svg.stroke("fail", 1.5, also="page")} stroke-dasharray="5 3"'
    if asked:
        return svg.stroke("edge", 2.5, also="page")
    return svg.stroke("muted" if node.kind != "endpoint" else "pass", 1.2, also="page")


def _middle(label: str) -> str:
    """A long name, e.g. of a file, with its end, which tells more than its middle."""
    whole = plain(label)
    if len(whole) <= _LABEL:
        return whole
    end = _LABEL * 2 // 3
    return f"{whole[: _LABEL - end - 1]}\N{HORIZONTAL ELLIPSIS}{whole[-end:]}"
