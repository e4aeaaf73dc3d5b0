"""Which raw columns move a model's answers: drift of a column that moves none of them matters little.

The evaluation knows the importance of features; with a feature function nobody knows which raw columns these are made
of. So the raw columns themselves are shuffled, one at a time, through the feature function and the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.record import Record

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.core.store import Store
    from airflow_mlops.core.training.predictor import Predictor

#: Rows times columns that are answered: bounds the time to about a second.
_MOST_CELLS = 20_000
_LEAST_ROWS, _MOST_ROWS = 100, 2_000
_SEED = 0


class Influence(Record):
    """How far each raw column moves the answers.

    :param columns: mean absolute change of the answer when the column's values are shuffled among the rows, in the unit
        of the answer.
    :param rows: rows that were answered.
    """

    columns: dict[str, float]
    rows: int


def influence(predictor: Predictor, frame: pd.DataFrame) -> Influence:
    """Shuffle each raw column and ask again: permutation importance (Breiman, "Random forests", 2001), of the answers
    and not of the loss, so that it needs no labels and is never negative.

    :param frame: rows with the model's raw columns that it did not learn from.
    """
    import numpy as np

    names = [column.name for column in predictor.trained.signature.inputs]
    rng = np.random.default_rng(_SEED)
    size = min(len(frame), max(_LEAST_ROWS, min(_MOST_ROWS, _MOST_CELLS // len(names))))
    if not size:
        return Influence(columns=dict.fromkeys(names, 0.0), rows=0)
    rows = frame[names].iloc[np.sort(rng.choice(len(frame), size, replace=False))].reset_index(drop=True)
    answers = predictor.predict_frame(rows)
    found = {}
    for name in names:
        shuffled = rows.copy(deep=False)
        shuffled[name] = rows[name].take(rng.permutation(size)).set_axis(rows.index)
        found[name] = float(np.abs(predictor.predict_frame(shuffled) - answers).mean())
    return Influence(columns=found, rows=size)


def influence_of(
    store: Store, model: str, number: int, predictor: Predictor, frame: pd.DataFrame
) -> Influence:
    """:func:`influence` of version ``number`` of a model, computed once and kept in the store.

    :param frame: its held-out rows, e.g. those of :func:`~airflow_mlops.core.monitoring.held_out.held_out`.
    """
    from airflow_mlops.core.store.results import keep_first, read_kept

    key = f"models/{model}/importance/{number}.json"
    kept = read_kept(store, key, Influence)
    return keep_first(store, key, influence(predictor, frame)) if kept is None else kept
