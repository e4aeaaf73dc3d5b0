"""What a look at the audit log found."""

from __future__ import annotations

from typing import Literal

from airflow_mlops.core.record import Record
from airflow_mlops.core.wording import counted, size

FindingKind = Literal[
    "edited entry",
    "missing entry",
    "moved entry",
    "stray entry",
    "edited record",
    "removed record",
    "unknown record",
    "changed blob",
    "missing blob",
    "changed data",
    "missing data",
]


class Finding(Record):
    """One thing that is not as it was written.

    :param place: the store key it is about; of data that are pinned where they lie, their URI.
    :param said: one line in words.
    """

    kind: FindingKind
    place: str
    said: str


class ChainSummary(Record):
    """One chain: how many entries it has, and the newest one as ``number:hash``."""

    chain: str
    entries: int
    head: str


class AuditReport(Record):
    """What was looked at, and what was found.

    :param records: audited records that were compared with their chain.
    :param blobs: blobs whose bytes were hashed, and ``blob_bytes`` their size; 0 for a quick look.
    :param in_place: objects outside of the store whose version and size were looked up.
    :param unfinished: records that were announced and never came to be: their writer died, or another one was first.
    :param notes: what was not looked at, and why.
    """

    store: str
    chains: tuple[ChainSummary, ...]
    findings: tuple[Finding, ...]
    records: int
    blobs: int
    blob_bytes: int
    in_place: int
    unfinished: int
    notes: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def reason(self) -> str:
        """One line in words."""
        entries = sum(one.entries for one in self.chains)
        seen = (
            f"{entries:,} entries, {self.records:,} records and {self.blobs:,} blobs "
            f"({size(self.blob_bytes)})"
        )
        if self.whole:
            return f"whole: {seen} are as they were written"
        return f"not whole: {counted(len(self.findings), 'finding')} in {seen}"
