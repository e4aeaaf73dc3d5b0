"""The versions of a model with their metrics beside those of the champion of their time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import HIGHER_IS_BETTER
from airflow_mlops.core.overview.model_records import ModelRecords
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.releases import ReleaseEvent
from airflow_mlops.core.registry.standing import standing
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.wording import line

#: Versions of one page of the table, and metrics that it has columns for.
PER_PAGE: Final = 50
_METRICS: Final = 3
_LONGEST: Final = 300

Tendency = Literal["better", "worse", "the same"]


@dataclass(frozen=True)
class Metric:
    """A metric of a version on its held-out rows.

    :param low, high: 95 % interval; None where none was given.
    :param change: the difference to the champion of that time on the same rows; None without one.
    :param change_low, change_high: its 95 % interval, known where a gate compared the two.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None

    @property
    def tendency(self) -> Tendency | None:
        """Whether the difference is for the better, in a word; None without one."""
        return None if self.change is None else tendency_of(self.name, self.change)

    @property
    def certain(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        if self.change_low is None or self.change_high is None:
            return False
        return self.change_low > 0 or self.change_high < 0


@dataclass(frozen=True)
class Digest:
    """What the table says of a version, out of its record."""

    created_at: datetime
    created_by: str
    dataset: str
    dataset_id: str
    rows: int
    against: int | None
    metrics: dict[str, Metric]
    gates: tuple[str, ...]
    run: str | None


@dataclass(frozen=True)
class VersionRow:
    """A row of the table.

    :param found: None where the record can't be read.
    :param standing: in words; ``why``: the reason of it.
    :param release: how its release ended, in words; ``release_why``: the reason of it.
    """

    number: int
    found: Digest | None
    champion: bool
    challenger: bool
    standing: str
    why: str
    release: str
    release_why: str


@dataclass(frozen=True)
class VersionPage:
    """A page of the table, newest first.

    :param metrics: names of the metrics that have columns.
    :param older, newer: the number to ask for the page of older or newer ones below; None without any.
    """

    rows: tuple[VersionRow, ...]
    metrics: tuple[str, ...]
    total: int
    older: int | None
    newer: int | None


def tendency_of(metric: str, change: float) -> Tendency:
    """Whether a change of a metric is for the better, in a word."""
    if change == 0:
        return "the same"
    return "better" if (change > 0) == (metric in HIGHER_IS_BETTER) else "worse"


def digest(record: ModelVersion) -> Digest:
    """What the table says of a version."""
    found = record.evaluation
    gates = dict.fromkeys(one.gate.metric for one in found.gates if one.gate.slice is None)
    return Digest(
        created_at=record.created_at,
        created_by=line(record.created_by, _LONGEST),
        dataset=record.dataset.name,
        dataset_id=record.dataset.id,
        rows=record.trained.train_rows,
        against=found.champion_version,
        metrics=metrics_of(found),
        gates=tuple(gates),
        run=record.run.key if record.run else None,
    )


def metrics_of(found: Evaluation) -> dict[str, Metric]:
    """The metrics of an evaluation beside those of its champion."""
    rival = found.champion or {}
    worse_by = {
        one.gate.metric: one.interval
        for one in found.gates
        if one.gate.margin is not None and one.gate.slice is None and one.interval is not None
    }
    return {name: _metric(found, name, rival.get(name), worse_by.get(name)) for name in found.metrics}


def version_page(
    records: ModelRecords, champion: int | None, challenger: int | None, below: int | None = None
) -> VersionPage:
    """A page of the table.

    :param below: show versions with a smaller number; None for the newest.
    """
    last = records.last_version()
    top = last if below is None else max(0, min(last, below - 1))
    numbers = list(range(top, max(0, top - PER_PAGE), -1))
    found = records.digests(numbers, digest)
    ended = releases_by_version(records.releases)
    about = _entries_about(records.deployments)
    rows = tuple(
        _row(number, found.get(number), about.get(number, ()), ended.get(number), champion, challenger)
        for number in numbers
    )
    return VersionPage(
        rows=rows,
        metrics=metric_names(found[number] for number in numbers if number in found),
        total=last,
        older=numbers[-1] if numbers and numbers[-1] > 1 else None,
        newer=min(last, top + PER_PAGE) + 1 if top < last else None,
    )


def releases_by_version(events: Iterable[ReleaseEvent]) -> dict[int, ReleaseEvent]:
    """How the release of each version ended."""
    return {one.version: one for one in events if one.version is not None and not one.begins}


def metric_names(found: Iterable[Digest], most: int = _METRICS) -> tuple[str, ...]:
    """Metrics for columns: those that gates ask about first, as the newest version has them."""
    digests = list(found)
    asked = [name for one in digests for name in one.gates if name in one.metrics]
    rest = [name for one in digests for name in one.metrics]
    return tuple(dict.fromkeys([*asked, *rest]))[:most]


def _entries_about(entries: Sequence[Deployment]) -> dict[int, list[Deployment]]:
    """For each version the entries that say something of it: those that name it, and the next and the one before."""
    places: dict[int, set[int]] = {}
    for place, entry in enumerate(entries):
        for version in {entry.champion, entry.challenger} - {None}:
            places.setdefault(version or 0, set()).update((place - 1, place, place + 1))
    return {
        version: [entries[place] for place in sorted(found) if 0 <= place < len(entries)]
        for version, found in places.items()
    }


def _metric(
    found: Evaluation, name: str, rival: float | None, worse_by: tuple[float, float] | None
) -> Metric:
    value = found.metrics[name]
    low, high = found.intervals.get(name, (None, None))
    if rival is None:
        return Metric(name, value, low, high)
    if worse_by is None:
        return Metric(name, value, low, high, value - rival)
    ends = sorted(-end for end in worse_by) if name in HIGHER_IS_BETTER else sorted(worse_by)
    return Metric(name, value, low, high, value - rival, ends[0], ends[1])


def _row(
    number: int,
    found: Digest | None,
    entries: Sequence[Deployment],
    ended: ReleaseEvent | None,
    champion: int | None,
    challenger: int | None,
) -> VersionRow:
    stands = standing(entries, number)
    words = {"PendingManualApproval": "not promoted", "Approved": "approved", "Rejected": "rejected"}
    return VersionRow(
        number=number,
        found=found,
        champion=number == champion,
        challenger=number == challenger,
        standing=words[stands.approval],
        why=line(stands.reason, _LONGEST),
        release=ended.event if ended else "no end noted",
        release_why=line(ended.reason, _LONGEST) if ended else "",
    )
