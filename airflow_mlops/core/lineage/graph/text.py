"""A graph and an impact as lines for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from airflow_mlops.core.lineage.graph.impact import Impact, TouchedDataset, TouchedPredictions, TouchedVersion
from airflow_mlops.core.lineage.graph.life import role_of
from airflow_mlops.core.lineage.graph.records import Edge, Graph, Node
from airflow_mlops.core.wording import counted, minute, plain, short, some

#: Things of one kind that are listed; the others are counted.
SHOWN = 20


def graph_lines(graph: Graph) -> Iterator[str]:
    """Two trees: what the root was made of, each thing above what it was made of; and what became of it."""
    root = graph.node(graph.root)
    yield from _told(root)
    yield ""
    yield "made of"
    yield from _tree(graph, lambda one: one.target, lambda one: one.source)
    yield ""
    yield "led to"
    yield from _tree(graph, lambda one: one.source, lambda one: one.target)
    yield from _unread(graph.unread)


def impact_lines(impact: Impact) -> Iterator[str]:
    """What was touched, list by list."""
    yield plain(impact.asked)
    if impact.how is not None:
        yield from _files(impact)
    if not impact.found:
        asked = (
            f"{counted(impact.looked_at, 'dataset version')} looked at"
            if impact.looked_at
            else "none is there"
        )
        yield (
            f"no dataset version holds it ({asked})"
            if impact.how
            else "nothing was made of it or shares files with it"
        )
    yield from _list("dataset versions", impact.datasets, _dataset)
    yield from _list("model versions", impact.versions, _version)
    yield from _list(
        "serve now",
        impact.endpoints,
        lambda one: [
            f"endpoint of {one.model}: version {one.version} as {one.role} since {minute(one.since)}"
        ],
    )
    yield from _list("batch predictions", impact.predictions, _predictions)
    if impact.unknown:
        yield ""
        yield f"{counted(len(impact.unknown), 'model version')} can't be judged, a manifest of their data is gone:"
        yield f"  {_some(impact.unknown)}"
    yield from _unread(impact.unread)


def _tree(graph: Graph, here: Callable[[Edge], str], there: Callable[[Edge], str]) -> Iterator[str]:
    """What is reached from the root, indented; each node is told once, at its first place.

    :param here, there: which end of an edge is nearer to the root, and which is farther.
    """
    nodes = {node.id: node for node in graph.nodes}
    beyond: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        beyond.setdefault(here(edge), []).append(edge)
    told: set[str] = set()

    def below(node_id: str, margin: str) -> Iterator[str]:
        edges = beyond.get(node_id, [])
        for number, edge in enumerate(edges, start=1):
            node, last = nodes[there(edge)], number == len(edges)
            again = node.id in told
            first, *rest = _told(node)
            yield f"{margin}{'└─' if last else '├─'} {first}{' (see above)' if again and beyond.get(node.id) else ''}"
            if again:
                continue
            told.add(node.id)
            inner = margin + ("   " if last else "│  ")
            yield from (f"{inner}{'│' if beyond.get(node.id) else ' '} {line}" for line in rest)
            yield from below(node.id, inner)

    found = list(below(graph.root, ""))
    yield from found or ["└─ nothing yet"]


def _told(node: Node) -> list[str]:
    """A node: what it is, then what is said of it."""
    kind = "" if node.kind in ("version", "more") else f"{node.kind} "
    label = node.label if node.kind not in ("endpoint",) else node.label.removeprefix("endpoint ")
    gone = " (gone)" if node.gone else ""
    return [
        plain(f"{kind}{label}{gone}"),
        *([plain(node.gone or node.said)] if node.gone or node.said else []),
    ]


def _files(impact: Impact) -> Iterator[str]:
    for one in impact.files[:SHOWN]:
        pinned = (
            f"S3 version {one.version_id}" if one.version_id else f"SHA-256 {short(one.sha256 or 'unknown')}"
        )
        yield f"  {plain(one.source)}  {plain(pinned)}"
    if (more := impact.file_count - SHOWN) > 0:
        yield f"  and {counted(more, 'more file')}"


def _list(heading: str, items: Sequence[object], told: Callable[..., list[str]]) -> Iterator[str]:
    """The newest items under a heading, with how many there are."""
    if not items:
        return
    yield ""
    hidden = len(items) - SHOWN
    yield f"{heading}: {len(items):,}" + (f", the newest {SHOWN}" if hidden > 0 else "")
    for item in items[max(0, hidden) :]:
        yield from (f"  {plain(line)}" if not line.startswith(" ") else f"  {line}" for line in told(item))


def _dataset(one: TouchedDataset) -> list[str]:
    parents = ", ".join(short(parent.id) for parent in one.parents)
    how = {
        "given": "this one",
        "holds": f"holds {one.files:,} of {counted(one.of, 'file')}",
        "derived": f"{one.made} of {parents}",
    }[one.how]
    taken = f", taken {minute(one.created_at)}" if one.created_at else ", its manifest is gone"
    return [f"{one.dataset.name}@{one.dataset.id}: {how}{taken}"]


def _version(one: TouchedVersion) -> list[str]:
    lines = [
        f"{one.model}:{one.version}, {one.standing}; learned from {one.dataset.name}@{short(one.dataset.id)}"
    ]
    for span in one.spans:
        until = minute(span.until) if span.until else "now"
        lines.append(f"    {plain(f'{role_of(span)} {minute(span.since)} to {until}')}")
    return lines


def _predictions(one: TouchedPredictions) -> list[str]:
    days = [part.day for part in one.partitions]
    span = f", days {min(days)} to {max(days)}" if days else ""
    by = f"version {one.version}" if one.version is not None else "the fallback rule"
    why = {"model": "a touched version predicted", "rows": "touched rows were predicted"}
    because = " and ".join(why[reason] for reason in one.because)
    return [f"{one.model} scoring {one.number} by {by}: {counted(one.rows, 'prediction')}{span} ({because})"]


def _unread(keys: Sequence[str]) -> Iterator[str]:
    if keys:
        yield ""
        yield f"{counted(len(keys), 'record')} can't be read, so something may be missing here: {_some(keys)}"


def _some(names: Iterable[str]) -> str:
    return some(list(names), SHOWN)
