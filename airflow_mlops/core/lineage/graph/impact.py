"""What a file or a dataset version has touched: versions made of it, models that learned from it, where they served."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal

import numpy as np

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.lineage.graph.finding import How, Matched, find_dataset, find_file
from airflow_mlops.core.lineage.graph.index import Index, ScoredEntry
from airflow_mlops.core.lineage.graph.manifests import Dataset, Datasets, Ref
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.places import Place, places

Standing = Literal["champion", "challenger", "was champion", "was challenger", "never served"]
#: Files that an answer names; it counts all of them.
_FILES = 1000


class FoundFile(Record):
    """A file that was meant.

    :param sha256: of its bytes; None where nobody has read it.
    :param version_id: S3's version of it.
    """

    source: str
    sha256: str | None
    version_id: str | None


class TouchedDataset(Record):
    """A dataset version.

    :param how: ``given``: it was asked for; ``holds``: it has files of that; ``derived``: made of a touched one.
    :param made: kind of its derivation, ``snapshot`` or ``query``; None where its manifest is gone.
    :param files: how many of the files it holds, of ``of`` that were asked for.
    :param parents: the touched versions that it was made of.
    :param rows: None where nobody knows.
    """

    dataset: DatasetRef
    how: Literal["given", "holds", "derived"]
    made: str | None
    files: int = 0
    of: int = 0
    parents: tuple[DatasetRef, ...] = ()
    rows: int | None = None
    created_at: datetime | None = None


class TouchedVersion(Record):
    """A model version that learned from a touched dataset version.

    :param spans: when it was in the traffic, and as what.
    """

    model: str
    version: int
    dataset: DatasetRef
    created_at: datetime
    standing: Standing
    spans: tuple[Place, ...] = ()


class TouchedEndpoint(Record):
    """The endpoint of a model that serves a touched version now, and as what."""

    model: str
    version: int
    role: Literal["champion", "shadow", "canary"]
    weight: float
    since: datetime


class TouchedPartition(Record):
    """A file of batch predictions."""

    day: date
    key: str
    rows: int


class TouchedPredictions(Record):
    """A scoring.

    :param number: in the model's log of predictions.
    :param version: that predicted, None for the fallback rule.
    :param because: ``model``: a touched version predicted; ``rows``: touched rows were predicted.
    """

    model: str
    number: int
    version: int | None
    dataset: DatasetRef
    because: tuple[Literal["model", "rows"], ...]
    scored_at: datetime
    rows: int
    partitions: tuple[TouchedPartition, ...]


class Impact(Record):
    """What was touched, each list in the order of time.

    :param asked: what was asked, and how it was understood, in words.
    :param how: by what a file was found; None for a dataset version.
    :param files: that were meant, the first thousand of ``file_count``.
    :param looked_at: how many dataset versions the store has.
    :param unknown: model versions (``model:version``) that can't be judged: a manifest of their data is gone.
    :param unread: keys of records that are lost or damaged: what they would say is missing here.
    """

    asked: str
    how: How | None
    files: tuple[FoundFile, ...]
    file_count: int
    datasets: tuple[TouchedDataset, ...]
    versions: tuple[TouchedVersion, ...]
    endpoints: tuple[TouchedEndpoint, ...]
    predictions: tuple[TouchedPredictions, ...]
    looked_at: int
    unknown: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether anything was touched, beside what was asked for itself."""
        return bool(self.versions or self.predictions or any(one.how != "given" for one in self.datasets))


def impact_of_file(index: Index, given: str, now: datetime) -> Impact:
    """Which dataset and model versions saw a file.

    :param given: a path, a URI, or a SHA-256 or its first eight digits.
    :param now: what still serves is judged at this time.
    :raises DataError: if it can't be told what is meant.
    """
    matched = find_file(index, given)
    touched = _holders(matched, "holds")
    _follow(index.datasets, touched)
    return _impact(index, matched.said, matched, touched, now)


def impact_of_dataset(index: Index, given: str, now: datetime) -> Impact:
    """What a dataset version has touched: what was made of it, what shares files with it, and the models.

    :param given: ``NAME@ID``; the id may be cut short.
    :param now: what still serves is judged at this time.
    :raises DataError: if there is no such version, or more than one.
    """
    ref = find_dataset(index, given)
    known = index.datasets
    one = known.by_ref.get(ref)
    touched: dict[Ref, TouchedDataset] = {}
    matched = None
    if one is None:
        touched[ref] = TouchedDataset(dataset=_ref(ref), how="given", made=None)
    else:
        files = known.same_content(np.unique(one.held))
        matched = Matched("content", "", files, known.holding(files))
        touched[ref] = _touched(one, "given", len(one.held), len(one.held))
        touched |= {
            key: value for key, value in _holders(matched, "holds", len(one.held)).items() if key != ref
        }
    _follow(known, touched)
    return _impact(index, f"{ref[0]}@{ref[1]}", matched, touched, now).model_copy(update={"how": None})


def _holders(
    matched: Matched, how: Literal["given", "holds"], of: int | None = None
) -> dict[Ref, TouchedDataset]:
    count = len(matched.files) if of is None else of
    return {one.ref: _touched(one, how, len(held), count) for one, held in matched.holders}


def _touched(
    one: Dataset, how: Literal["given", "holds", "derived"], files: int, of: int, parents: Iterable[Ref] = ()
) -> TouchedDataset:
    return TouchedDataset(
        dataset=_ref(one.ref),
        how=how,
        made=one.made,
        files=files,
        of=of,
        parents=tuple(map(_ref, parents)),
        rows=one.rows,
        created_at=one.created_at,
    )


def _follow(known: Datasets, touched: dict[Ref, TouchedDataset]) -> None:
    """Add what was made of the touched versions, and of those again."""
    waiting = list(touched)
    while waiting:
        ref = waiting.pop()
        for child in known.children.get(ref, ()):
            if child.ref not in touched:
                touched[child.ref] = _touched(child, "derived", 0, 0)
                waiting.append(child.ref)
    for ref, one in touched.items():
        there = known.by_ref.get(ref)
        if there is not None and there.parents:
            parents = tuple(_ref(parent) for parent in there.parents if parent in touched)
            how = "derived" if parents and one.how == "holds" else one.how
            touched[ref] = one.model_copy(update={"parents": parents, "how": how})


def _impact(
    index: Index, asked: str, matched: Matched | None, touched: dict[Ref, TouchedDataset], now: datetime
) -> Impact:
    versions: list[TouchedVersion] = []
    endpoints: list[TouchedEndpoint] = []
    predictions: list[TouchedPredictions] = []
    unknown: list[str] = []
    for model in index.models:
        learned = _versions(index, model, touched, now)
        versions += learned
        endpoints += [_endpoint(model, span) for one in learned for span in one.spans if span.until is None]
        predictions += _predictions(index, model, {one.version for one in learned}, touched)
        unknown += _unknown(index, model, touched)
    return Impact(
        asked=asked,
        how=matched.how if matched else None,
        files=_files(index.datasets, matched),
        file_count=len(matched.files) if matched else 0,
        datasets=tuple(sorted(touched.values(), key=_when)),
        versions=tuple(sorted(versions, key=lambda one: (one.created_at, one.model, one.version))),
        endpoints=tuple(endpoints),
        predictions=tuple(sorted(predictions, key=lambda one: (one.scored_at, one.model, one.number))),
        looked_at=len(index.datasets.all),
        unknown=tuple(unknown),
        unread=index.unread,
    )


def _versions(
    index: Index, model: str, touched: dict[Ref, TouchedDataset], now: datetime
) -> list[TouchedVersion]:
    """The versions of a model that learned from touched data."""
    learned = {
        number: entry for number, entry in index.versions(model).numbered() if entry.dataset.pair in touched
    }
    if not learned:
        return []
    served: dict[int, list[Place]] = {}
    for span in places(index.deployments(model).numbered(), now):
        served.setdefault(span.version, []).append(span)
    return [
        TouchedVersion(
            model=model,
            version=number,
            dataset=touched[entry.dataset.pair].dataset,
            created_at=entry.created_at,
            standing=standing_of(served.get(number, ())),
            spans=tuple(served.get(number, ())),
        )
        for number, entry in learned.items()
    ]


def standing_of(served: Iterable[Place]) -> Standing:
    """How a version with these spans stands."""
    roles = {(span.role == "champion", span.until is None) for span in served}
    if (True, True) in roles:
        return "champion"
    if (False, True) in roles:
        return "challenger"
    if (True, False) in roles:
        return "was champion"
    return "was challenger" if roles else "never served"


def _endpoint(model: str, span: Place) -> TouchedEndpoint:
    return TouchedEndpoint(
        model=model, version=span.version, role=span.role, weight=span.weight, since=span.since
    )


def _predictions(
    index: Index, model: str, learned: set[int], touched: dict[Ref, TouchedDataset]
) -> list[TouchedPredictions]:
    found = []
    for number, entry in index.scorings(model).numbered():
        because: list[Literal["model", "rows"]] = []
        if entry.version in learned:
            because.append("model")
        if entry.dataset.pair in touched:
            because.append("rows")
        if because:
            found.append(_scoring(model, number, entry, tuple(because)))
    return found


def _scoring(
    model: str, number: int, entry: ScoredEntry, because: tuple[Literal["model", "rows"], ...]
) -> TouchedPredictions:
    return TouchedPredictions(
        model=model,
        number=number,
        version=entry.version,
        dataset=_ref(entry.dataset.pair),
        because=because,
        scored_at=entry.scored_at,
        rows=entry.rows,
        partitions=tuple(
            TouchedPartition(day=one.day, key=one.key, rows=one.rows) for one in entry.partitions
        ),
    )


def _unknown(index: Index, model: str, touched: dict[Ref, TouchedDataset]) -> list[str]:
    known = index.datasets
    return [
        f"{model}:{number}"
        for number, entry in index.versions(model).numbered()
        if (ref := entry.dataset.pair) not in touched and (ref not in known.by_ref or ref in known.blind)
    ]


def _files(known: Datasets, matched: Matched | None) -> tuple[FoundFile, ...]:
    numbers = matched.files[:_FILES].tolist() if matched else []
    return tuple(
        FoundFile(source=source, sha256=sha256 or None, version_id=version_id)
        for source, version_id, sha256 in map(known.file, numbers)
    )


def _when(one: TouchedDataset) -> tuple[float, str]:
    return (one.created_at.timestamp() if one.created_at else 0.0), one.dataset.id


def _ref(pair: Ref) -> DatasetRef:
    return DatasetRef(name=pair[0], id=pair[1])
