"""The records of sensitive data: what was found where, and what was done about it. No value stands in them."""

from __future__ import annotations

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.record import Record
from airflow_mlops.spec.data import SensitiveAction, SensitiveKind


class Finding(Record):
    """Sensitive values of one kind in one column.

    :param forms: what they look like, e.g. ``US SSN``.
    :param share: of the values that are not missing, from 0 to 1; an estimate where a sample was examined, or where
        some pass by chance.
    :param count: rows that hold one; an estimate as ``share`` is.
    :param examples: a few, masked.
    """

    column: str
    kind: SensitiveKind
    forms: tuple[str, ...]
    share: float
    count: int
    examples: tuple[str, ...]

    @property
    def words(self) -> str:
        """For logs and messages."""
        return f"{self.column} holds {self.kind} in {self.share:.1%} of its values, e.g. {', '.join(self.examples)}"


class Findings(Record):
    """What was found in a dataset version.

    :param regions: countries whose phone numbers and national ids were looked for.
    :param share: a column is named if more than this share of its values match.
    """

    dataset: DatasetRef
    rows: int
    regions: tuple[str, ...]
    share: float
    findings: tuple[Finding, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns in which something was found."""
        return frozenset(one.column for one in self.findings)


class Protection(Record):
    """What was done about one column, and why: the kinds found in it; none where the spec names the column itself."""

    column: str
    action: SensitiveAction
    kinds: tuple[SensitiveKind, ...]
