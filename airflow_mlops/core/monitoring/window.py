"""The two sides of a comparison: the champion's live traffic, and the data that it learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import DatasetVersion
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


def live_window(
    answers: pa.Table,
    columns: Sequence[Watched],
    *,
    champion: int,
    since: datetime,
    until: datetime,
    most_rows: int = MOST_ROWS,
) -> Window:
    """The champion's own answers of a period.

    Left out and counted by request: shadow answers and a challenger's (they answer copies, or their own share), answers
    of another version or of the fallback rule, failed requests, and rows that are there twice.

    :param answers: rows as :meth:`~airflow_mlops.core.monitoring.answers.AnswersTable.read` gives them.
    :param columns: what each watched column is in the champion's dataset version.
    """
    import numpy as np
    import pandas as pd

    ours = answers.select([name for name in _OURS if name in answers.column_names]).to_pandas()
    at = pd.to_datetime(ours["_at"], utc=True)
    inside = ((at >= since) & (at < until)).to_numpy()
    why = _why_left_out(ours, f"v{champion}")
    rest = pd.DataFrame({"why": why[inside], "request": ours["_event_id"].to_numpy()[inside]})
    set_aside = rest[rest["why"] != ""].groupby("why")["request"].nunique()
    kept = np.flatnonzero(inside & (why == ""))
    rows = len(kept)
    if rows > most_rows:
        kept = np.sort(np.random.default_rng(SEED).choice(kept, most_rows, replace=False))
    raw = answers.select([column.name for column in columns if column.name in answers.column_names])
    return Window(
        since=since,
        until=until,
        champion=champion,
        rows=rows,
        frame=read_frame_of(raw.take(kept).to_pandas(), columns),
        predictions=ours["_prediction"].to_numpy(dtype=np.float64)[kept],
        set_aside={str(name): int(count) for name, count in set_aside.items()},
    )


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


def _why_left_out(ours: pd.DataFrame, variant: str) -> NDArray[Any]:
    """For each row why it does not count; empty where it does."""
    import numpy as np

    failed = (ours["_status"] != 200) | ours["_prediction"].isna()
    twice = ours.duplicated(["_event_id", "_row"])
    role = ours["_role"].astype(object)
    conditions = [role != "champion", ours["_variant"] != variant, failed, twice]
    found = np.full(len(ours), "", dtype=object)
    reasons = (role.to_numpy(), "other version", "failed", "captured twice")
    for condition, reason in reversed(list(zip(conditions, reasons, strict=True))):
        found[:] = np.where(condition.to_numpy(), reason, found)
    return found
