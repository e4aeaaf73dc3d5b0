"""How old the newest data of each input are: the model's own source, and everything that is joined to it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import DataError, PlatformError, SourceUnavailable
from airflow_mlops.core.monitoring.performance.report import InputFreshness
from airflow_mlops.core.store import Store
from airflow_mlops.core.times import in_utc

if TYPE_CHECKING:
    from airflow_mlops.core.data.source import DataRoot
    from airflow_mlops.spec import ModelSpec

#: Every change of a Delta Lake table is a file here.
_DELTA_LOG = "_delta_log/*.json"


def input_freshness(
    spec: ModelSpec, store: Store, root: DataRoot | None, now: datetime
) -> tuple[InputFreshness, ...]:
    """The newest data of each input that were there at ``now``, and whether they are stale by ``monitoring.freshness``.

    Of files and Delta Lake tables it is the time at which the newest file was written; of a query, and where no root is
    at hand, the newest event of the data set's newest version. A query is not run for it.

    :raises SourceUnavailable: if the source can't be reached now.
    """
    data = spec.data
    glob = data.source or (f"{data.delta}/{_DELTA_LOG}" if data.delta else None)
    inputs = [(spec.name, data.place, glob)]
    inputs += [(f"{spec.name}__{join.name}", join.source, join.source) for join in data.joins]
    return tuple(
        _freshness(spec, name, place, _written(store, root, name, pattern, now), now)
        for name, place, pattern in inputs
    )


def _freshness(
    spec: ModelSpec, name: str, place: str, written: list[datetime], now: datetime
) -> InputFreshness:
    limit = spec.monitoring.freshness
    newest = max((one for one in written if one <= now), default=None)
    # Where all is later than a look at the past, it was written again since: then nobody knows.
    stale = limit is not None and (now - newest > limit if newest is not None else not written)
    return InputFreshness(name=name, place=place, newest=newest, stale=stale)


def _written(
    store: Store, root: DataRoot | None, name: str, glob: str | None, now: datetime
) -> list[datetime]:
    """When an input's newest files were written, by ``now`` and later; without files, when its newest event was."""
    if root is None or glob is None:
        return _newest_event(store, name, now)
    try:
        return _newest_files(root, glob, now)
    except SourceUnavailable:
        raise
    except PlatformError:  # a root of another kind, which can't tell when its files were written
        return _newest_event(store, name, now)
    except DataError:  # no such place, or one that may not be read: nothing is known to be there
        return []


def _newest_files(root: DataRoot, glob: str, now: datetime) -> list[datetime]:
    from airflow_mlops.core.data.arrival_listing import open_listing
    from airflow_mlops.core.data.glob import check_path, path_matches

    parts = check_path(glob)
    written = [
        one.at for one in open_listing(root, glob).list().files if path_matches(one.path.split("/"), parts)
    ]
    earlier = [at for at in written if at <= now.timestamp()]
    newest = (max(some) for some in (earlier, written) if some)
    return [datetime.fromtimestamp(at, timezone.utc) for at in newest]


def _newest_event(store: Store, name: str, now: datetime) -> list[datetime]:
    from airflow_mlops.core.data.catalog import list_versions
    from airflow_mlops.core.data.version import DatasetVersion

    try:
        versions = list_versions(store, name)
    except DataError:
        return []
    return [
        min(in_utc(one.last_event), now)  # what is planned ahead is as new as can be
        for one in versions
        if isinstance(one, DatasetVersion) and one.created_at <= now
    ]
