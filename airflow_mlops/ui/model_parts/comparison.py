"""Two versions of a model side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from airflow_mlops.core.overview.comparison import changed
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.wording import count, line, moment, short, size
from airflow_mlops.ui.model_parts.versions import Metric, Tendency, metrics_of, tendency_of

_LONGEST: Final = 200
#: Differences of the two specs that are shown.
_MOST: Final = 60
_NOTHING: Final = "\N{EM DASH}"


@dataclass(frozen=True)
class MetricPair:
    """A metric of both versions.

    :param change: second minus first.
    :param tendency: what that means for the second one; None where one has no such metric.
    :param apart: whether their 95 % intervals are apart; None where one has none.
    """

    name: str
    first: Metric | None
    second: Metric | None
    change: float | None
    tendency: Tendency | None
    apart: bool | None


@dataclass(frozen=True)
class Fact:
    """Something that both versions have, in words."""

    name: str
    first: str
    second: str

    @property
    def same(self) -> bool:
        """Whether both say the same."""
        return self.first == self.second


@dataclass(frozen=True)
class Comparison:
    """Two versions side by side.

    :param same_rows: whether the second one was evaluated against the first on the same rows, so that ``metrics`` are
        of these; else each has its own held-out rows.
    :param spec: what differs in their specs, by the path of the field.
    :param left_out: so many more differences.
    """

    first: int
    second: int
    same_rows: bool
    metrics: tuple[MetricPair, ...]
    facts: tuple[Fact, ...]
    spec: tuple[Fact, ...]
    left_out: int


def compare_versions(first: int, one: ModelVersion, second: int, other: ModelVersion) -> Comparison:
    """Compare version ``second`` with version ``first``."""
    same_rows = other.evaluation.champion_version == first and other.evaluation.champion is not None
    mine, theirs = metrics_of(one.evaluation), metrics_of(other.evaluation)
    if same_rows:
        mine = {name: Metric(name, value) for name, value in (other.evaluation.champion or {}).items()}
    names = dict.fromkeys([*theirs, *mine])
    differences = _differences(one.spec, other.spec)
    return Comparison(
        first=first,
        second=second,
        same_rows=same_rows,
        metrics=tuple(_pair(name, mine.get(name), theirs.get(name), same_rows) for name in names),
        facts=_facts(one, other),
        spec=tuple(differences[:_MOST]),
        left_out=max(0, len(differences) - _MOST),
    )


def _pair(name: str, first: Metric | None, second: Metric | None, same_rows: bool) -> MetricPair:
    if first is None or second is None:
        return MetricPair(name, first, second, None, None, None)
    change = second.value - first.value
    apart: bool | None = None
    if same_rows and second.change_low is not None:
        apart = second.certain
    elif None not in (first.low, first.high, second.low, second.high):
        apart = second.low > first.high or second.high < first.low  # type: ignore[operator]
    return MetricPair(name, first, second, change, tendency_of(name, change), apart)


def _facts(one: ModelVersion, other: ModelVersion) -> tuple[Fact, ...]:
    def both(name: str, say: Any) -> Fact:
        return Fact(name, line(say(one), _LONGEST), line(say(other), _LONGEST))

    return (
        both("registered", lambda version: moment(version.created_at)),
        both("by", lambda version: version.created_by),
        both("data version", lambda version: f"{version.dataset.name} {short(version.dataset.id)}"),
        both("training rows", lambda version: count(version.trained.train_rows)),
        both("held-out rows", lambda version: count(version.evaluation.rows)),
        both("features", lambda version: count(len(version.trained.signature.features))),
        both("boosting rounds", lambda version: count(version.trained.rounds)),
        both("size of the model", lambda version: size(version.trained.size)),
        both("median latency", _latency),
        both("environment", lambda version: short(version.trained.environment)),
        both("feature code", lambda version: short(version.trained.code.sha256) if version.trained.code else _NOTHING),
    )  # fmt: skip


def _latency(version: ModelVersion) -> str:
    found = version.evaluation.efficiency
    return f"{found.latency_median_ms:.3g} ms" if found else _NOTHING


def _differences(one: dict[str, Any], other: dict[str, Any]) -> list[Fact]:
    return [Fact(line(found.place, 120), _said(found.a), _said(found.b)) for found in changed(one, other)]


def _said(value: object) -> str:
    return _NOTHING if value is None or value == "" else line(str(value), _LONGEST)
