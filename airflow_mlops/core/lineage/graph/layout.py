"""Where the boxes of a graph lie: in layers from top to bottom, each below all that it came of.

After K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of hierarchical system structures", 1981:
layers by the longest way from a source, places for edges that pass a layer, and an order within each layer by the mean
place of the neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from airflow_mlops.core.lineage.graph.records import Edge, Graph

BOX, GAP = 212, 20
HEIGHT, RISE = 98, 44
MARGIN = 20
_SWEEPS = 6
#: Width of the place of an edge that passes a layer.
_PASSING = 24


@dataclass(frozen=True)
class Route:
    """The middle of the places that an edge goes through, from box to box."""

    edge: Edge
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Layout:
    """A drawing's measures in pixels.

    :param places: left upper corner of each node's box.
    """

    width: int
    height: int
    places: Mapping[str, tuple[float, float]]
    routes: Sequence[Route]


@dataclass(frozen=True)
class _Slot:
    """A place in a layer: a node's box, or where an edge passes."""

    name: str
    wide: int = BOX


def lay_out(graph: Graph) -> Layout:
    """Places for all nodes and ways for all edges."""
    depth = _depths(graph)
    layers: list[list[_Slot]] = [[] for _ in range(max(depth.values()) + 1)]
    for node in graph.nodes:
        layers[depth[node.id]].append(_Slot(node.id))
    chains = {}
    for number, edge in enumerate(graph.edges):
        passed = [f"{number} {layer}" for layer in range(depth[edge.source] + 1, depth[edge.target])]
        for layer, name in enumerate(passed, start=depth[edge.source] + 1):
            layers[layer].append(_Slot(name, _PASSING))
        chains[number] = [edge.source, *passed, edge.target]
    _order(layers, list(chains.values()))
    width = max(_wide(layer) for layer in layers) + 2 * MARGIN
    centres = _centres(layers, width)
    places = {
        node.id: (centres[node.id] - BOX / 2, MARGIN + depth[node.id] * (HEIGHT + RISE))
        for node in graph.nodes
    }
    routes = [
        Route(edge, _corners(chains[number], depth[edge.source], centres))
        for number, edge in enumerate(graph.edges)
    ]
    return Layout(width, len(layers) * (HEIGHT + RISE) - RISE + 2 * MARGIN, places, routes)


def _depths(graph: Graph) -> dict[str, int]:
    """The longest way to each node from one without a source, and sources right above what came of them."""
    depth = {node.id: 0 for node in graph.nodes}
    for _ in graph.nodes:  # as many rounds as the longest way can have
        moved = [edge for edge in graph.edges if depth[edge.target] <= depth[edge.source]]
        for edge in moved:
            depth[edge.target] = max(depth[edge.target], depth[edge.source] + 1)
        if not moved:
            break
    fed = {edge.target for edge in graph.edges}
    for node in graph.nodes:
        below = [depth[edge.target] for edge in graph.edges if edge.source == node.id]
        if node.id not in fed and below:
            depth[node.id] = min(below) - 1
    return depth


def _order(layers: list[list[_Slot]], chains: Sequence[Sequence[str]]) -> None:
    """Sort each layer by the mean place of the neighbours, going down and up by turns."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for upper, lower in pairwise(chain):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        place: dict[str, float] = {}
        for layer in layers if down else reversed(layers):
            own = _relative(layer)
            means = {
                slot.name: _mean(
                    [place[one] for one in neighbours.get(slot.name, ()) if one in place], own[slot.name]
                )
                for slot in layer
            }
            layer.sort(key=lambda slot: means[slot.name])
            place |= _relative(layer)


def _relative(layer: Sequence[_Slot]) -> dict[str, float]:
    """The middle of each slot, from the middle of the layer."""
    start, found = -_wide(layer) / 2, {}
    for slot in layer:
        found[slot.name] = start + slot.wide / 2
        start += slot.wide + GAP
    return found


def _centres(layers: Sequence[Sequence[_Slot]], width: int) -> dict[str, float]:
    return {name: width / 2 + place for layer in layers for name, place in _relative(layer).items()}


def _corners(chain: Sequence[str], top: int, centres: Mapping[str, float]) -> tuple[tuple[float, float], ...]:
    """From the lower edge of the first box, past each layer between, to the upper edge of the last one."""
    corners = [(centres[chain[0]], MARGIN + top * (HEIGHT + RISE) + HEIGHT)]
    for layer, name in enumerate(chain[1:-1], start=top + 1):
        y = MARGIN + layer * (HEIGHT + RISE)
        corners += [(centres[name], y), (centres[name], y + HEIGHT)]
    corners.append((centres[chain[-1]], MARGIN + (top + len(chain) - 1) * (HEIGHT + RISE)))
    return tuple((float(x), float(y)) for x, y in corners)


def _wide(layer: Sequence[_Slot]) -> int:
    return sum(slot.wide for slot in layer) + GAP * max(0, len(layer) - 1)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
