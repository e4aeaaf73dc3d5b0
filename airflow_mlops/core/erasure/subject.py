"""The person who is to be erased: known by a keyed hash, and recognised in columns and in JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.validation.privacy_protect import check_key, hash_value, hash_values, plain_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_HASH = re.compile(r"[0-9a-f]{64}")
#: What a text is cut into to look for an id in it: an address of mail, a number with a decimal point, a word.
_TOKEN = re.compile(r"[\w.@+-]+")
#: A shorter number stands anywhere by chance; what is longer, or has a letter, names the person.
_LEAST_DIGITS = 6
_LEAST_LETTERS = 3


@dataclass(frozen=True)
class Subject:
    """A person, by the keyed hash of the id.

    An id has one form whatever the type of its column: the text ``1042`` is the number 1042 and the float 1042.0. A
    value that a privacy version has hashed with the same key is the person's, too.

    :param hash: HMAC-SHA256 of the id, 64 hex digits.
    :param plain: the id, where it is known: comparing is faster than hashing each value.
    """

    hash: str
    secret: bytes = field(repr=False)
    plain: str | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, text: str, secret: str | None) -> Subject:
        """The person with this id.

        :raises DataError: if it is empty or has several lines.
        :raises PlatformError: without a key for hashing.
        """
        key = check_key(secret).encode()
        if not text.strip() or len(text.splitlines()) > 1:
            raise DataError(
                "no id of a person",
                given="an empty text" if not text.strip() else f"{len(text.splitlines())} lines",
                expected="one id, on one line",
            )
        plain = text.splitlines()[0]
        return cls(hash_value(plain, key), key, plain)

    @classmethod
    def hashed(cls, hash: str, secret: str | None) -> Subject:
        """The person with this keyed hash.

        :raises DataError: if it is none; the text is not repeated, as it may be an id.
        :raises PlatformError: without a key for hashing.
        """
        key = check_key(secret).encode()
        if not _HASH.fullmatch(hash):
            raise DataError(
                "not the keyed hash of a person's id",
                given=f"{len(hash)} signs",
                expected="64 lower-case hex digits, as airflow-mlops erase hash prints them",
            )
        return cls(hash, key)

    def mask(self, values: pa.Array) -> pa.Array:
        """Which values name the person; a missing one names nobody."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = values.type
        if pa.types.is_dictionary(kind):
            values = values.cast(kind.value_type)
            kind = values.type
        found = self._equal(values)
        if found is None:
            found = pc.equal(hash_values(values, self.secret), self.hash)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            found = pc.or_(found, pc.equal(values, pa.scalar(self.hash, kind)))
        return pc.fill_null(found, False)

    def names(self, value: Any) -> bool:
        """Whether a value of JSON names the person."""
        if value is None or isinstance(value, (list, dict)):
            return False
        if value == self.hash:
            return True
        if self.plain is not None:
            return plain_bytes(value) == self.plain.encode()
        return hash_value(value, self.secret) == self.hash

    def stands_in(self, text: str) -> bool:
        """Whether a text holds the id as a word of its own, and the id can't be there by chance."""
        if self.plain is not None:
            return _telling(self.plain) and self._found(text, self.plain)
        if self.hash in text:
            return True
        words = {one.strip(".-+@") for one in _TOKEN.findall(text)}
        return any(_telling(word) and self.names(word) for word in words)

    def may_be_in(self, data: bytes) -> bool:
        """Whether bytes may hold the id; False only where they surely do not."""
        if self.plain is None or not _TOKEN.fullmatch(self.plain) or not self.plain.isascii():
            return True
        return self.plain.encode() in data or self.hash.encode() in data

    def _found(self, text: str, plain: str) -> bool:
        if self.hash in text:
            return True
        before, after = r"(?<![\w@])", r"(?![\w@])"
        return plain in text and re.search(f"{before}{re.escape(plain)}{after}", text) is not None

    def _equal(self, values: pa.Array) -> pa.Array | None:
        """The comparison in the column's own type; None where only hashing tells."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = values.type
        if self.plain is None:
            return None
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return pc.equal(values, pa.scalar(self.plain, kind))
        if not pa.types.is_integer(kind):
            return None
        try:
            number = pa.scalar(int(self.plain), kind) if str(int(self.plain)) == self.plain else None
        except (ValueError, OverflowError, pa.ArrowInvalid):
            number = None
        return pc.equal(values, number) if number is not None else pa.array([False] * len(values))


def _telling(word: str) -> bool:
    """Whether a word is long enough to be no chance."""
    return len(word) >= (_LEAST_DIGITS if word.replace(".", "").isdigit() else _LEAST_LETTERS)
