"""The values of a batch that may be sensitive, found by Arrow: all others are never looked at one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: An @, six digits that belong together, four numbers with dots, an IPv6 address, an Italian codice fiscale, a form
#: of address, or two capitalized words: without one of these a value is nothing that is looked for (RE2).
_MAY_BE = (
    r"[@\x{FF20}]"
    r"|\p{Nd}(?:[\s\p{Pd}\x{200b}-\x{200d}.()/+]{0,3}\p{Nd}){5}"
    r"|\p{Nd}{1,3}\.\p{Nd}{1,3}\.\p{Nd}{1,3}\.\p{Nd}"
    r"|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]"
    r"|[A-Z]{6}[0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{2}[A-Z]"
    r"|\p{Lu}[\p{L}'\x{2019}.-]+,? (?:\p{L}\.? )?\p{Lu}"
)
#: Whole numbers below are no id that is looked for.
_LEAST_NUMBER = 10_000_000


@dataclass(frozen=True)
class Candidates:
    """Different values as text, in how many rows each one is, and all of these rows."""

    texts: pa.Array
    counts: pa.Array
    rows: int

    def choose(self, rng: np.random.Generator, most: int, signs: int, longest: int) -> list[tuple[str, int]]:
        """Some of them with their rows, drawn by chance: at most so many, with at most so many signs together, but one
        in any case.

        :param longest: signs of a text that count; those beyond are cut off.
        """
        import pyarrow as pa

        places = pa.array(rng.permutation(len(self.texts))[:most])
        chosen: list[tuple[str, int]] = []
        used = 0
        for text, count in zip(self.texts.take(places), self.counts.take(places), strict=True):
            short = text.as_py()[:longest]
            used += len(short)
            if chosen and used > signs:
                break
            chosen.append((short, count.as_py()))
        return chosen


def leaves(values: pa.Array) -> Iterator[pa.Array]:
    """The values of a column that are no list and no structure: those inside of them."""
    from pyarrow import types

    kind = values.type
    if types.is_dictionary(kind):
        yield from leaves(values.dictionary_decode())
    elif types.is_struct(kind):
        for field in values.flatten():
            yield from leaves(field)
    elif types.is_map(kind):
        yield from leaves(values.keys)
        yield from leaves(values.items)
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        yield from leaves(values.flatten())
    else:
        yield values


def candidates(values: pa.Array, *, everything: bool) -> Candidates | None:
    """The different values that may be sensitive, as text; None when there are none.

    :param values: of any type that is not nested; times, dates and truths hold nothing that is looked for.
    :param everything: all texts and all whole numbers from seven digits on may be: the column's name says so.
    """
    import pyarrow.compute as pc
    from pyarrow import types

    kind = values.type
    if types.is_integer(kind) or types.is_floating(kind):
        distinct = _numbers(values)
    elif types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        distinct = _texts(_decoded(values), everything)
    elif types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view":
        distinct = _texts(values, everything)
    else:
        return None
    if distinct is None or not len(distinct):
        return None
    counts = distinct.field("counts")
    return Candidates(distinct.field("values").cast("large_string"), counts, pc.sum(counts).as_py())


def _numbers(values: pa.Array) -> Any:
    """Whole numbers that are long enough, with their counts."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if types.is_floating(values.type):
        values = values.cast(pa.float64())
        values = values.filter(
            pc.and_(pc.equal(pc.floor(values), values), pc.less(values, 9.2e18)),
            null_selection_behavior="drop",
        )
    if types.is_uint64(values.type):  # Arrow compares it with int64 by way of int64
        values = values.filter(
            pc.less(values, pa.scalar(1 << 63, pa.uint64())), null_selection_behavior="drop"
        )
        values = values.cast(pa.int64())
    low = pa.scalar(_LEAST_NUMBER, pa.int64()) if not types.is_floating(values.type) else float(_LEAST_NUMBER)
    if types.is_integer(values.type) and values.type.bit_width < 32:
        return None
    values = values.filter(pc.greater_equal(values, low), null_selection_behavior="drop")
    if types.is_floating(values.type):
        values = values.cast(pa.int64())
    return pc.value_counts(values)


def _texts(values: pa.Array, everything: bool) -> Any:
    """Texts that may hold something, with their counts."""
    import pyarrow.compute as pc

    distinct = pc.value_counts(values.drop_null())
    if everything or not len(distinct):
        return distinct
    return distinct.filter(pc.match_substring_regex(distinct.field("values"), _MAY_BE))


def _decoded(values: pa.Array) -> pa.Array:
    """Bytes as text; what is no UTF-8 gets signs of replacement."""
    import pyarrow as pa

    try:
        return values.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return pa.array(
            [None if one is None else one.decode("utf-8", "replace") for one in values.to_pylist()],
            pa.large_string(),
        )
