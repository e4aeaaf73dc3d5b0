"""The two sides of a comparison: the champion's live traffic, and the data that it learned from."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import DatasetRef, DatasetVersion
from airflow_mlops.core.monitoring.columns import Watched, read_values
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.store import Store

if TYPE_CHECKING:
    import pandas as pd

#: Rows on either side that go into a comparison; more are sampled. A drift that matters shows in that many.
MOST_ROWS = 50_000
SEED = 0
PREDICTION = "prediction"


@dataclass(frozen=True)
class Window:
    """Captured live rows of the champion, since <= t < until.

    :param rows: all of them; ``frame`` holds at most :data:`MOST_ROWS`, drawn with a fixed seed. It has the
        watched raw columns that at least one row carries, and ``prediction``.
    :param set_aside: requests that were left out, by reason.
    """

    since: datetime
    until: datetime
    champion: int | None
    rows: int
    frame: pd.DataFrame
    set_aside: dict[str, int]

    @classmethod
    def nothing(cls, since: datetime, until: datetime) -> Window:
        """A window without a champion, and so without traffic of one."""
        import pandas as pd

        return cls(since, until, None, 0, pd.DataFrame(), {})


@dataclass(frozen=True)
class Reference:
    """The champion's training data: its version, and a frame of the watched columns of at most MOST_ROWS
    rows.
    """

    version: DatasetVersion
    frame: pd.DataFrame

    @property
    def ref(self) -> DatasetRef:
        """How records name the version."""
        return DatasetRef(name=self.version.name, id=self.version.id)


def live_window(
    captures: Iterable[CaptureRecord],
    columns: Sequence[Watched],
    *,
    champion: int,
    since: datetime,
    until: datetime,
    most_rows: int = MOST_ROWS,
) -> Window:
    """Collect the champion's own answers in constant memory, whatever the traffic.

    Left out and counted: shadow answers and a challenger's (they answer copies, or their own share), answers
    of another version or of the fallback rule, failed requests, and records that were captured twice.

    :param columns: what each watched column is in the champion's dataset version.
    """
    set_aside: Counter[str] = Counter()
    rows = 0
    sample: list[tuple[Mapping[str, Any], float]] = []
    draw = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    for row in _live_rows(captures, f"v{champion}", since, until, set_aside):
        rows += 1
        if len(sample) < most_rows:
            sample.append(row)
        elif (
            place := draw.randrange(rows)
        ) < most_rows:  # Vitter's algorithm R: each row is as likely to stay
            sample[place] = row
    return Window(since, until, champion, rows, _frame(sample, columns), dict(set_aside))


def reference_of(
    store: Store, version: DatasetVersion, columns: Sequence[Watched], *, most_rows: int = MOST_ROWS
) -> Reference:
    """Read the watched columns of a dataset version; more than ``most_rows`` are sampled with a fixed seed.

    :raises IntegrityError: if the stored data is not what was recorded.
    """
    import pandas as pd

    from airflow_mlops.core.data.reading import read_frame

    frame = read_frame(store, version, columns=[column.name for column in columns])
    if len(frame) > most_rows:
        frame = frame.sample(most_rows, random_state=SEED)
    return Reference(
        version, pd.DataFrame({column.name: read_values(frame[column.name], column) for column in columns})
    )


def _live_rows(
    captures: Iterable[CaptureRecord], variant: str, since: datetime, until: datetime, set_aside: Counter[str]
) -> Iterator[tuple[Mapping[str, Any], float]]:
    seen: set[str] = set()
    for record in captures:
        if not since <= record.at < until:
            continue
        if reason := _why_left_out(record, variant, seen):
            set_aside[reason] += 1
            continue
        seen.add(record.event_id)
        yield from zip(record.rows, record.predictions or (), strict=False)


def _why_left_out(record: CaptureRecord, variant: str, seen: set[str]) -> str:
    if record.role != "champion":
        return record.role
    if record.variant != variant:
        return "other version"
    if record.predictions is None or record.status != 200:
        return "failed"
    if record.event_id in seen:
        return "captured twice"
    return ""


def _frame(sample: list[tuple[Mapping[str, Any], float]], columns: Sequence[Watched]) -> pd.DataFrame:
    import pandas as pd

    carried = {name for row, _ in sample for name in row}
    values = {
        column.name: read_values((row.get(column.name) for row, _ in sample), column)
        for column in columns
        if column.name in carried
    }
    return pd.DataFrame({**values, PREDICTION: pd.Series([answer for _, answer in sample], dtype="float64")})
