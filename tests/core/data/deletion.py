"""Deletion vectors as Spark writes them, which the Python packages can read but not write."""

from __future__ import annotations

import json
import struct
from pathlib import Path

_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def delete_rows(table: Path, rows: list[int]) -> None:
    """A new version of the table, in which these rows of its only file are deleted by a vector in the log."""
    log = table / "_delta_log"
    newest = max(int(path.stem) for path in log.glob("*.json"))
    lines = [line for path in sorted(log.glob("*.json")) for line in path.read_text().splitlines()]
    adds = [action["add"] for action in map(json.loads, lines) if "add" in action]
    add = {**adds[-1], "deletionVector": _inline(rows), "dataChange": True}
    removed = {"path": add["path"], "dataChange": True, "deletionTimestamp": 0}
    features = ["deletionVectors"]
    protocol = {
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": features,
        "writerFeatures": features,
    }
    actions = [{"protocol": protocol}, {"remove": removed}, {"add": add}]
    (log / f"{newest + 1:020d}.json").write_text("\n".join(json.dumps(action) for action in actions))


def _inline(rows: list[int]) -> dict[str, object]:
    """The descriptor of a vector that lies in the log: Z85 of a 64-bit roaring bitmap with one array container."""
    container = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + struct.pack(
        f"<{len(rows)}H", *sorted(rows)
    )
    data = struct.pack("<IQI", 1681511377, 1, 0) + container
    data += b"\0" * (-len(data) % 4)
    return {
        "storageType": "i",
        "pathOrInlineDv": _z85(data),
        "sizeInBytes": len(data),
        "cardinality": len(rows),
    }


def _z85(data: bytes) -> str:
    text = []
    for (number,) in struct.iter_unpack(">I", data):
        text.append("".join(_Z85[number // 85**power % 85] for power in (4, 3, 2, 1, 0)))
    return "".join(text)
