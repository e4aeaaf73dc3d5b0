"""The base of everything that is written to the store as JSON."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """An immutable record with a canonical JSON form.

    Unknown fields are ignored on reading, so that an older release can read what a newer one wrote.
    """

    # Built at first use: a DAG file imports some records and reads none.
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings", defer_build=True)

    def to_bytes(self) -> bytes:
        """The record as UTF-8 JSON, fields in the order of their definition."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls: type[R], data: bytes) -> R:
        """Read a record back.

        :raises pydantic.ValidationError: if the bytes are not such a record.
        """
        return cls.model_validate_json(data)


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(timezone.utc)
