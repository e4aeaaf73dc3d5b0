"""Evaluate a trained model on the newest, held-out rows, beside the champion on the very same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.evaluation.ageing import measure_ageing
from airflow_mlops.core.evaluation.bootstrap import paired_interval
from airflow_mlops.core.evaluation.gating import MIN_ROWS, Measured, check_gates, decide, split_slice
from airflow_mlops.core.evaluation.metrics import measure, measure_one
from airflow_mlops.core.evaluation.report import Evaluation, SliceMetrics
from airflow_mlops.core.evaluation.slices import largest_slices, values_of
from airflow_mlops.core.gates import Gate
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.labels import labels_of, require_two_values
from airflow_mlops.core.training.predictor import Predictor

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.spec import ModelSpec

_MAX_SLICES = 30


@dataclass(frozen=True)
class _Scored:
    """The labelled test rows with both models' predictions."""

    frame: pd.DataFrame
    labels: NDArray[np.float64]
    scores: NDArray[np.float64]
    rival: NDArray[np.float64] | None
    rival_version: int | None

    def where(self, mask: NDArray[np.bool_]) -> _Scored:
        """The rows of a slice."""
        rival = None if self.rival is None else self.rival[mask]
        return _Scored(self.frame[mask], self.labels[mask], self.scores[mask], rival, self.rival_version)

    def measure(self, objective: str) -> tuple[dict[str, float], dict[str, float] | None]:
        """Metrics of the challenger, and of the champion if there is one."""
        ours = measure(objective, self.labels, self.scores)
        return ours, None if self.rival is None else measure(objective, self.labels, self.rival)


def evaluate(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    trained: TrainedModel,
    *,
    champion: tuple[int, TrainedModel] | None,
    progress: Progress = ignore,
) -> Evaluation:
    """Measure ``trained`` on the test part of ``version`` and hold the spec's gates against it.

    Writes nothing.

    Rows without a label are left out. Slices are the up to 30 most frequent values, with at least 50 rows, of
    each column in ``evaluation.slices``. See :func:`~airflow_mlops.core.evaluation.gating.decide` for the
    gates.

    :param champion: version and model that serve now, None when there is none.
    :raises SpecError: if a gate can't be measured offline.
    :raises DataError: if there are no labelled test rows, one outcome only, or a column is missing.
    """
    objective = trained.objective
    check_gates(spec.evaluation.gates, objective)
    frame, labels = _test_rows(store, spec, version, trained, champion, progress)
    progress(f"scoring {len(labels)} rows of the test part")
    scored = _Scored(
        frame,
        labels,
        Predictor.load(store, trained).predict_frame(frame),
        Predictor.load(store, champion[1]).predict_frame(frame) if champion else None,
        champion[0] if champion else None,
    )
    metrics, rival = scored.measure(objective)
    return Evaluation(
        artifact=trained.artifact,
        rows=len(labels),
        metrics=metrics,
        champion_version=scored.rival_version,
        champion=rival,
        slices=tuple(_slices(spec, scored, objective)),
        gates=tuple(
            decide(gate, _measured(gate, scored, spec.training.seed)) for gate in spec.evaluation.gates
        ),
        ageing=measure_ageing(store, spec, version, trained, progress=progress),
    )


def explain(evaluation: Evaluation) -> str:
    """One line: every failed gate with value and limit, or that all passed and with what."""
    failed = [result for result in evaluation.gates if not result.passed]
    told = failed or evaluation.gates
    details = "; ".join(f"{result.gate.name} {result.reason}" for result in told)
    if not evaluation.gates:
        return "no gate was evaluated: nothing passes unjudged"
    if failed:
        return f"{len(failed)} of {len(evaluation.gates)} gates refuse: {details}"
    return f"all {len(evaluation.gates)} gates passed on {evaluation.rows} rows: {details}"


def _test_rows(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    trained: TrainedModel,
    champion: tuple[int, TrainedModel] | None,
    progress: Progress,
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    from airflow_mlops.core.data.reading import read_frame
    from airflow_mlops.core.data.split import split_by_time

    needed = _columns(spec, trained, champion)
    _require_columns(version, needed)
    frame = read_frame(store, version, columns=list(needed))
    test = split_by_time(frame, spec.data.event_time, spec.split).test
    present, labels = labels_of(test, spec.data.label, trained.objective)
    if dropped := int((~present).sum()):
        progress(f"{dropped} of {len(test)} rows of the test part have no label and are left out")
    require_two_values(labels, spec.data.label, "test")
    return test[present], labels


def _columns(
    spec: ModelSpec, trained: TrainedModel, champion: tuple[int, TrainedModel] | None
) -> Mapping[str, str]:
    """The columns that are read, each with who needs it."""
    needed: dict[str, str] = {spec.data.event_time: "data.event_time", spec.data.label: "data.label"}
    needed.update(dict.fromkeys(spec.evaluation.slices, "evaluation.slices"))
    needed.update({split_slice(g.slice)[0]: f"gate {g.name}" for g in spec.evaluation.gates if g.slice})
    needed.update({column.name: "the model" for column in trained.signature.inputs})
    if champion:
        who = f"the champion, version {champion[0]}"
        needed.update(
            {column.name: who for column in champion[1].signature.inputs if column.name not in needed}
        )
    return needed


def _require_columns(version: DatasetVersion, needed: Mapping[str, Any]) -> None:
    present = {column.name for column in version.columns}
    for name, who in needed.items():
        if name not in present:
            raise DataError(
                f"{who} needs column {name}, which the data lack", expected=", ".join(sorted(present))[:300]
            )


def _slices(spec: ModelSpec, scored: _Scored, objective: str) -> list[SliceMetrics]:
    found = []
    for column in spec.evaluation.slices:
        for value, mask in largest_slices(scored.frame[column], min_rows=MIN_ROWS, limit=_MAX_SLICES):
            ours, rival = scored.where(mask).measure(objective)
            found.append(
                SliceMetrics(slice=f"{column}={value}", rows=int(mask.sum()), metrics=ours, champion=rival)
            )
    return found


def _measured(gate: Gate, scored: _Scored, seed: int) -> Measured:
    if gate.slice is not None:
        column, value = split_slice(gate.slice)
        scored = scored.where((values_of(scored.frame[column]) == value).to_numpy(dtype=bool))
    rival = interval = None
    if scored.rival is not None:
        rival = measure_one(gate.metric, scored.labels, scored.rival)
        if gate.margin is not None:
            sign = -1 if gate.direction == "higher" else 1
            interval = paired_interval(
                gate.metric, scored.labels, scored.scores, scored.rival, sign=sign, seed=seed
            )
    return Measured(
        value=measure_one(gate.metric, scored.labels, scored.scores),
        champion=rival,
        champion_version=scored.rival_version,
        rows=len(scored.labels),
        interval=interval,
    )
