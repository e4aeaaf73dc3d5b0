"""Columns of other data sets, joined to rows as they were known at the time of each row."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.data.asof import Match, asof_join
from airflow_mlops.core.data.derive import derive
from airflow_mlops.core.data.engine import engine
from airflow_mlops.core.data.files import check_columns
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion, Derivation
from airflow_mlops.core.errors import DataError, SpecError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.base import Store

if TYPE_CHECKING:
    from airflow_mlops.spec import Join, ModelSpec

_MICRO = timedelta(microseconds=1)
_LONGEST_NAME = 63


def join(
    store: Store,
    root: DataRoot,
    spec: ModelSpec,
    version: DatasetVersion,
    *,
    by: str,
    progress: Progress = ignore,
) -> DatasetVersion:
    """Add the columns of ``spec.data.joins`` to the rows of ``version``, as a version derived of it (kind ``join``).

    Each joined source is pinned as a dataset version of its own, ``<model>__<join>``: of the rows that were known by
    the last event of ``version``. A row gets the newest joined row of its ``by`` columns that is not newer than itself
    and not older than the tolerance. Where several joined rows have the same time and ``by`` columns, the last one
    counts, in the order of files and rows: it corrects the others. A missing value in a ``by`` column equals nothing.
    Rows keep their order; those without a joined row get nulls.

    Without joins, ``version`` itself is returned. Memory is bounded by a batch and what DuckDB may hold.

    :param by: who asks for it.
    :raises SpecError: if a joined column is in the data already.
    :raises DataError: if a column is missing, ``by`` columns differ in their type, or no row has a joined row.
    """
    if not spec.data.joins:
        return version
    _refuse_clashes(spec, version)
    sources = [(one, _joined_version(store, root, spec, one, version, progress)) for one in spec.data.joins]
    for one, joined in sources:
        progress(f"join {one.name}: {joined.rows:,} rows of {joined.name}@{joined.id}")
    with engine() as connection, asof_join(connection, store, version, sources) as result:
        notes = []
        for match in result.matches:
            _require_matches(match, version)
            notes.append(match.text)
            progress(match.text)
        derivation = Derivation(
            kind="join", parents=(version.ref, *(one.ref for _, one in sources)), by=by, note="; ".join(notes)
        )
        return derive(store, version, result.batches, derivation)


def _joined_version(
    store: Store, root: DataRoot, spec: ModelSpec, one: Join, version: DatasetVersion, progress: Progress
) -> DatasetVersion:
    """Pin the rows of a joined source that can be known to a row of ``version``."""
    try:
        joined = snapshot(
            store,
            root,
            _source_spec(spec, one),
            since=version.first_event - one.tolerance if one.tolerance else None,
            until=version.last_event + _MICRO,
            progress=progress,
        )
        wanted = dict.fromkeys((*one.by, *one.columns), f"data.joins {one.name}")
        check_columns(wanted, [column.name for column in joined.columns], one.source)
    except DataError as error:
        raise DataError(
            f"join {one.name}: {error.problem}",
            given=error.given,
            expected=error.expected,
            remedy=error.remedy,
        ) from None
    return joined


def _source_spec(spec: ModelSpec, one: Join) -> ModelSpec:
    """A spec whose data are the joined source; its columns are checked by name later, as those of a join."""
    from airflow_mlops.spec import ModelSpec

    name = f"{spec.name}__{one.name}"
    if len(name) > _LONGEST_NAME:
        raise SpecError(
            f"data.joins {one.name} has too long a name",
            given=name,
            expected=f"at most {_LONGEST_NAME} characters",
        )
    data = {
        "source": one.source,
        "event_time": one.event_time,
        "label": one.event_time,
        "restricted": spec.data.restricted,
    }
    source = ModelSpec(
        name=spec.name,
        data=data,
        features={"columns": [one.event_time]},
        evaluation=spec.evaluation.model_dump(include={"gates"}),
        rollout=spec.rollout.model_dump(),
    )
    # No model may have such a name, so that what belongs to a model can't be taken for another one.
    return source.model_copy(update={"name": name})


def _refuse_clashes(spec: ModelSpec, version: DatasetVersion) -> None:
    known = {column.name for column in version.columns}
    for one in spec.data.joins:
        if both := [column for column in one.columns if column in known]:
            raise SpecError(
                f"data.joins {one.name} adds columns that the data have already",
                given=", ".join(both),
                expected="columns of other names",
                remedy="leave them out of the join, or out of the data",
            )
        named = dict.fromkeys(one.by, f"data.joins {one.name}.by")
        check_columns(named, [column.name for column in version.columns], f"{version.name}@{version.id}")


def _require_matches(match: Match, version: DatasetVersion) -> None:
    if match.matched:
        return
    raise DataError(
        f"join {match.name}: no row of {version.name} has a joined row",
        given=_ranges(match),
        expected="joined rows that are not newer than the rows"
        + (", and not older than the tolerance" if match.tolerance else ""),
        remedy="make the by columns hold the same values on both sides"
        if match.by and not match.shared_keys
        else "look at the time zones (a time without one is taken as UTC), and at the tolerance",
    )


def _ranges(match: Match) -> str:
    keys = f"; {match.shared_keys:,} values of {', '.join(match.by)} on both sides" if match.by else ""
    return f"rows from {match.rows_from} to {match.rows_to}, joined from {match.joined_from} to {match.joined_to}{keys}"
