"""A graph in the making."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from airflow_mlops.core.lineage.graph.records import Edge, Graph, Kind, Node

T = TypeVar("T")


class Growing:
    """Nodes and edges, each once, in the order in which they were added."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._edges: dict[tuple[str, str], Edge] = {}

    def __contains__(self, node_id: str) -> bool:
        return node_id in self._nodes

    def add(
        self,
        kind: Kind,
        key: str,
        label: str,
        said: str = "",
        facts: dict[str, Any] | None = None,
        *,
        at: datetime | None = None,
        gone: str | None = None,
    ) -> str:
        """Add a node unless it is there; return its id.

        :param key: what tells it from others of its kind.
        """
        node_id = f"{kind}:{key}"
        known = {name: value for name, value in (facts or {}).items() if value is not None}
        node = Node(kind=kind, id=node_id, label=label, said=said, facts=known, at=at, gone=gone)
        self._nodes.setdefault(node_id, node)
        return node_id

    def link(self, source: str, target: str, label: str = "") -> None:
        """Say that ``target`` came of ``source``."""
        self._edges.setdefault((source, target), Edge(source=source, target=target, label=label))

    def graph(self, root: str, unread: tuple[str, ...] = ()) -> Graph:
        """The whole graph. :param unread: keys of records that could not be read."""
        nodes = tuple(self._nodes[one] for one in self._sorted())
        return Graph(root=root, nodes=nodes, edges=tuple(self._edges.values()), unread=unread)

    def _sorted(self) -> list[str]:
        """The nodes, each behind what it came of."""
        made_of: dict[str, list[str]] = {node: [] for node in self._nodes}
        for source, target in self._edges:
            made_of[target].append(source)
        seen: set[str] = set()
        done: list[str] = []

        def visit(node: str) -> None:
            if node in seen:
                return
            seen.add(node)
            for source in made_of[node]:
                visit(source)
            done.append(node)

        for node in self._nodes:
            visit(node)
        return done


def newest(items: Sequence[T], most: int) -> Sequence[T]:
    """The last few of them."""
    return items[max(0, len(items) - most) :]
