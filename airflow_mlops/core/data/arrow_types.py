"""Arrow types by their names: a manifest says the types of its columns, so no file has to be opened to know them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, tz=(.+))?\]")


def type_named(name: str) -> pa.DataType | None:
    """The type that Arrow prints as ``name``; None for a nested one."""
    import pyarrow as pa

    if found := _plain_types().get(name):
        return found
    times = _TIMESTAMP.fullmatch(name)
    return pa.timestamp(times[1], tz=times[2]) if times else None


@cache
def _plain_types() -> dict[str, pa.DataType]:
    import pyarrow as pa

    made = [
        *(pa.null(), pa.bool_(), pa.float16(), pa.float32(), pa.float64(), pa.date32(), pa.date64()),
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.string(), pa.large_string(), pa.binary(), pa.large_binary()),
        *(pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
        *(pa.duration(unit) for unit in ("s", "ms", "us", "ns")),
    ]
    return {str(kind): kind for kind in made}
