"""SQL on an Airflow connection, as the platform needs it for ``data.query``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from airflow_mlops.core.errors import PlatformError

if TYPE_CHECKING:
    import pyarrow as pa

#: Shorter texts among a connection's extra fields are no secrets, and stand in many words.
_SHORTEST_SECRET = 5


def run_on_connection(connection: str, sql: str) -> Iterator[pa.RecordBatch]:
    """Run ``sql`` on an Airflow connection, through the hook of its provider; rows come in batches.

    :param connection: id of the connection.
    :raises PlatformError: if there is no such connection, or it is none to a SQL database.
    :raises DataError: if the database refuses.
    """
    from airflow_mlops.core.data.dbapi import run_query

    try:
        found = BaseHook.get_connection(connection)
    except AirflowNotFoundException:
        raise PlatformError(
            f"Airflow has no connection {connection}",
            remedy="add it, or correct data.connection in the spec",
        ) from None
    yield from run_query(_opener(found, connection), sql, connection, secrets=_secrets(found))


def _opener(found: Any, name: str) -> Any:
    """The function that opens a connection to the database. :raises PlatformError: if there is none."""
    try:
        hook = found.get_hook()
    except (AirflowException, ImportError) as error:
        raise PlatformError(
            f"connection {name} has no hook",
            given=f"type {found.conn_type} ({type(error).__name__})",
            remedy=f"install the Airflow provider of {found.conn_type}",
        ) from None
    if not (hasattr(hook, "get_conn") and hasattr(hook, "get_records")):
        raise PlatformError(
            f"connection {name} is none to a SQL database",
            given=f"type {found.conn_type}",
            expected="a type whose hook runs SQL, e.g. postgres, mysql, snowflake",
        )
    return hook.get_conn


def _secrets(found: Any) -> tuple[str, ...]:
    """What must stand in no message: the password and the extra fields, also as they are written in an address."""
    extra = found.extra_dejson if isinstance(found.extra_dejson, dict) else {}
    texts = [one for one in extra.values() if isinstance(one, str) and len(one) >= _SHORTEST_SECRET]
    plain = [found.password or "", *texts]
    return tuple({form for one in plain if one for form in (one, quote(one, safe=""), quote_plus(one))})
