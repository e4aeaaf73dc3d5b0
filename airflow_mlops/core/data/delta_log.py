"""What the log of a Delta Lake table says: its version, its columns, and its files with what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from airflow_mlops.core.aws.client_config import is_aws
from airflow_mlops.core.data.event_time import Window, to_utc
from airflow_mlops.core.data.glob import check_path
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.source_s3 import S3Root
from airflow_mlops.core.data.table_part import pack_deleted
from airflow_mlops.core.errors import DataError, PlatformError

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

    from airflow_mlops.core.aws.s3_options import S3Requests

#: What a table may ask of its readers that is done here.
_FEATURES = {
    "deletionVectors",
    "timestampNanos",
    "timestampNtz",
    "typeWidening",
    "v2Checkpoint",
    "vacuumProtocolCheck",
}
#: The log cuts times to milliseconds, the largest ones too.
_CUT = timedelta(milliseconds=1)


@dataclass(frozen=True)
class LoggedFile:
    """One data file of a table, as the log has it.

    :param path: relative to the data root.
    :param partition: values of the partition columns as text.
    :param low, high: bounds of its event times, None where the log has none.
    :param deleted: rows that are deleted, as packed bits.
    """

    path: str
    size: int
    partition: dict[str, str | None]
    low: datetime | None = None
    high: datetime | None = None
    deleted: bytes = b""

    def may_hold(self, window: Window) -> bool:
        """Whether rows may lie in the window; True where that is not known."""
        if self.low is None or self.high is None:
            return True
        after = window.since is not None and self.high + _CUT < window.since
        before = window.until is not None and self.low >= window.until
        return not (after or before)


@dataclass(frozen=True)
class Logged:
    """A version of a table.

    :param id: the table's own id, which it keeps for life.
    :param version: the number of the version.
    :param files: in the order of their paths.
    """

    folder: str
    id: str
    version: int
    schema: pa.Schema
    files: tuple[LoggedFile, ...]


def read_log(root: DataRoot, folder: str, event_time: str) -> Logged:
    """The newest version of the table in a folder below the data root.

    :raises PlatformError: without the extra ``delta``.
    :raises DataError: if there is no table, or it needs something of its readers that is not done here.
    """
    table = _open(root, folder)
    place = f"Delta table {folder} below {root.uri}"
    _check_features(table, place)
    import pyarrow as pa

    schema = pa.schema(table.schema().to_arrow())
    with _told(place):
        actions = pa.table(table.get_add_actions(flatten=True))
    deleted = _deleted(table, place)
    ranges = _ranges(actions, schema, event_time)
    files = []
    for row, (low, high) in zip(_partitioned(actions).to_pylist(), ranges, strict=True):
        path = unquote(row["path"])
        if urlsplit(path).scheme or path.startswith("/"):
            raise DataError(
                f"{place} has a file outside of its folder", given=path, remedy="copy the table, not its log"
            )
        partition = {name[10:]: value for name, value in row.items() if name.startswith("partition.")}
        gone = deleted.get(path, b"")
        files.append(LoggedFile(f"{folder}/{path}", row["size_bytes"], partition, low, high, gone))
    ordered = tuple(sorted(files, key=lambda one: one.path))
    return Logged(folder, str(table.metadata().id), table.version(), schema, ordered)


def _open(root: DataRoot, folder: str) -> DeltaTable:
    try:
        from deltalake import DeltaTable
    except ImportError:
        raise PlatformError(
            "data.delta needs the package deltalake",
            given=folder,
            remedy="pip install 'airflow-mlops[delta]'",
        ) from None
    check_path(folder)
    on_s3 = isinstance(root, S3Root)
    place = f"{root.uri}/{folder}" if on_s3 else str(Path(unquote(urlsplit(root.uri).path), folder))
    options = storage_options(root.client, root.requests) if isinstance(root, S3Root) else None
    if isinstance(root, S3Root):
        root.check_owner()  # deltalake names none in its requests
    with _told(f"Delta table {folder} below {root.uri}"):
        return DeltaTable(place, storage_options=options)


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Turns the errors of deltalake into one line."""
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        yield
    except TableNotFoundError:
        raise DataError(
            f"there is no {place}",
            expected="a folder with _delta_log",
            remedy="correct data.delta in the spec or field data of the mlops connection",
        ) from None
    except (DeltaError, OSError) as error:
        raise DataError(f"{place} can't be read", given=" ".join(str(error).split())[:300]) from None


def storage_options(client: Any, requests: S3Requests | None = None) -> dict[str, str]:
    """What deltalake needs to reach S3 as a boto3 client does: its credentials, region and endpoint, and who pays."""
    credentials = client._request_signer._credentials
    endpoint = client.meta.endpoint_url
    options = {"AWS_REGION": client.meta.region_name or "us-east-1"}
    if credentials is None:
        options["AWS_SKIP_SIGNATURE"] = "true"
    else:
        frozen = credentials.get_frozen_credentials()
        options["AWS_ACCESS_KEY_ID"] = frozen.access_key
        options["AWS_SECRET_ACCESS_KEY"] = frozen.secret_key
        if frozen.token:
            options["AWS_SESSION_TOKEN"] = frozen.token
    if requests is not None and "RequestPayer" in requests.object:
        options["AWS_REQUEST_PAYER"] = "true"
    if not is_aws(endpoint):
        options["AWS_ENDPOINT_URL"] = endpoint
        options["AWS_ALLOW_HTTP"] = "true" if endpoint.startswith("http://") else "false"
    return options


def _check_features(table: DeltaTable, place: str) -> None:
    asked = {*(table.protocol().reader_features or ())} - {"columnMapping"}
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        asked.add("columnMapping")
    unknown = asked - _FEATURES
    if unknown:
        raise DataError(
            f"{place} needs what is not done here",
            given=f"reader feature {', '.join(sorted(unknown))}",
            expected=", ".join(sorted(_FEATURES)),
            remedy="write the table anew without it",
        )


def _deleted(table: DeltaTable, place: str) -> dict[str, bytes]:
    """The rows that deletion vectors take out, by the file's path relative to the table."""
    if "deletionVectors" not in (table.protocol().reader_features or ()):
        return {}
    if not hasattr(table, "deletion_vectors"):
        raise DataError(
            f"{place} has deletion vectors, and the installed deltalake can't read them",
            remedy="pip install --upgrade deltalake, or run REORG TABLE ... APPLY (PURGE) on the table",
        )
    import numpy as np
    import pyarrow as pa

    found = {}
    start = table.table_uri.rstrip("/") + "/"
    with _told(place):
        for batch in pa.RecordBatchReader.from_stream(table.deletion_vectors()):
            for row in range(len(batch)):
                uri = str(batch.column("filepath")[row])
                kept = np.asarray(batch.column("selection_vector")[row].values, dtype=np.bool_)
                found[unquote(uri.removeprefix(start))] = pack_deleted(kept)
    return found


def _partitioned(actions: pa.Table) -> pa.Table:
    """Paths, sizes and partition values, these as text that casts back to what it was."""
    import pyarrow as pa

    names = [name for name in actions.column_names if name.startswith("partition.")]
    columns = {name: actions.column(name).cast(pa.string()) for name in names}
    return pa.table({**{name: actions.column(name) for name in ("path", "size_bytes")}, **columns})


def _ranges(
    actions: pa.Table, schema: pa.Schema, event_time: str
) -> list[tuple[datetime | None, datetime | None]]:
    """Lowest and highest event time of each file, where the log has them as times: text may be cut there."""
    from pyarrow import types

    unknown: list[tuple[datetime | None, datetime | None]] = [(None, None)] * len(actions)
    if event_time not in schema.names:
        return unknown
    kind = schema.field(event_time).type
    ends = [name for name in (f"min.{event_time}", f"max.{event_time}") if name in actions.column_names]
    if len(ends) < 2 or not (types.is_timestamp(kind) or types.is_date(kind)):
        return unknown
    low, high = (to_utc(actions.column(name).combine_chunks()).to_pylist() for name in ends)
    return [(_utc(one), _utc(other)) for one, other in zip(low, high, strict=True)]


def _utc(time: datetime | None) -> datetime | None:
    return time.astimezone(timezone.utc) if time else None
