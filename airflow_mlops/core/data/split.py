"""Split by event time: what is tested on is newer than what was learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.spec import Split


@dataclass(frozen=True)
class Parts:
    """The parts of a frame, oldest first; ``validation`` is None when the spec asks for none."""

    train: pd.DataFrame
    validation: pd.DataFrame | None
    test: pd.DataFrame


def split_by_time(frame: pd.DataFrame, event_time: str, split: Split) -> Parts:
    """Cut a frame at two points in time: the newest ``split.test`` of event time is the test part, the
    ``split.validation`` before it the validation part, all before it the training part.

    With T the newest event time, test rows have t > T - test. The parts share the frame's memory when it is
    sorted.

    :param event_time: the column with event times; without a zone they are taken as UTC.
    :raises DataError: if a part would be empty, or a row has no event time.
    """
    import pandas as pd

    times = pd.to_datetime(frame[event_time], utc=True)
    if times.isna().any():
        raise DataError(
            f"{int(times.isna().sum()):,} rows have no {event_time}", expected="an event time in every row"
        )
    if not times.is_monotonic_increasing:
        order = times.argsort(kind="stable")
        frame, times = frame.iloc[order], times.iloc[order]
    if frame.empty:
        raise DataError("there is no row to split")
    newest = times.iloc[-1]
    test_from = newest - split.test
    validation_from = test_from - split.validation if split.validation else test_from
    low, high = (int(times.searchsorted(cut, side="right")) for cut in (validation_from, test_from))
    parts = {"train": frame.iloc[:low], "validation": frame.iloc[low:high], "test": frame.iloc[high:]}
    if split.validation is None:
        del parts["validation"]
    empty = [name for name, part in parts.items() if part.empty]
    if empty:
        raise DataError(
            f"split by {event_time} leaves no row for {' and '.join(empty)}",
            given=f"events from {times.iloc[0].isoformat()} to {newest.isoformat()}, {_durations(split)}",
            remedy="shorten split.test or split.validation, or take a longer window of data",
        )
    return Parts(parts["train"], parts.get("validation"), parts["test"])


def _durations(split: Split) -> str:
    """The durations as the spec writes them."""
    plain = split.model_dump(mode="json", exclude_none=True)
    return ", ".join(f"split.{name} {value}" for name, value in plain.items())
