"""The champion's answered rows of one period: all of them counted, and a bounded sample of whole requests kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.monitoring.performance.traffic import COLUMNS as TRAFFIC_COLUMNS
from airflow_mlops.core.monitoring.performance.traffic import Traffic

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

#: Rows of a period that are measured; more are sampled, by half each time, whole requests at once.
MOST_ROWS = 200_000
_OWN = ("_inference_id", "_at", "_label", *TRAFFIC_COLUMNS)
#: Columns of the kept rows: hash of the request, microseconds, and the slices' texts under this prefix.
REQUEST, MICROSECONDS, SLICE = "_request", "_microseconds", "_slice "
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_BLOCKS, _LEAST_BLOCKS = 30, 10


class Answers(Protocol):
    """Captured answers joined with their labels, as :class:`~airflow_mlops.core.monitoring.answers.AnswersTable` has
    them. One that also has ``batches``, with the same arguments, is read batch by batch.
    """

    def read(
        self, since: datetime, until: datetime, *, as_of: datetime | None = None, columns: Any = None
    ) -> Any:
        """A ``pyarrow.Table`` of the answers with since <= t < until and the labels that were known at ``as_of``."""
        ...


@dataclass
class PeriodRows:
    """What is known of one period and its champion.

    :param frame: answered rows of the champion, oldest first: all of them, or a sample of at most :data:`MOST_ROWS`.
    :param rows, labelled: of all rows; the same of each slice by ``(column, value)``.
    :param odd_labels: of all rows, labels that the objective does not know, which count as missing.
    :param overdue: of all rows, those without a label that are older than the label delay.
    :param notes: what was left out, for people.
    """

    since: datetime
    until: datetime
    champion: int | None
    traffic: Traffic
    frame: pd.DataFrame
    rows: int = 0
    labelled: int = 0
    odd_labels: int = 0
    overdue: int = 0
    slices: Counter[tuple[str, str]] = field(default_factory=Counter)
    slices_labelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: set[str] = field(default_factory=set)

    def clusters(self, frame: pd.DataFrame) -> list[NDArray[np.int64]]:
        """Two ways in which rows belong together: by request, and by time, a 30th of the period each."""
        start, length = _microseconds(self.since), _microseconds(self.until) - _microseconds(self.since)
        places = (frame[MICROSECONDS].to_numpy() - start) * _BLOCKS // max(length, 1)
        ways = [frame[REQUEST].to_numpy(), places]
        codes = [np.unique(way, return_inverse=True)[1] for way in ways]
        return codes if len(np.unique(places)) >= _LEAST_BLOCKS else codes[:1]


@dataclass(frozen=True)
class Wanted:
    """What is read of each row besides its answer.

    :param slices: columns, or parts of times, whose values are reported one by one, with the column they are made of.
    :param columns: raw columns that an estimate looks at.
    """

    objective: str
    slices: Mapping[str, str]
    columns: Sequence[str]
    label_delay: timedelta | None = None


def collect(
    answers: Answers, since: datetime, until: datetime, as_of: datetime, champion: int | None, wanted: Wanted
) -> PeriodRows:
    """Read one period once. The same table gives the same rows in the same order, however it is cut into batches."""
    import pandas as pd

    from airflow_mlops.core.evaluation.slices import MISSING

    found = PeriodRows(since, until, champion, Traffic(since, until), pd.DataFrame())
    kept = _Kept()
    for frame in _frames(answers, since, until, as_of, wanted):
        found.traffic.add(frame)
        mine = frame[
            (frame["_variant"] == f"v{champion}") & (frame["_role"] == "champion") & (frame["_status"] == 200)
        ]
        mine = mine[np.isfinite(mine["_prediction"].to_numpy(dtype=np.float64, na_value=np.nan))]
        if len(mine):
            kept.add(_counted(found, mine, as_of, wanted))
    found.frame = kept.frame()
    vanished = {one for name, one in wanted.slices.items() if found.rows == found.slices[name, MISSING] > 0}
    found.notes.update(f"column {one} is missing in all requests" for one in vanished)
    return found


def _frames(
    answers: Answers, since: datetime, until: datetime, as_of: datetime, wanted: Wanted
) -> Iterator[pd.DataFrame]:
    names = dict.fromkeys([*_OWN, *_raw_columns(wanted)])
    batches = getattr(answers, "batches", None)
    if batches is None:
        yield answers.read(since, until, as_of=as_of, columns=list(names)).to_pandas()
        return
    for batch in batches(since, until, as_of=as_of, columns=list(names)):
        yield batch.to_pandas()


def _raw_columns(wanted: Wanted) -> list[str]:
    return [_stored(name) for name in (*wanted.columns, *wanted.slices.values())]


def _stored(name: str) -> str:
    """How the table calls a column of requests: names that begin as its own do get one more ``_``."""
    return f"_{name}" if name.startswith("_") else name


def _counted(found: PeriodRows, mine: pd.DataFrame, as_of: datetime, wanted: Wanted) -> pd.DataFrame:
    """Count some rows, and make the columns that are kept of them."""
    import pandas as pd

    labels = mine["_label"].to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(labels)
    odd = known & ~np.isin(labels, (0.0, 1.0)) if wanted.objective == "binary" else ~known & ~np.isnan(labels)
    labels = np.where(known & ~odd, labels, math.nan)
    times = (
        mine["_at"]
        .dt.tz_convert("UTC")
        .dt.tz_localize(None)
        .to_numpy(dtype="datetime64[us]")
        .astype(np.int64)
    )
    kept = {
        REQUEST: pd.util.hash_array(mine["_inference_id"].to_numpy(dtype=object), categorize=False),
        MICROSECONDS: times,
        "_row": mine["_row"].to_numpy(),
        "_prediction": mine["_prediction"].to_numpy(dtype=np.float64),
        "_label": labels,
    }
    with_label = ~np.isnan(labels)
    found.rows += len(mine)
    found.labelled += int(with_label.sum())
    found.odd_labels += int(odd.sum())
    if wanted.label_delay is not None:
        found.overdue += int((~with_label & (times < _microseconds(as_of - wanted.label_delay))).sum())
    for name, source in wanted.slices.items():
        texts = _slice_texts(mine, name, source, found.notes)
        kept[SLICE + name] = texts
        found.slices.update((name, text) for text in texts)
        found.slices_labelled.update((name, text) for text in texts[with_label])
    raw = {name: mine[_stored(name)].to_numpy() for name in wanted.columns if _stored(name) in mine.columns}
    return pd.DataFrame({**raw, **kept})


def _slice_texts(frame: pd.DataFrame, name: str, source: str, notes: set[str]) -> NDArray[Any]:
    """The values of a slice's column as texts; all missing where the column has vanished or can't be sliced by."""
    from airflow_mlops.core.evaluation.slices import MISSING, slice_column, values_of

    stored = _stored(source)
    try:
        if stored in frame.columns and frame[stored].notna().any():
            column = slice_column(frame[[stored]].set_axis([source], axis=1), name)
            return np.asarray(values_of(column).to_numpy(dtype=object))
    except DataError as error:
        notes.add(error.problem)
    return np.full(len(frame), MISSING, dtype=object)


class _Kept:
    """A sample of requests by their hash, of which half are let go whenever there are too many rows.

    Which ones stay depends on the ids and their number alone, and not on the order in which they come.
    """

    def __init__(self) -> None:
        self._parts: list[pd.DataFrame] = []
        self._rows = 0
        self._halvings = 0

    def add(self, frame: pd.DataFrame) -> None:
        self._parts.append(self._staying(frame))
        self._rows += len(self._parts[-1])
        while self._rows > MOST_ROWS:
            self._halvings += 1
            self._parts = [self._staying(part) for part in self._parts]
            self._rows = sum(map(len, self._parts))

    def frame(self) -> pd.DataFrame:
        """The rows, in an order that does not depend on the batches."""
        import pandas as pd

        if not self._parts:
            return pd.DataFrame({REQUEST: [], MICROSECONDS: [], "_prediction": [], "_label": []})
        whole = pd.concat(self._parts, ignore_index=True)
        return whole.sort_values([MICROSECONDS, REQUEST, "_row"], kind="stable", ignore_index=True)

    def _staying(self, frame: pd.DataFrame) -> pd.DataFrame:
        if not self._halvings:
            return frame
        stays = (frame[REQUEST].to_numpy() >> np.uint64(64 - self._halvings)) == 0
        staying: pd.DataFrame = frame.loc[stays]
        return staying


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
