"""Score: predict the rows of a dataset version, write them by day, and say in the log what is current.

Files come first and the entry of the log last: a death on the way leaves files that no entry names, and the next try
writes the same bytes under the same keys. So nothing is doubled, lost or seen half-written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import DataError, LogConflict
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.scoring.partitions import write_partition
from airflow_mlops.core.scoring.plan import Plan, entry_of
from airflow_mlops.core.scoring.predicting import Predict, Predictions, predictor_of
from airflow_mlops.core.scoring.record import (
    DATASET,
    FILE,
    PREDICTION,
    ROW,
    SCORED_AT,
    VARIANT,
    VERSION,
    Partition,
    Scored,
    predictions_log,
)
from airflow_mlops.core.scoring.sifting import Aside, Rows, sift
from airflow_mlops.core.scoring.spool import DaySpool
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.arrival import sweep
from airflow_mlops.core.store.cache import cache_dir
from airflow_mlops.core.validation.quarantine import Quarantine, quarantine

if TYPE_CHECKING:
    import pyarrow as pa

#: Lines of progress: one for so many rows.
_SAID = 1_000_000


@dataclass(frozen=True)
class Recorded:
    """An entry of the log. :param new: whether it was made now, and not found."""

    number: int
    entry: Scored
    new: bool


def recorded(store: Store, plan: Plan) -> Recorded | None:
    """What an earlier try or run of the same plan has recorded; None if it is to be done."""
    found = entry_of(list(predictions_log(store, plan.model).entries()), plan)
    return Recorded(*found, new=False) if found else None


def score(
    store: Store,
    plan: Plan,
    *,
    by: str,
    run: str | None = None,
    predict: Predict | None = None,
    progress: Progress = ignore,
) -> Recorded:
    """Predict every row of the plan that can be, unless that was done before. Memory is bounded, whatever the rows.

    :param by: who asks, and ``run`` in which Airflow run.
    :param predict: what predicts; without one, the plan's choice in this process.
    :raises DataError: if no row can be predicted.
    :raises FeatureError: if the model fails.
    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed, naming the file.
    """
    found = recorded(store, plan)
    if found is not None:
        return found
    aside = Aside(plan)
    with _room() as folder:
        spool = DaySpool(folder, plan.dataset.event_time)
        with quarantine(plan.source, aside.reasons) as bad:
            aside.keep_in(bad)
            _predict(store, plan, predict or predictor_of(store, plan.choice), spool, aside, progress)
            partitions = tuple(
                write_partition(store, plan, day, spool.batches(day), folder) for day in spool.days()
            )
            entry = _entry(store, plan, partitions, aside, bad, run, by)
    return _record(store, plan, entry)


@contextmanager
def _room() -> Iterator[Path]:
    """A folder for what does not fit into memory. In the cache, since ``/tmp`` may be memory itself."""
    place = cache_dir() / "scoring"
    place.mkdir(exist_ok=True)
    sweep(place, "*/*")  # of tasks that were killed
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield Path(name)


def fitting_rows(store: Store, plan: Plan) -> Iterator[pa.RecordBatch]:
    """The rows that fit the model's inputs, as it takes them: what another machine is asked to predict.

    :raises DataError: if there is none.
    """
    aside = Aside(plan)
    rows = sift(store, plan, aside)
    first = next(rows, None)
    if first is None:
        raise nothing_fits(plan, aside)
    yield from (one.fitted for one in chain([first], rows))


def nothing_fits(plan: Plan, aside: Aside) -> DataError:
    """The error for data of which no row can be predicted: says the most frequent reason."""
    reason = aside.counts.most_common(1)
    return DataError(
        f"no row of {plan.dataset.name}@{plan.dataset.id} can be predicted by {plan.choice.variant}",
        given=f"{aside.rows:,} rows; of {reason[0][1]:,}: {reason[0][0]}" if reason else "no rows",
        remedy="mend the column at its source",
    )


def _predict(
    store: Store, plan: Plan, predict: Predict, spool: DaySpool, aside: Aside, progress: Progress
) -> None:
    import numpy as np

    done = said = 0
    for rows in sift(store, plan, aside):
        made = predict(rows.fitted)
        kept = rows
        if made.failed:
            aside.failed(rows, made.failed)
            ok = np.ones(len(rows.row), dtype=bool)
            ok[list(made.failed)] = False
            kept, made = rows.take(ok), Predictions(made.values[ok])
        if len(kept.row):
            spool.add(_beside(plan, kept, made))
        done += len(kept.row)
        if done // _SAID > said:
            said = done // _SAID
            progress(f"{done:,} of {plan.dataset.rows:,} rows are predicted")
    if not done:
        raise nothing_fits(plan, aside)


def _beside(plan: Plan, rows: Rows, made: Predictions) -> pa.RecordBatch:
    """Predictions with the columns that stand beside them."""
    import pyarrow as pa

    count = len(rows.row)

    def constant(value: object, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), count) if value is not None else pa.nulls(count, kind)

    time = pa.timestamp("us", tz="UTC")
    dataset = plan.dataset
    columns = {name: rows.given.column(name) for name in plan.columns}
    columns |= {
        PREDICTION: pa.array(made.values, pa.float64()),
        VERSION: constant(plan.choice.version, pa.int64()),
        VARIANT: constant(plan.choice.variant, pa.string()),
        DATASET: constant(f"{dataset.name}@{dataset.id}", pa.string()),
        SCORED_AT: constant(plan.at, time),
        FILE: constant(plan.source.files[rows.file].source, pa.string()),
        ROW: pa.array(rows.row, pa.int64()),
    }
    return pa.RecordBatch.from_pydict(columns)


def _entry(
    store: Store,
    plan: Plan,
    partitions: tuple[Partition, ...],
    aside: Aside,
    bad: Quarantine,
    run: str | None,
    by: str,
) -> Scored:
    dataset = plan.dataset
    return Scored(
        model=plan.model,
        dataset=dataset.ref,
        since=dataset.since,
        until=dataset.until,
        content=plan.content,
        sources=tuple(one.source for one in plan.source.files),
        version=plan.choice.version,
        variant=plan.choice.variant,
        rule=plan.choice.rule,
        columns=plan.columns,
        event_time=dataset.event_time,
        scored_at=plan.at,
        rows=sum(one.rows for one in partitions),
        set_aside=aside.rows,
        reasons=dict(aside.counts.most_common()),
        quarantine=bad.store(store),
        partitions=partitions,
        run=run,
        by=by,
    )


def _record(store: Store, plan: Plan, entry: Scored) -> Recorded:
    """Append the entry, unless another writer has said the same meanwhile."""
    log = predictions_log(store, plan.model)
    while True:
        entries = list(log.entries())
        found = entry_of(entries, plan)
        if found is not None:
            return Recorded(*found, new=False)
        try:
            return Recorded(log.append(entry, after=len(entries)), entry, new=True)
        except LogConflict:
            continue
