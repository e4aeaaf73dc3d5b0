"""The rows that are to be predicted, pinned as a dataset version of their own."""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, SpecError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.spec import ModelSpec, Scoring
from airflow_mlops.spec.scoring import scored_dataset

_LONGEST_NAME = 63


def scoring_of(spec: ModelSpec) -> Scoring:
    """The section of the spec. :raises SpecError: without one."""
    if spec.scoring is None:
        raise SpecError(
            f"spec of {spec.name} has no section scoring", remedy="say there which rows are predicted"
        )
    return spec.scoring


def pin_source(
    store: Store,
    root: DataRoot,
    spec: ModelSpec,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Progress = ignore,
) -> DatasetVersion:
    """Pin the rows of ``scoring.source`` with ``since <= event time < until`` as a dataset version.

    It is named ``<model>__scoring``. The same files and period give the same version. Labels need not be there.

    :raises NoRows: if no row lies in the period.
    :raises DataError: if no file is there, or one can't be read or lacks event times.
    """
    try:
        return snapshot(store, root, _source_spec(spec), since=since, until=until, progress=progress)
    except DataError as error:
        raise type(error)(
            f"scoring: {error.problem}", given=error.given, expected=error.expected, remedy=error.remedy
        ) from None


def _source_spec(spec: ModelSpec) -> ModelSpec:
    """A spec whose data are the rows to score; which columns they need is asked of the model that predicts."""
    scoring = scoring_of(spec)
    name = scored_dataset(spec.name)
    if len(name) > _LONGEST_NAME:
        raise SpecError(
            "the data to score get too long a name",
            given=name,
            expected=f"at most {_LONGEST_NAME} characters",
        )
    time = scoring.event_time or spec.data.event_time
    asked = ModelSpec(
        name=spec.name,
        data={"source": scoring.source, "event_time": time, "label": time},
        features={"columns": [time]},
        evaluation=spec.evaluation.model_dump(include={"gates"}),
        rollout=spec.rollout.model_dump(),
    )
    # No model may have the name of what belongs to one, so it is given afterwards.
    return asked.model_copy(update={"name": name})
