"""The two sides of a comparison: the champion's live traffic, and the data that it learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.monitoring.answers.columns import stored_name
from airflow_mlops.core.monitoring.columns import Watched, read_frame_of
from airflow_mlops.core.store import Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

#: Rows on either side that go into a comparison; more are sampled. A drift that matters shows in that many.
MOST_ROWS = 50_000
SEED = 0


@dataclass(frozen=True)
class Window:
    """Captured live rows of the champion, since <= t < until.

    :param rows: all of them; ``frame`` holds at most :data:`MOST_ROWS`, drawn with a fixed seed. It has the watched raw
        columns that the window's rows carry.
    :param predictions: the champion's answers to the rows of ``frame``.
    :param set_aside: requests that were left out, by reason.
    """

    since: datetime
    until: datetime
    champion: int | None
    rows: int
    frame: pd.DataFrame
    predictions: NDArray[np.float64]
    set_aside: dict[str, int]

    @classmethod
    def nothing(cls, since: datetime, until: datetime) -> Window:
        """A window without a champion, and so without traffic of one."""
        import numpy as np
        import pandas as pd

        return cls(since, until, None, 0, pd.DataFrame(), np.empty(0), {})


@dataclass(frozen=True)
class Reference:
    """What the window is held against.

    :param version: the champion's training data.
    :param frame: its watched columns, at most :data:`MOST_ROWS` rows, drawn with a fixed seed.
    :param predictions: the champion's answers to rows that it did not learn from
        (:attr:`~airflow_mlops.core.monitoring.held_out.HeldOut.scores`); empty where there are none.
    """

    version: DatasetVersion
    frame: pd.DataFrame
    predictions: NDArray[np.float64]


def answers_needed(columns: Sequence[Watched]) -> list[str]:
    """The columns of the table of answers that :func:`live_window` reads."""
    return [*_OURS, *(stored_name(column.name) for column in columns)]


def live_window(
    answers: Iterable[pa.RecordBatch],
    columns: Sequence[Watched],
    *,
    champion: int,
    since: datetime,
    until: datetime,
    most_rows: int = MOST_ROWS,
) -> Window:
    """The champion's own answers of a period, in bounded memory.

    Left out and counted by request: shadow answers and a challenger's (they answer copies, or their own share), answers
    of another version or of the fallback rule, failed requests, and rows that a batch has twice. A column of which no
    row has a value has vanished.

    :param answers: rows as :meth:`~airflow_mlops.core.monitoring.answers.table.AnswersTable.batches` gives them, or
        the batches of a table; the same order gives the same sample.
    :param columns: what each watched column is in the champion's dataset version.
    """
    import numpy as np

    set_aside: Counter[str] = Counter()
    sample = _Sample(most_rows)
    for batch in answers:
        why = _why_left_out(batch, f"v{champion}", since, until)
        first = batch.column("_row").to_numpy(zero_copy_only=False) == 0
        set_aside.update(str(reason) for reason in why[first] if reason not in (_KEPT, _OUTSIDE))
        sample.add(batch, np.flatnonzero(why == _KEPT))
    drawn = sample.table()
    if drawn is None:
        return replace(Window.nothing(since, until), champion=champion, set_aside=dict(set_aside))
    stored = {stored_name(column.name): column.name for column in columns}
    carried = [
        name for name in stored if name in drawn.column_names and str(drawn.schema.field(name).type) != "null"
    ]
    raw = drawn.select(carried).to_pandas().rename(columns=stored)
    return Window(
        since=since,
        until=until,
        champion=champion,
        rows=sample.rows,
        frame=read_frame_of(raw, columns),
        predictions=drawn.column("_prediction").to_numpy(),
        set_aside=dict(set_aside),
    )


class _Sample:
    """Rows of which each is as likely to stay: those with the smallest random numbers, as they came."""

    def __init__(self, most: int) -> None:
        import numpy as np

        self.rows = 0
        self._most = most
        self._draw = np.random.default_rng(SEED)
        self._parts: list[pa.RecordBatch] = []
        self._numbers: NDArray[np.float64] = np.empty(0)

    def add(self, batch: pa.RecordBatch, places: NDArray[np.int64]) -> None:
        """Take in these rows of a batch."""
        import numpy as np

        if not len(places):
            return
        self.rows += len(places)
        self._parts.append(batch.take(places))
        self._numbers = np.concatenate([self._numbers, self._draw.random(len(places))])
        if len(self._numbers) > 2 * self._most:
            self._thin()

    def table(self) -> pa.Table | None:
        """The sample; None without a row."""
        import pyarrow as pa

        if not self._parts:
            return None
        self._thin()
        return pa.Table.from_batches(self._parts)

    def _thin(self) -> None:
        import numpy as np
        import pyarrow as pa

        if len(self._numbers) <= self._most:
            return
        stay = np.sort(np.argpartition(self._numbers, self._most)[: self._most])
        self._numbers = self._numbers[stay]
        self._parts = pa.Table.from_batches(self._parts).take(stay).combine_chunks().to_batches()


def reference_of(
    store: Store,
    version: DatasetVersion,
    columns: Sequence[Watched],
    predictions: NDArray[np.float64] | None = None,
    *,
    most_rows: int = MOST_ROWS,
) -> Reference:
    """Read the watched columns of a dataset version; more than ``most_rows`` are sampled with a fixed seed.

    :param predictions: the champion's answers to held-out rows.
    :raises IntegrityError: if the stored data is not what was recorded.
    """
    import numpy as np

    from airflow_mlops.core.data.reading import read_frame

    frame = read_frame(store, version, columns=[column.name for column in columns])
    if len(frame) > most_rows:
        frame = frame.sample(most_rows, random_state=SEED)
    answers = np.empty(0) if predictions is None else predictions
    return Reference(version, read_frame_of(frame, columns), answers)


_OURS = ("_event_id", "_row", "_at", "_variant", "_role", "_status", "_prediction")
_KEPT, _OUTSIDE = "", "outside"


def _why_left_out(batch: pa.RecordBatch, variant: str, since: datetime, until: datetime) -> NDArray[Any]:
    """For each row why it does not count; empty where it does."""
    import numpy as np

    ours = batch.select(list(_OURS)).to_pandas()
    role = ours["_role"].to_numpy(dtype=object)
    reasons: list[tuple[Any, Any]] = [
        ((ours["_at"] < since) | (ours["_at"] >= until), _OUTSIDE),
        (ours["_role"] != "champion", role),
        (ours["_variant"] != variant, "other version"),
        ((ours["_status"] != 200) | ours["_prediction"].isna(), "failed"),
        (ours.duplicated(["_event_id", "_row"]), "captured twice"),
    ]
    found = np.full(len(ours), _KEPT, dtype=object)
    for condition, reason in reversed(reasons):
        found = np.where(condition.to_numpy(dtype=np.bool_), reason, found)
    return found
