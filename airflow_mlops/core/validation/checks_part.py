"""Which rows of two versions are held against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.data.event_time import time_type
from airflow_mlops.core.data.reading import read_batches
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.wording import minute

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Part:
    """Rows of a version: all, or those later than ``after``."""

    version: DatasetVersion
    after: datetime | None = None

    def batches(self, store: Store, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """These rows in batches of bounded size, with the event time after ``columns`` if it is not one of them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        name = self.version.event_time
        for batch in read_batches(store, self.version, [*columns, name]):
            if self.after is None:
                yield batch
            else:
                limit = pa.scalar(self.after, time_type())
                yield batch.filter(pc.greater(batch.column(batch.schema.get_field_index(name)), limit))

    def rows(self, store: Store) -> int:
        """How many rows these are; reads the event times unless it is all of the version."""
        if self.after is None:
            return self.version.rows
        return sum(len(batch) for batch in self.batches(store, []))

    @property
    def words(self) -> str:
        """For messages."""
        if self.after is None:
            return f"{self.version.id[:12]}"
        return f"{self.version.id[:12]} after {minute(self.after)}"


def parts_to_compare(version: DatasetVersion, previous: DatasetVersion) -> tuple[Part, Part]:
    """What of the version before and of this one is compared.

    A version that goes on from the one before (it starts no later than that one ends, and ends later) is compared by
    its new rows: the others are in both, or were looked at already. Any other pair is compared whole.
    """
    goes_on = version.first_event <= previous.last_event < version.last_event
    return Part(previous), Part(version, previous.last_event if goes_on else None)
