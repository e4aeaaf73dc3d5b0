"""Evaluate a trained model on the newest, held-out rows, beside the champion on the very same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.evaluation.ageing import measure_ageing
from airflow_mlops.core.evaluation.analysis import Calibration, CostResult, Fairness, SliceSearchResult
from airflow_mlops.core.evaluation.calibration import calibration_of
from airflow_mlops.core.evaluation.conditions import Is
from airflow_mlops.core.evaluation.costs import DEFAULT_THRESHOLD, Threshold, choose_threshold, cost_result
from airflow_mlops.core.evaluation.efficiency import efficiency_of
from airflow_mlops.core.evaluation.fairness import compare_groups, groups_of, require_fairlearn
from airflow_mlops.core.evaluation.gating import MIN_ROWS, check_evaluation, decide
from airflow_mlops.core.evaluation.importance import importance_of
from airflow_mlops.core.evaluation.intervals import measure_with_intervals
from airflow_mlops.core.evaluation.measuring import Answers, measured
from airflow_mlops.core.evaluation.report import Evaluation, SliceMetrics
from airflow_mlops.core.evaluation.rows import Labelled, read_parts
from airflow_mlops.core.evaluation.scored import Scored
from airflow_mlops.core.evaluation.search import search_slices, searched_columns
from airflow_mlops.core.evaluation.slices import largest_slices, slice_column
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.predictor import Predictor

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.spec import ModelSpec

_MAX_SLICES = 30


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

    Writes nothing. Two evaluations of one model differ in the measured times (``efficiency``) only.

    Rows without a label are left out. Slices are the up to 30 most frequent values, with at least 50 rows, of
    each column in ``evaluation.slices``. See :func:`~airflow_mlops.core.evaluation.gating.decide` for the
    gates.

    :param champion: version and model that serve now, None when there is none.
    :raises SpecError: if a gate can't be measured offline, or the spec asks for another analysis that can't be made.
    :raises DataError: if there are no labelled test rows, one outcome only, or a column is missing.
    :raises PlatformError: if groups are compared and fairlearn is not installed.
    """
    objective, seed = trained.objective, spec.training.seed
    check_evaluation(spec.evaluation, spec.features.columns, objective)
    columns = _grouped(spec)
    test, earlier = read_parts(store, spec, version, trained, champion, progress)
    ours = Predictor.load(store, trained)
    theirs = Predictor.load(store, champion[1]) if champion else None
    progress(f"scoring {len(test.labels)} rows of the test part")
    scored = _score(test, ours, theirs, champion[0] if champion else None)
    threshold = _threshold(spec, ours, earlier)
    answers = Answers(threshold.value, spec.evaluation.costs)
    metrics, rival = scored.measure(objective)
    days = _days(scored.frame[spec.data.event_time])
    return Evaluation(
        artifact=trained.artifact,
        rows=len(test.labels),
        metrics=metrics,
        champion_version=scored.rival_version,
        champion=rival,
        intervals=_intervals(objective, scored, days),
        slices=tuple(_slices(spec, scored, objective, days)),
        gates=tuple(
            decide(gate, measured(gate, scored, answers, seed=seed)) for gate in spec.evaluation.gates
        ),
        search=_search(spec, scored, objective, progress),
        fairness=tuple(_fairness(columns, scored, threshold.value, progress)),
        calibration=_calibration(scored, objective),
        importance=importance_of(ours, scored.frame, seed=seed),
        efficiency=efficiency_of(ours, scored.frame, theirs),
        costs=_costs(spec, scored, threshold),
        ageing=measure_ageing(store, spec, version, trained, progress=progress),
    )


def explain(evaluation: Evaluation) -> str:
    """One line: every failed gate with value and limit, or that all passed and with what; and the worst slice."""
    failed = [result for result in evaluation.gates if not result.passed]
    told = failed or evaluation.gates
    details = "; ".join(f"{result.gate.name} {result.reason}" for result in told)
    if not evaluation.gates:
        return "no gate was evaluated: nothing passes unjudged"
    worst = _worst(evaluation.search)
    if failed:
        return f"{len(failed)} of {len(evaluation.gates)} gates refuse: {details}{worst}"
    return f"all {len(evaluation.gates)} gates passed on {evaluation.rows} rows: {details}{worst}"


def _worst(search: SliceSearchResult | None) -> str:
    if search is None or not search.slices:
        return ""
    one = search.slices[0]
    return f"; worst slice {one.slice} ({one.rows} rows): loss {one.loss:.4g}, elsewhere {one.elsewhere:.4g}"


def _grouped(spec: ModelSpec) -> tuple[str, ...]:
    """The columns whose groups are compared. :raises PlatformError: if there are some, and fairlearn is missing."""
    gates = (gate.group for gate in spec.evaluation.gates if gate.group is not None)
    columns = tuple(dict.fromkeys([*spec.evaluation.groups, *gates]))
    if columns:
        require_fairlearn()
    return columns


def _score(test: Labelled, ours: Predictor, theirs: Predictor | None, version: int | None) -> Scored:
    return Scored(
        test.frame,
        test.labels,
        ours.predict_frame(test.frame),
        theirs.predict_frame(test.frame) if theirs else None,
        version,
    )


def _threshold(spec: ModelSpec, ours: Predictor, earlier: Labelled | None) -> Threshold:
    """The score from which the answer is yes; never chosen on the rows that are judged by it."""
    costs = spec.evaluation.costs
    if costs is None:
        return Threshold(DEFAULT_THRESHOLD, "spec")
    if earlier is None:
        return Threshold(DEFAULT_THRESHOLD if costs.threshold is None else costs.threshold, "spec")
    return choose_threshold(costs, earlier.part, earlier.labels, ours.predict_frame(earlier.frame))


def _calibration(scored: Scored, objective: str) -> Calibration | None:
    return calibration_of(scored.labels, scored.scores, scored.rival) if objective == "binary" else None


def _costs(spec: ModelSpec, scored: Scored, threshold: Threshold) -> CostResult | None:
    costs = spec.evaluation.costs
    return cost_result(costs, threshold, scored.labels, scored.scores, scored.rival) if costs else None


def _slices(spec: ModelSpec, scored: Scored, objective: str, days: NDArray[np.int64]) -> list[SliceMetrics]:
    found = []
    for column in spec.evaluation.slices:
        values = slice_column(scored.frame, column)
        for value, mask in largest_slices(values, min_rows=MIN_ROWS, limit=_MAX_SLICES):
            part = scored.where(mask)
            ours, rival = part.measure(objective)
            found.append(
                SliceMetrics(
                    slice=str(Is(column, value)),
                    rows=int(mask.sum()),
                    metrics=ours,
                    champion=rival,
                    intervals=_intervals(objective, part, days[mask]),
                )
            )
    return found


def _days(times: pd.Series) -> NDArray[np.int64]:
    """A number for the day (UTC) of each row: rows of one day have much in common, e.g. the weather."""
    import numpy as np
    import pandas as pd

    _, number = np.unique(pd.to_datetime(times, utc=True).dt.floor("D").to_numpy(), return_inverse=True)
    return np.asarray(number, dtype=np.int64)


def _intervals(objective: str, scored: Scored, days: NDArray[np.int64]) -> dict[str, tuple[float, float]]:
    """95 % intervals of the metrics, by rows or by days, whichever says less."""
    import numpy as np

    ways = [np.arange(len(days)), np.unique(days, return_inverse=True)[1].reshape(-1)]
    found = measure_with_intervals(objective, scored.labels, scored.scores, ways)
    return {
        name: (one.low, one.high)
        for name, one in found.items()
        if one.low is not None and one.high is not None
    }


def _search(spec: ModelSpec, scored: Scored, objective: str, progress: Progress) -> SliceSearchResult | None:
    if spec.evaluation.search is None:
        return None
    columns = searched_columns(spec.evaluation, spec.features.columns)
    found = search_slices(
        spec.evaluation.search,
        columns,
        scored.frame,
        objective,
        scored.labels,
        scored.scores,
        seed=spec.training.seed,
        times=scored.frame[spec.data.event_time],
    )
    progress(found.reason)
    return found


def _fairness(
    columns: tuple[str, ...], scored: Scored, threshold: float, progress: Progress
) -> list[Fairness]:
    found = []
    for column in columns:
        one = compare_groups(column, groups_of(scored.frame, column), scored.labels, scored.scores, threshold)
        if one is None:
            continue
        if one.left_out:
            progress(f"{one.left_out} rows are of groups of {column} that are too small to compare")
        found.append(one)
    return found
