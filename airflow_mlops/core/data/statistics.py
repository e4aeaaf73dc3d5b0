"""Statistics of a column, gathered batch by batch in constant memory."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_mlops.core.data.version import Column

if TYPE_CHECKING:
    import pyarrow as pa

E = TypeVar("E")

#: Distinct values are counted exactly up to here; beyond, the count is not known.
MOST_DISTINCT = 1000
#: Numbers in between are written to two digits; no number of a person has more than 22.
_LONG, _TOO_LONG = 1e7, 1e22


class ColumnTally:
    """Collects the statistics of one column.

    :param name: the column's name.
    :param kind: its Arrow type.
    """

    def __init__(self, name: str, kind: pa.DataType) -> None:
        import pyarrow as pa
        from pyarrow import types

        self._name = name
        self._type = kind
        self._float = types.is_floating(kind)
        self._number = self._float or types.is_integer(kind) or types.is_boolean(kind)
        self._time = types.is_timestamp(kind) or types.is_date(kind)
        self._nulls = self._counted = 0
        self._sum = 0.0
        self._range: tuple[Any, Any] | None = None
        self._distinct: Any = None if types.is_nested(kind) else pa.nulls(0, kind)

    def update(self, values: Any) -> None:
        """Look at the next values, an Arrow array. NaN is null; infinities are left out of min, max and
        mean.
        """
        import pyarrow.compute as pc

        present = values.filter(pc.invert(pc.is_null(values, nan_is_null=self._float)))
        self._nulls += len(values) - len(present)
        self._update_distinct(present)
        if self._float:
            present = present.filter(pc.is_finite(present))
        if len(present) and (self._number or self._time):
            self._update_range(present)
        if len(present) and self._number:
            self._sum += pc.sum(present.cast("float64", safe=False)).as_py()
            self._counted += len(present)

    def column(self) -> Column:
        """What was found."""
        low, high = (_written(end) for end in self._range or (None, None))
        return Column(
            name=self._name,
            type=str(self._type),
            nulls=self._nulls,
            distinct=len(self._distinct) if self._distinct is not None else None,
            min=coarse(low, -1),
            max=coarse(high, 1),
            mean=coarse(self._sum / self._counted, 0) if self._counted else None,
        )

    def _update_range(self, present: Any) -> None:
        import pyarrow.compute as pc

        found = pc.min_max(present)
        low, high = (self._plain(found[end]) for end in ("min", "max"))
        if self._range is not None:
            low, high = min(low, self._range[0]), max(high, self._range[1])
        self._range = (low, high)

    def _plain(self, scalar: Any) -> float | datetime:
        if self._number:
            return float(scalar.as_py())
        time: datetime = scalar.cast("timestamp[us]", safe=False).as_py()
        return time.replace(tzinfo=timezone.utc) if getattr(self._type, "tz", None) else time

    def _update_distinct(self, present: Any) -> None:
        if self._distinct is None:
            return
        import pyarrow as pa
        import pyarrow.compute as pc

        found = pc.unique(present)
        if len(found) <= MOST_DISTINCT:
            if self._float:
                found = pc.add(found, pa.scalar(0, self._type))  # -0.0 is 0.0
            found = pc.unique(pa.concat_arrays([self._distinct, found]))
        self._distinct = found if len(found) <= MOST_DISTINCT else None


def coarse(number: E, side: int) -> E | float:
    """A number of a manifest; a long one to two digits, because long numbers name people.

    The least and the greatest phone or card number are somebody's, and manifests go into logs and lineage.

    :param side: -1 for a lower bound and 1 for an upper one, so that they stay bounds; 0 for the nearest.
    """
    if not isinstance(number, float) or not _LONG <= abs(number) < _TOO_LONG:
        return number
    step: int = 10 ** (math.floor(math.log10(abs(number))) - 1)
    if side == 0:
        return float(round(number / step) * step)
    return float(math.floor(number) // step * step if side < 0 else -(math.floor(-number) // step) * step)


def _written(end: Any) -> float | str | None:
    return end.isoformat() if isinstance(end, datetime) else end
