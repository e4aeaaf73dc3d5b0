"""Which raw columns move a model's answers: drift of a column that moves none of them matters little.

The evaluation knows the importance of features; with a feature function nobody knows which raw columns these are made
of. So the raw columns themselves are shuffled, one at a time, through the feature function and the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.record import Record

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.core.monitoring.held_out import HeldOut
    from airflow_mlops.core.store import Store
    from airflow_mlops.core.training.predictor import Predictor

#: Rows times columns that are answered: bounds the time to about a second.
_MOST_CELLS = 20_000
_LEAST_ROWS, _MOST_ROWS = 100, 2_000
_SEED = 0


class ColumnImportance(Record):
    """What moves a version's answers.

    :param columns: of each column the mean absolute change of the answer when its values are shuffled among rows, in
        the unit of the answer.
    :param rows: rows that were answered.
    """

    columns: dict[str, float]
    rows: int


def column_importance(predictor: Predictor, frame: pd.DataFrame) -> ColumnImportance:
    """Shuffle each raw column and ask again: permutation importance (Breiman, "Random forests", 2001), of the answers
    and not of the loss, so that it needs no labels and is never negative.

    :param frame: rows with the model's raw columns that it did not learn from.
    """
    import numpy as np

    names = [column.name for column in predictor.trained.signature.inputs]
    rng = np.random.default_rng(_SEED)
    size = min(len(frame), max(_LEAST_ROWS, min(_MOST_ROWS, _MOST_CELLS // len(names))))
    if not size:
        return ColumnImportance(columns=dict.fromkeys(names, 0.0), rows=0)
    rows = frame[names].iloc[np.sort(rng.choice(len(frame), size, replace=False))].reset_index(drop=True)
    answers = predictor.predict_frame(rows)
    found = {}
    for name in names:
        shuffled = rows.copy(deep=False)
        shuffled[name] = rows[name].take(rng.permutation(size)).set_axis(rows.index)
        found[name] = float(np.abs(predictor.predict_frame(shuffled) - answers).mean())
    return ColumnImportance(columns=found, rows=size)


def importance_of_columns(store: Store, model: str, number: int, held: HeldOut) -> dict[str, float]:
    """:func:`column_importance` of version ``number`` of a model, computed once and kept in the store.

    :param held: its held-out rows.
    :raises RegistryError: if there is no such version.
    :raises IntegrityError: if the model is not what was recorded.
    """
    from airflow_mlops.core.registry.versions import Registry
    from airflow_mlops.core.store.results import keep_first, read_kept
    from airflow_mlops.core.training.predictor import Predictor

    key = f"models/{model}/importance/{number}.json"
    if (kept := read_kept(store, key, ColumnImportance)) is not None:
        return kept.columns
    predictor = Predictor.load(store, Registry(store, model).get(number).trained)
    return keep_first(store, key, column_importance(predictor, held.frame)).columns
