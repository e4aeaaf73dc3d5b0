"""The rows an evaluation reads: the held-out ones, and those before them where a threshold has to be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.evaluation.conditions import parse_slice
from airflow_mlops.core.evaluation.search import searched_columns
from airflow_mlops.core.evaluation.slices import source_of
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.labels import labels_of, require_two_values

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.spec import ModelSpec

#: Rows on which a threshold is chosen, the newest of their part.
_MOST_EARLIER = 100_000


@dataclass(frozen=True)
class Labelled:
    """Rows that have a label, and the part of the data they are from: test, validation or training."""

    part: str
    frame: pd.DataFrame
    labels: NDArray[np.float64]


def read_parts(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    trained: TrainedModel,
    champion: tuple[int, TrainedModel] | None,
    progress: Progress,
) -> tuple[Labelled, Labelled | None]:
    """The test part; and, where costs are given without a threshold, up to 100,000 rows before it to choose one on.

    :raises DataError: if there are no labelled test rows, one outcome only, or a column is missing.
    """
    from airflow_mlops.core.data.reading import read_frame
    from airflow_mlops.core.data.split import split_by_time

    columns = _columns(spec, version, trained, champion)
    frame = read_frame(store, version, columns=list(columns))
    parts = split_by_time(frame, spec.data.event_time, spec.split)
    test = _labelled("test", parts.test, spec, trained.objective, progress)
    require_two_values(test.labels, spec.data.label, "test")
    if spec.evaluation.costs is None or spec.evaluation.costs.threshold is not None:
        return test, None
    name, earlier = (
        ("training", parts.train) if parts.validation is None else ("validation", parts.validation)
    )
    before = _labelled(name, earlier.iloc[-_MOST_EARLIER:], spec, trained.objective, progress)
    require_two_values(before.labels, spec.data.label, name)
    return test, before


def _labelled(
    part: str, frame: pd.DataFrame, spec: ModelSpec, objective: str, progress: Progress
) -> Labelled:
    present, labels = labels_of(frame, spec.data.label, objective)
    if dropped := int((~present).sum()):
        progress(f"{dropped} of {len(frame)} rows of the {part} part have no label and are left out")
    return Labelled(part, frame[present], labels)


def _columns(
    spec: ModelSpec,
    version: DatasetVersion,
    trained: TrainedModel,
    champion: tuple[int, TrainedModel] | None,
) -> Mapping[str, str]:
    """The columns that are read, each with who needs it.

    :raises DataError: if the data lack one.
    """
    wanted = [(spec.data.event_time, "data.event_time"), (spec.data.label, "data.label")]
    wanted += [(name, "evaluation.slices") for name in spec.evaluation.slices]
    wanted += [(name, "evaluation.groups") for name in spec.evaluation.groups]
    wanted += [
        (name, "evaluation.search") for name in searched_columns(spec.evaluation, spec.features.columns)
    ]
    for gate in spec.evaluation.gates:
        named = [condition.column for condition in parse_slice(gate.slice)] if gate.slice else []
        wanted += [(name, f"gate {gate.name}") for name in (*named, *((gate.group,) if gate.group else ()))]
    wanted += [(column.name, "the model") for column in trained.signature.inputs]
    if champion:
        who = f"the champion, version {champion[0]}"
        wanted += [(column.name, who) for column in champion[1].signature.inputs]
    return _present(version, wanted)


def _present(version: DatasetVersion, wanted: list[tuple[str, str]]) -> Mapping[str, str]:
    known = {column.name for column in version.columns}
    needed: dict[str, str] = {}
    for name, who in wanted:
        source = source_of(name, known)
        if source not in known:
            raise DataError(
                f"{who} needs column {name}, which the data lack", expected=", ".join(sorted(known))[:300]
            )
        needed.setdefault(source, who)
    return needed
