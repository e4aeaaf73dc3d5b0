"""The records of a graph of lineage: what came of what."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from airflow_mlops.core.record import Record

#: In the order from source bytes to what became of a version.
Kind = Literal[
    "file",
    "object",
    "table",
    "query",
    "dataset",
    "erasure",
    "validation",
    "label audit",
    "training",
    "candidate",
    "evaluation",
    "version",
    "approval",
    "deployment",
    "endpoint",
    "predictions",
    "monitoring",
    "look",
    "reproduction",
    "more",
]


class Node(Record):
    """One thing in the life of a model.

    :param id: unique within the graph, and the same whenever it is made.
    :param label: its name, short.
    :param said: the most important of its facts, in one line of words.
    :param facts: JSON values; times as ISO 8601, hashes whole.
    :param at: when it came to be, None where the store does not say.
    :param gone: why it can't be looked at any more (removed, erased, damaged), in words; None where it can.
    """

    kind: Kind
    id: str
    label: str
    said: str = ""
    facts: dict[str, Any] = Field(default_factory=dict)
    at: datetime | None = None
    gone: str | None = None


class Edge(Record):
    """``target`` came of ``source``, or was done to it. :param label: how, in a word or two."""

    source: str
    target: str
    label: str = ""


class Graph(Record):
    """What came of what, around one node.

    :param root: id of the node that was asked for.
    :param nodes: from source bytes on.
    :param unread: keys of records that are lost or damaged: what they would say is missing here.
    """

    root: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    unread: tuple[str, ...] = ()

    def node(self, node_id: str) -> Node:
        """The node with this id. :raises KeyError: if there is none."""
        found = next((one for one in self.nodes if one.id == node_id), None)
        if found is None:
            raise KeyError(node_id)
        return found

    def of_kind(self, *kinds: Kind) -> tuple[Node, ...]:
        """The nodes of some kinds, in their order."""
        return tuple(one for one in self.nodes if one.kind in kinds)

    def before(self, node_id: str) -> tuple[Node, ...]:
        """What a node was made of."""
        return tuple(self.node(one.source) for one in self.edges if one.target == node_id)

    def after(self, node_id: str) -> tuple[Node, ...]:
        """What came of a node."""
        return tuple(self.node(one.target) for one in self.edges if one.source == node_id)
