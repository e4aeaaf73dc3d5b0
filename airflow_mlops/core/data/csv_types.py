"""The types of CSV columns, found in one pass: the narrowest type that every value fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def csv_types() -> dict[str, pa.DataType]:
    """All types a CSV column can get, by their Arrow names, narrowest first; every value fits the last one.

    A column keeps its type or moves to one further on that holds all earlier values too: whole numbers are
    numbers, and the other pairs have no text in common.
    """
    import pyarrow as pa

    kinds = (
        pa.null(),
        pa.int64(),
        pa.float64(),
        pa.bool_(),
        pa.timestamp("us"),
        pa.timestamp("us", tz="UTC"),
        pa.string(),
    )
    return {str(kind): kind for kind in kinds}


class TypeFinder:
    """Follows one CSV column from batch to batch; ``type`` is the narrowest type so far."""

    def __init__(self) -> None:
        self._kinds = list(csv_types().values())
        self.type = self._kinds[0]

    def update(self, text: Any) -> None:
        """Look at the next values, an Arrow array of strings."""
        if text.null_count == len(text):
            return
        for kind in self._wider():
            if _fits(text, kind):
                self.type = kind
                return

    def _wider(self) -> list[pa.DataType]:
        empty, whole, number, *_, anything = self._kinds
        if self.type == empty:
            return self._kinds[1:]
        if self.type == whole:
            return [whole, number, anything]
        return [self.type, anything]


def _fits(text: Any, kind: pa.DataType) -> bool:
    import pyarrow as pa

    try:
        text.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True
