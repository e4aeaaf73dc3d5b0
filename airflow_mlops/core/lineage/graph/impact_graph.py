"""An impact as a graph to draw: the newest of what was touched, the others as a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.lineage.graph.growing import Growing
from airflow_mlops.core.lineage.graph.impact import Impact, TouchedDataset, TouchedVersion
from airflow_mlops.core.lineage.graph.life import role_of
from airflow_mlops.core.lineage.graph.records import Graph
from airflow_mlops.core.wording import counted, minute, short

T = TypeVar("T")
#: Things of one kind in a picture.
_MOST = 5


def graph_of(impact: Impact) -> Graph:
    """What was touched, around what was asked for."""
    growing = Growing()
    given = next((one for one in impact.datasets if one.how == "given"), None)
    said = f"{counted(len(impact.datasets), 'dataset version')}, {counted(len(impact.versions), 'model version')}"
    root = growing.add("dataset" if given else "file", "asked", impact.asked, f"touched: {said}")
    datasets = _datasets(growing, root, [one for one in impact.datasets if one.how != "given"])
    if given:
        datasets[given.dataset] = root
    versions = _versions(growing, root, impact.versions, datasets)
    for serving in impact.endpoints:
        facts = serving.model_dump(mode="json")
        label = f"endpoint of {serving.model}"
        said = f"version {serving.version} as {serving.role} since {minute(serving.since)}"
        node = growing.add("endpoint", f"{serving.model} {serving.version}", label, said, facts)
        growing.link(versions[serving.model, serving.version], node, "serves")
    _predictions(growing, root, impact, versions, datasets)
    return growing.graph(root, impact.unread)


def _datasets(growing: Growing, root: str, touched: Sequence[TouchedDataset]) -> dict[DatasetRef, str]:
    nodes: dict[DatasetRef, str] = {}
    for one in touched[-_MOST:]:
        name = one.dataset
        how = f"holds {one.files:,} of {counted(one.of, 'file')}" if one.how == "holds" else f"{one.made}"
        said = how + (f", taken {minute(one.created_at)}" if one.created_at else "")
        label = f"{name.name}@{short(name.id)}"
        nodes[name] = growing.add(
            "dataset", f"{name.name}@{name.id}", label, said, one.model_dump(mode="json"), at=one.created_at
        )
    for one in touched[-_MOST:]:
        parents = [nodes[parent] for parent in one.parents if parent in nodes]
        for parent in parents or [root]:
            growing.link(parent, nodes[one.dataset], one.how)
    _more(growing, root, len(touched) - _MOST, "dataset version")
    return nodes


def _versions(
    growing: Growing, root: str, touched: Sequence[TouchedVersion], datasets: dict[DatasetRef, str]
) -> dict[tuple[str, int], str]:
    """Those that serve now come first, then the newest."""
    serving = [one for one in touched if one.standing in ("champion", "challenger")]
    others = [one for one in touched if one.standing not in ("champion", "challenger")]
    shown = [*others[len(others) - max(0, min(len(others), _MOST - len(serving))) :], *serving]
    nodes = {}
    for one in shown:
        times = "; ".join(f"{role_of(span)} from {minute(span.since)}" for span in one.spans[-2:])
        said = one.standing + (f": {times}" if times else "")
        name = f"{one.model}:{one.version}"
        node = growing.add("version", name, name, said, one.model_dump(mode="json"), at=one.created_at)
        growing.link(datasets.get(one.dataset, root), node, "trained on")
        nodes[one.model, one.version] = node
    _more(growing, root, len(touched) - len(shown), "model version")
    return nodes


def _predictions(
    growing: Growing,
    root: str,
    impact: Impact,
    versions: dict[tuple[str, int], str],
    datasets: dict[DatasetRef, str],
) -> None:
    for one in impact.predictions[-_MOST:]:
        days = [part.day for part in one.partitions]
        span = f", days {min(days)} to {max(days)}" if days else ""
        facts = one.model_dump(mode="json")
        label = f"{one.model} scoring {one.number}"
        said = f"{counted(one.rows, 'prediction')}{span}"
        node = growing.add("predictions", f"{one.model} {one.number}", label, said, facts, at=one.scored_at)
        by = versions.get((one.model, one.version or 0)) if "model" in one.because else None
        growing.link(by or datasets.get(one.dataset, root), node, "predicted")
    _more(growing, root, len(impact.predictions) - _MOST, "scoring")


def _more(growing: Growing, root: str, count: int, what: str) -> None:
    if count > 0:
        growing.link(root, growing.add("more", what, counted(count, f"more {what}")), "touched")
