"""Where rows come from, what is joined to them, and what must not be in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from airflow_mlops.core.section import Section
from airflow_mlops.spec.duration import Duration

Format = Literal["parquet", "csv", "jsonl", "delta", "query"]
_ENDINGS: dict[str, Format] = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}


def check_below_root(path: str, what: str) -> None:
    """Refuse a path that is a place of its own. :raises ValueError: naming what is wrong."""
    if "://" in path or path.startswith(("/", "~")) or ".." in path.split("/"):
        raise ValueError(
            f"{what} lies below the platform's data root, and is not a place of its own; "
            "set the root in the mlops connection (field data)"
        )


def format_of(source: str) -> Format:
    """The format of a glob's files, from its ending. :raises ValueError: for another ending."""
    for ending, kind in _ENDINGS.items():
        if source.endswith(ending):
            return kind
    raise ValueError("source ends in .parquet, .csv or .jsonl")


class Join(Section):
    """Columns of another data set, as they were known at the time of each row (an ``ASOF`` join).

    A row gets the newest joined row with ``joined event_time <= row's event_time`` and equal ``by`` columns, so no row
    sees its future. Without one the columns are missing.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Names the joined data set's versions.")
    source: str = Field(min_length=1, description="Glob below the data root: weather/*.parquet")
    event_time: str = Field(description="Column with the time at which a row became known.")
    by: tuple[str, ...] = Field(
        (), description="Columns, of the same name on both sides, that must be equal."
    )
    columns: tuple[str, ...] = Field(min_length=1, description="Columns that are added.")
    tolerance: Duration | None = Field(None, description="Joined rows older than this do not count.")

    @model_validator(mode="after")
    def _usable(self) -> Join:
        check_below_root(self.source, "source of a join")
        format_of(self.source)
        if both := set(self.columns) & {*self.by, self.event_time}:
            raise ValueError(f"{', '.join(sorted(both))}: a column is joined by, or added, not both")
        return self


class Arrival(Section):
    """When new files that ``data.source`` takes are a complete batch, which starts a release."""

    complete: Literal["success", "settled", "manifest"] = Field(
        "settled",
        description="success: a file _SUCCESS, written last, lies in the folder or above; manifest: a JSON file "
        "lists the batch's files with their sizes; settled: in the folder no file came or grew for a while.",
    )
    settle: Duration = Field(timedelta(minutes=1), description="How long nothing may change.")
    manifest: str = Field(
        "manifest.json",
        pattern=r"^[^/]+$",
        description="Name of the file that lists a batch's files; may hold wildcards.",
    )

    @model_validator(mode="after")
    def _settles(self) -> Arrival:
        if self.settle < timedelta(seconds=1):
            raise ValueError("settle is 1s at least: what is written right now has not settled")
        return self


class Data(Section):
    """Where rows come from and what their columns mean.

    Exactly one of ``source``, ``delta`` and ``query``. Paths lie below the platform's data root, so the same spec runs
    on a folder and on S3.
    """

    source: str | None = Field(
        None, min_length=1, description="Glob below the platform's data root: flights/*.parquet"
    )
    delta: str | None = Field(
        None, min_length=1, description="Folder of a Delta Lake table below the data root: tables/flights"
    )
    query: str | None = Field(
        None, min_length=1, description="SQL whose rows are the data set; needs connection."
    )
    connection: str | None = Field(None, description="Airflow connection that the query runs on.")
    event_time: str = Field(description="Column with the time of the event (not of loading).")
    label: str = Field(description="Column with the ground truth.")
    id: str | None = Field(None, description="Column that names a row for people, e.g. an order number.")
    subject: str | None = Field(
        None,
        description="Column that names the person a row is about, e.g. a customer number: erasure finds rows by it.",
    )
    restricted: bool = Field(False, description="Whether each reading of the data is noted in the audit log.")
    arrival: Arrival | None = Field(
        None, description="New files start a release by themselves; without it somebody or some DAG says so."
    )
    joins: tuple[Join, ...] = Field(
        (), description="Columns of other data sets, joined as of each row's time."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Data:
        given = [name for name in ("source", "delta", "query") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"data come from exactly one of source, delta, query; given {given or 'none'}")
        if self.source is not None:
            check_below_root(self.source, "source is a glob that")
            format_of(self.source)
        if self.delta is not None:
            check_below_root(self.delta, "delta is a folder that")
        if self.arrival is not None and self.source is None:
            raise ValueError("arrival is about files: it needs data.source")
        if (self.query is None) != (self.connection is None):
            raise ValueError("query and connection belong together: the query runs on that connection")
        return self

    @model_validator(mode="after")
    def _distinct_joins(self) -> Data:
        names = [join.name for join in self.joins]
        columns = [column for join in self.joins for column in join.columns]
        twice = sorted({one for one in (*names, *columns) if names.count(one) > 1 or columns.count(one) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: names of joins and joined columns stand once")
        return self

    @property
    def format(self) -> Format:
        """The format of the data, from the field that is given."""
        if self.source is None:
            return "delta" if self.delta is not None else "query"
        return format_of(self.source)

    @property
    def place(self) -> str:
        """Where the data come from, for messages: the glob, the folder, or the connection."""
        return self.source or self.delta or f"a query on {self.connection}"


SensitiveKind = Literal["email", "phone", "payment_card", "iban", "national_id", "ip", "name"]
SensitiveAction = Literal["allow", "warn", "block", "drop", "hash"]


class Privacy(Section):
    """What is done about personal data that are found in the columns. Examples are always masked.

    ``block`` stops the run, ``drop`` and ``hash`` make a new dataset version without the column's values.
    """

    action: SensitiveAction = Field("block", description="For every kind and column that is not named below.")
    kinds: dict[SensitiveKind, SensitiveAction] = Field(default_factory=dict, description="By kind.")
    columns: dict[str, SensitiveAction] = Field(
        default_factory=dict, description="By column; drop and hash hold whatever is found in it."
    )
    share: float = Field(
        0.01, ge=0, le=1, description="A column is sensitive if more than this share of its values match."
    )
    regions: tuple[str, ...] = Field(
        ("US", "GB", "DE"), description="Countries whose phone numbers and national ids are looked for."
    )
