"""JSON lines: one object a line, read block by block; a line that is wrong is named by its number.

Types are those of JSON: whole numbers, numbers, text and true/false. Text stays text, also where it looks like a number
or a time: ``"007"`` is no 7. A key that a line lacks is a missing value. Arrow parses the blocks; only a block that it
refuses is looked at again line by line, to say where and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 4 << 20
_LONGEST_LINE = 64 << 20
_FLAT = "a number, text, true, false or null"


@dataclass(frozen=True)
class _Block:
    """Whole lines of a file, the first of which has number ``line`` (from 1)."""

    line: int
    data: bytes


def jsonl_schema(path: Path, source: str) -> pa.Schema:
    """The columns of a file, in the order in which they appear, with the narrowest type that holds all values.

    :param source: the file's name in error messages.
    :raises DataError: naming the line that is no JSON object, or holds nested values or another type than before.
    """
    import pyarrow as pa

    kinds: dict[str, pa.DataType] = {}
    for block in _blocks(path, source):
        parsed = _parse(block)
        found = {} if parsed is None else {field.name: _flat(field.type) for field in parsed.schema}
        for name, kind in found.items():
            wider = None if kind is None else _wider(kinds.get(name, pa.null()), kind)
            if wider is None:
                raise _explain(block, source, kinds)
            kinds[name] = wider
        if parsed is None:
            raise _explain(block, source, kinds)
    if not kinds:
        raise DataError(f"{source} has no column", expected="one JSON object a line")
    return pa.schema(list(kinds.items()))


def jsonl_batches(path: Path, source: str, kinds: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    """Some columns of a file in batches of bounded size.

    :param kinds: the columns and their types; other keys are left out, and one that no line has is all missing.
    :raises DataError: naming the line whose value does not fit.
    """
    import pyarrow as pa

    schema = pa.schema(list(kinds.items()))
    for block in _blocks(path, source):
        parsed = _parse(block, schema)
        if parsed is None:
            raise _explain(block, source, dict(kinds))
        yield from parsed.to_batches()


def _blocks(path: Path, source: str) -> Iterator[_Block]:
    line, rest = 1, b""
    with path.open("rb") as stream:
        while data := stream.read(_BLOCK):
            rest += data
            end = rest.rfind(b"\n") + 1
            if not end and len(rest) > _LONGEST_LINE:
                raise DataError(
                    f"line {line} of {source} is longer than {_LONGEST_LINE >> 20} MB",
                    expected="one JSON object a line",
                )
            whole, rest = rest[:end], rest[end:]
            if whole.strip():
                yield _Block(line, whole)
            line += whole.count(b"\n")
    if rest.strip():
        yield _Block(line, rest)


def _parse(block: _Block, schema: pa.Schema | None = None) -> Any:
    """The block as an Arrow table, None if it can't be read."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    options = arrow_json.ParseOptions(
        explicit_schema=schema, unexpected_field_behavior="infer" if schema is None else "ignore"
    )
    whole = arrow_json.ReadOptions(block_size=len(block.data) + 1)
    try:
        table = arrow_json.read_json(pa.BufferReader(block.data), read_options=whole, parse_options=options)
        # Arrow takes any bytes for text until it is asked.
        table.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return table


def _flat(kind: pa.DataType) -> Any:
    """The type of a column as found in a block, None for nested values. Arrow sees times where JSON has text."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_nested(kind):
        return None
    return pa.string() if types.is_timestamp(kind) else kind


def _wider(one: pa.DataType, other: pa.DataType) -> Any:
    """The type that holds the values of both, None if there is none."""
    import pyarrow as pa

    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    return pa.float64() if {one, other} == {pa.int64(), pa.float64()} else None


def _explain(block: _Block, source: str, kinds: Mapping[str, pa.DataType]) -> DataError:
    """Why a block can't be read, found line by line."""
    seen = {name: _WORDS[str(kind)] for name, kind in kinds.items() if str(kind) in _WORDS}
    for line, text in enumerate(block.data.split(b"\n"), block.line):
        if text.strip():
            try:
                _check_line(text, f"line {line} of {source}", seen)
            except DataError as error:
                return error
    return DataError(
        f"{source} can't be read as jsonl, in one of the lines from {block.line} on",
        expected="one JSON object a line",
    )


#: Types as a user of JSON names them.
_WORDS = {"int64": "a number", "double": "a number", "string": "text", "bool": "true or false"}


def _check_line(text: bytes, place: str, seen: dict[str, str]) -> None:
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        problem = "bytes that are no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise DataError(f"{place} is no JSON", given=problem[:120]) from None
    if not isinstance(pairs, _Pairs):
        raise DataError(f"{place} is no JSON object", given=_shown(pairs), expected='e.g. {"distance": 1400}')
    names = [name for name, _ in pairs]
    for name, value in pairs:
        if names.count(name) > 1:
            raise DataError(f"{place} has the key {name} {names.count(name)} times", expected="once")
        if value is None:
            continue
        word = _word(value)
        if word is None:
            raise DataError(
                f"column {name} holds nested values, first in {place}",
                given=_shown(value),
                expected=_FLAT,
                remedy="make a column of each value before, or write it as text",
            )
        if seen.setdefault(name, word) != word:
            raise DataError(
                f"column {name} has mixed types: {place} holds {word}",
                given=_shown(value),
                expected=f"{seen[name]} as in the lines before",
            )


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, also those that stand twice."""


def _word(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "text" if isinstance(value, str) else None


def _shown(value: Any) -> str:
    return json.dumps(dict(value) if isinstance(value, _Pairs) else value, default=str)[:80]
