"""Times that can be compared."""

from __future__ import annotations

from datetime import datetime, timezone


def in_utc(at: datetime) -> datetime:
    """A time in UTC; one without a zone is taken as UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
