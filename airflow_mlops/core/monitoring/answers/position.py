"""How far captures and labels were read: what a cursor remembers, kept in the store, day by day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from airflow_mlops.core.monitoring.answers.records import Failures, Position
from airflow_mlops.core.serving.cursor import Cursor
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes, put_bytes

#: How much later than its records' time a file may come to the store and still be found by every take-in.
CAPTURES_LATE, LABELS_LATE = timedelta(days=7), timedelta(days=30)
#: The names of files may be of a day that is a little earlier than their records.
_MARGIN = timedelta(days=1)
BEGINNING = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Reader:
    """A cursor over captures or labels, and the time from which on it looks at all.

    :param marks: of its days, as :class:`Position` has them.
    :param since: from when on to look; what the cursor read before that is forgotten, ids tell what is known.
    """

    def __init__(self, store: Store, marks: Mapping[str, str], since: datetime) -> None:
        self._store = store
        self.since = since
        self.cursor = Cursor(thorough=True)
        first = (since - _MARGIN).date().isoformat() if since > BEGINNING else ""
        self.cursor.remember(
            {day: get_bytes(store, ref) for day, ref in marks.items() if not day or day >= first}
        )

    def kept(self) -> dict[str, str]:
        """Store what the cursor remembers; as :class:`Position` has it."""
        return {day: put_bytes(self._store, data) for day, data in sorted(self.cursor.marks().items())}


def readers(store: Store, position: Position | None, since: datetime | None) -> tuple[Reader, Reader]:
    """The readers of captures and of labels.

    :param position: of the last take-in, None for the first one.
    :param since: how far to look back, further than usual.
    """
    if position is None:
        return Reader(store, {}, since or BEGINNING), Reader(store, {}, since or BEGINNING)
    from_ = (position.until - CAPTURES_LATE, position.until - LABELS_LATE)
    if since is not None:
        from_ = (min(since, from_[0]), min(since, from_[1]))
    captures = Reader(store, position.captures, from_[0])
    for one in position.failures:
        if one.minute >= from_[0]:
            captures.cursor.failures[one.variant, one.minute] = one.count
    return captures, Reader(store, position.labels, from_[1])


def position_of(captures: Reader, labels: Reader, until: datetime) -> Position:
    """Where both readers are now."""
    failures = tuple(
        Failures(variant=variant, minute=minute, count=count)
        for (variant, minute), count in sorted(captures.cursor.failures.items())
    )
    return Position(until=until, captures=captures.kept(), labels=labels.kept(), failures=failures)
